//! The server on an image, and what it finds there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::binary;
use crate::crash::found::{self, Found};
use crate::crash::history::History;
use crate::crash::oracle::{self, Judgement};
use crate::scratch::Scratch;
use crate::server::{Server, Stop};
use crate::setup::Setup;

/// What a server may say after a cut: pg_class was made longer by a page, and no row had come to stand
/// there. A page that was lost with its rows looks the same to it, but not to the oracle.
const UNUSED_PAGE: &str = "files of tables made before the last checkpoint stay";

/// How a server is started on an image.
pub fn after_cut(setup: Setup) -> Setup {
    setup.allow_crashes().allow(UNUSED_PAGE)
}

/// Starts a server on the image and judges what it holds. The server is shut down again.
///
/// # Errors
/// Everything that is wrong, and the end of the server's log.
pub fn check(
    setup: &Setup,
    image: &Path,
    histories: &[History],
    accounts: &BTreeMap<i64, i64>,
    judgement: &Judgement,
) -> Result<Found, String> {
    let mut server = Server::new(setup.clone(), Scratch::new(), image.to_owned());
    let found = start_and_judge(&mut server, histories, accounts, judgement);
    let found = found.and_then(|found| {
        server.stop(Stop::Fast);
        verify_pages(image)?;
        let lines = server.log().unexpected(setup.announced());
        if lines.is_empty() { Ok(found) } else { Err(format!("log: {}", lines.join("\n"))) }
    });
    let found = found.map_err(|why| format!("{why}\n{}", server.log().tail(25)));
    server.forget_log();
    found
}

fn start_and_judge(
    server: &mut Server,
    histories: &[History],
    accounts: &BTreeMap<i64, i64>,
    judgement: &Judgement,
) -> Result<Found, String> {
    server.try_start().map_err(|why| format!("the server does not start: {why}"))?;
    let mut session = server.connect_patiently();
    let found = found::read(&mut session).map_err(|e| format!("reading: {e}"))?;
    let mut wrong = oracle::judge(histories, accounts, &found, judgement);
    let strays = found::stray_files(&mut session, server.data());
    wrong.extend(strays.map_err(|e| format!("reading pg_class: {e}"))?);
    let broken = found::broken_relations(&mut session);
    wrong.extend(broken.map_err(|e| format!("checking relations: {e}"))?);
    if wrong.is_empty() { Ok(found) } else { Err(wrong.join("\n")) }
}

/// Every checksum of every relation file.
fn verify_pages(data: &Path) -> Result<(), String> {
    let listed = std::fs::read_dir(data.join("base")).map_err(|e| format!("base: {e}"))?;
    let files = listed.map(|entry| entry.map(|entry| entry.path()));
    let files: Vec<_> = files.collect::<Result<_, _>>().map_err(|e| format!("base: {e}"))?;
    let mut command = Command::new(binary::mamont());
    let output = command.args(["page", "verify"]).args(files).output();
    let output = output.map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("page verify: {}", String::from_utf8_lossy(&said)))
}
