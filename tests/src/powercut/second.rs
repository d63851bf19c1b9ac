//! A second cut, while the server recovers from the first.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::clock::wait_for;
use crate::draw::Draw;
use crate::powercut::tool::{self, Disk};
use crate::scratch::Scratch;
use crate::server::Server;
use crate::setup::Setup;

/// How long the tool may take to load an image and to start the server.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(20);

/// Starts the server on an image, on a recorded disk, and lets the power go while it recovers or
/// soon after. Gives back the recording, which lies in `area`.
///
/// # Errors
/// The tool failed.
pub fn cut_again(
    setup: &Setup,
    image: &Path,
    area: &Scratch,
    draw: &mut Draw,
) -> Result<PathBuf, String> {
    let (mount, journal) = (area.join("m2"), area.join("journal2"));
    std::fs::create_dir(&mount).map_err(|e| format!("{}: {e}", mount.display()))?;
    let by_sync = draw.percent(60);
    let disk = Disk {
        sync_us: *draw.pick(&[0, 300]),
        cut_sync: by_sync.then(|| 1 + draw.below(30)),
        fail: Vec::new(),
    };
    let words = tool::wrapper(image, &mount, &journal, &disk);
    let mut server = Server::new(tool::recording(setup, words, area), Scratch::new(), mount);
    server.launch();
    // With the server's first word the tool is ready for a signal, and recovery about to begin.
    wait_for(START_LIMIT, || {
        (server.wrapper_has_ended() || !server.log().is_empty()).then_some(())
    });
    let most = if by_sync { 1_500_000 } else { draw.below(200_000) };
    let deadline = Instant::now() + Duration::from_micros(most);
    while Instant::now() < deadline && !server.wrapper_has_ended() {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.end_wrapper(Signal::SIGUSR1)?;
    tool::recorded(server.log())?;
    server.forget_log();
    Ok(journal)
}
