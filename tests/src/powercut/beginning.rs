//! A cut while the server makes its data directory.
//!
//! Nothing has been promised yet, so that little is asked of the image: the server starts on it,
//! finishing or repeating what was begun, and works.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::clock::wait_for;
use crate::draw::Draw;
use crate::powercut::kind::Kind;
use crate::powercut::order::Order;
use crate::powercut::second::START_LIMIT;
use crate::powercut::tool::{self, Disk};
use crate::scratch::Scratch;
use crate::server::{Server, Stop};

/// One directory begun, `images` states that the disk may hold of it.
///
/// # Errors
/// An image on which the server does not start or work.
pub fn cut_at_the_beginning(order: &Order, images: u32, draw: &mut Draw) -> Result<(), String> {
    let area = Scratch::new();
    let [source, mount, journal] = ["s", "m", "journal"].map(|name| area.join(name));
    for directory in [&source, &mount] {
        std::fs::create_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    }
    let disk = Disk { cut_sync: Some(1 + draw.below(60)), ..Disk::default() };
    let words = tool::wrapper(&source, &mount, &journal, &disk);
    let setup = order.setup().allow_crashes();
    let recording = tool::recording(&setup, words, &area);
    let mut server = Server::new(recording, Scratch::new(), mount.join("d"));
    server.launch();
    wait_for(START_LIMIT, || {
        (server.wrapper_has_ended() || !server.log().is_empty()).then_some(())
    });
    let deadline = Instant::now() + Duration::from_millis(50 + draw.below(1000));
    while Instant::now() < deadline && !server.wrapper_has_ended() {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.end_wrapper(Signal::SIGUSR1)?;
    server.forget_log();
    for number in 0..images {
        let kinds = Kind::all();
        let (kind, seed) = (kinds[number as usize % kinds.len()], draw.next() >> 1);
        let place = Scratch::new();
        let out = place.join("i");
        tool::image(&journal, kind, seed, &out)?;
        let mut server = Server::new(setup.clone(), Scratch::new(), out.join("d"));
        let works = start_and_work(&mut server);
        let works = works.map_err(|why| format!("{why}\n{}", server.log().tail(25)));
        server.forget_log();
        works.map_err(|why| match area.keep_copy(&journal) {
            Ok(kept) => {
                format!("at the beginning, {kind} seed {seed} of {}: {why}", kept.display())
            }
            Err(error) => format!("at the beginning, {kind} seed {seed}: {why} ({error})"),
        })?;
    }
    Ok(())
}

fn start_and_work(server: &mut Server) -> Result<(), String> {
    server.try_start()?;
    let reply = server.connect_patiently().ask("CREATE TABLE t (i int); INSERT INTO t VALUES (1)");
    let reply = reply.map_err(|e| e.to_string())?;
    server.stop(Stop::Fast);
    if reply.is_ok() { Ok(()) } else { Err(format!("{:?}", reply.lines)) }
}
