//! The loop between the kernel and the volume, fsyncs under way, and the cut.
//!
//! An fsync that takes time is begun under the lock, waits in a channel, and is completed by a
//! thread of its own; other requests go on meanwhile, as on a real disk. All take the same time, so
//! they complete in the order in which they began.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::fault::Operation;
use crate::journal::Change;

use super::volume::{Volume, now_ns};
use super::wire::{Answer, REQUEST_BYTES_MAX, Reply, Request, opcode};

/// Threads that read requests: one is served while the next one is fetched.
const READERS: usize = 2;

/// The file system of one mount.
pub(crate) struct Server {
    volume: Mutex<Volume>,
    /// Set under the lock, read without.
    is_cut: AtomicBool,
    device: File,
    /// How long an fsync takes.
    sync_time: Duration,
    /// The number of the fsync that never completes.
    cut_sync: Option<u64>,
}

/// An fsync under way.
struct Sync {
    inode: u64,
    unique: u64,
    number: u64,
    due: Instant,
}

impl Server {
    /// The server of what is mounted with that device.
    pub(crate) fn new(
        volume: Volume,
        device: File,
        sync_time: Duration,
        cut_sync: Option<u64>,
    ) -> Arc<Server> {
        let (volume, is_cut) = (Mutex::new(volume), AtomicBool::new(false));
        Arc::new(Server { volume, is_cut, device, sync_time, cut_sync })
    }

    /// Starts the threads. They end with the mount, or with the process.
    pub(crate) fn start(self: &Arc<Self>) {
        let (syncs, completions) = channel();
        for _ in 0..READERS {
            let (server, syncs) = (self.clone(), syncs.clone());
            thread::spawn(move || server.serve(&syncs));
        }
        let server = self.clone();
        thread::spawn(move || server.complete_late(&completions));
    }

    /// Whether the power has gone.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    /// The volume for the one who holds the switch.
    pub(crate) fn volume(&self) -> MutexGuard<'_, Volume> {
        self.volume.lock().expect("no thread panics under the lock")
    }

    /// The volume for a request, or, after the cut, nothing for ever.
    fn powered(&self) -> MutexGuard<'_, Volume> {
        let volume = self.volume();
        if volume.cut_ns.is_none() {
            return volume;
        }
        drop(volume);
        loop {
            thread::park();
        }
    }

    /// Cuts the power. The lock is held, so the cut falls between two records.
    pub(crate) fn cut(&self, volume: &mut Volume) {
        volume.cut_ns.get_or_insert_with(now_ns);
        self.is_cut.store(true, Ordering::SeqCst);
    }

    fn serve(&self, syncs: &Sender<Sync>) {
        let (mut buffer, mut reply) = (vec![0; REQUEST_BYTES_MAX], Reply::new());
        loop {
            let length = match (&self.device).read(&mut buffer) {
                Ok(length) => length,
                Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
                    Errno::EINTR | Errno::EAGAIN | Errno::ENOENT => continue,
                    _ => return, // unmounted
                },
            };
            let Some(request) = Request::parse(&buffer[..length]) else { continue };
            match request.opcode {
                // These want no answer.
                opcode::FORGET | opcode::BATCH_FORGET | opcode::INTERRUPT => {}
                // A write to a file that was opened with O_SYNC or O_DSYNC brings one, too.
                opcode::FSYNC | opcode::FSYNCDIR => self.sync(&request, syncs, &mut reply),
                _ => {
                    reply.clear();
                    let result = self.powered().handle(&request, &mut reply);
                    self.answer(request.unique, result, &mut reply);
                }
            }
        }
    }

    /// Nobody waits any more for an answer that the kernel does not take.
    fn answer(&self, unique: u64, result: Answer<()>, reply: &mut Reply) {
        let _ = (&self.device).write(reply.finish(unique, result));
    }

    fn sync(&self, request: &Request<'_>, syncs: &Sender<Sync>, reply: &mut Reply) {
        reply.clear();
        match self.begin_sync(request) {
            Err(errno) => self.answer(request.unique, Err(errno), reply),
            Ok(sync) if self.sync_time.is_zero() => self.complete(&sync, reply),
            // The other end lives as long as the mount.
            Ok(sync) => drop(syncs.send(sync)),
        }
    }

    fn begin_sync(&self, request: &Request<'_>) -> Answer<Sync> {
        let (inode, unique) = (request.inode, request.unique);
        let data_only = request.u32(8)? & 1 != 0;
        let mut volume = self.powered();
        if let Err(errno) = volume.injected(Operation::Sync, inode) {
            volume.put(Change::SyncFail { inode });
            return Err(errno);
        }
        volume.syncs += 1;
        let number = volume.syncs;
        volume.put(Change::SyncBegin { inode, number, data_only });
        Ok(Sync { inode, unique, number, due: Instant::now() + self.sync_time })
    }

    fn complete_late(&self, syncs: &Receiver<Sync>) {
        let mut reply = Reply::new();
        while let Ok(sync) = syncs.recv() {
            thread::sleep(sync.due.saturating_duration_since(Instant::now()));
            reply.clear();
            self.complete(&sync, &mut reply);
        }
    }

    fn complete(&self, sync: &Sync, reply: &mut Reply) {
        let mut volume = self.powered();
        if self.cut_sync.is_some_and(|number| sync.number >= number) {
            return self.cut(&mut volume);
        }
        volume.put(Change::SyncEnd { inode: sync.inode, number: sync.number });
        drop(volume);
        self.answer(sync.unique, Ok(()), reply);
    }
}
