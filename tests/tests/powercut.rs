//! The power-cut test, short: what `just powercut` runs by the thousand.
//!
//! A failing run prints the command that repeats it, and where the failing image is kept. Set
//! `MAMONT_POWERCUT_SEED` to try another seed than the fixed one.

use tests::powercut::order::Order;
use tests::powercut::{runs, unavailable};

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    if let Some(why) = unavailable() {
        return tests::skip::skip("45 images of power cuts", why);
    }
    let seed = std::env::var("MAMONT_POWERCUT_SEED").ok().and_then(|s| s.parse().ok());
    let order = Order {
        images: 45,
        doubles: 5,
        beginnings: 9,
        images_a_life: 9,
        seed: seed.unwrap_or(20_261_120),
        failing_disks: 20,
        ..Order::default()
    };
    match runs::run(&order) {
        Ok(summary) => eprintln!("{summary}"),
        Err(failure) => panic!("{}", failure.what),
    }
}
