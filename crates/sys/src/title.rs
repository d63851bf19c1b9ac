//! The title of a process, as `ps` shows it.
//!
//! `ps` reads the memory in which the kernel put the arguments when the program was started, so a
//! new title is written over them, and on over the environment that lies behind:
//!
//! ```text
//!  start_stack                arg_start            arg_end = env_start               env_end
//!  | argc | argv[] | NULL | environ[] | NULL | auxv … | postmaster\0-D\0data\0 | HOME=/root\0… |
//!                                                     |<----------- the title may be here ---->|
//! ```
//!
//! `/proc/self/stat` tells the addresses. First the strings are copied elsewhere and the pointers
//! in `argv[]` and `environ[]` made to point to the copies, so that `std::env` goes on working.
//! When the last byte of the argument area is not zero, the kernel takes the text up to its first
//! zero for the whole title; a shorter title therefore leaves a mark in that byte.

use std::ffi::{CStr, CString, c_char};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

static AREA: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
/// Bytes of the area that the arguments had.
static ARGUMENTS_LEN: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the area altogether.
static AREA_LEN: AtomicUsize = AtomicUsize::new(0);
/// Bytes of it that the last title took.
static SHOWN: AtomicUsize = AtomicUsize::new(0);
static INITIALISED: AtomicBool = AtomicBool::new(false);

/// The kernel shows a page of a title.
const TITLE_MAX: usize = 4096;

/// Where the kernel put things, from `/proc/self/stat`.
struct Addresses {
    start_stack: usize,
    arg_start: usize,
    arg_end: usize,
    env_start: usize,
    env_end: usize,
}

/// Makes room for titles. To be called first in `main`, while there is one thread and nobody has
/// changed the environment; children inherit it. Without it [`set_title`] does nothing.
pub fn init_title() {
    if INITIALISED.swap(true, Ordering::Relaxed) {
        return;
    }
    let Some(at) = std::fs::read_to_string("/proc/self/stat").ok().and_then(|s| parse_stat(&s))
    else {
        return;
    };
    let end = if at.env_start == at.arg_end { at.env_end } else { at.arg_end };
    if at.arg_start == 0 || at.arg_start >= at.arg_end || end - at.arg_start < 2 {
        return;
    }
    if !move_arguments(&at) {
        return;
    }
    move_environment(&at);
    let area = std::ptr::with_exposed_provenance_mut::<u8>(at.arg_start);
    ARGUMENTS_LEN.store(at.arg_end - at.arg_start, Ordering::Relaxed);
    AREA_LEN.store((end - at.arg_start).min(TITLE_MAX), Ordering::Relaxed);
    // The first title wipes the whole area.
    SHOWN.store(end - at.arg_start, Ordering::Relaxed);
    AREA.store(area, Ordering::Relaxed);
}

/// The fields of `/proc/<pid>/stat` that matter, numbered from 1 as proc(5) does; the second, in
/// parentheses, may contain anything.
fn parse_stat(stat: &str) -> Option<Addresses> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<usize>().ok();
    Some(Addresses {
        start_stack: field(28)?,
        arg_start: field(48)?,
        arg_end: field(49)?,
        env_start: field(50)?,
        env_end: field(51)?,
    })
}

/// Points `argv[]` at copies; says whether the stack looks as expected (if not, nothing is done).
fn move_arguments(at: &Addresses) -> bool {
    if at.start_stack == 0 || !at.start_stack.is_multiple_of(size_of::<usize>()) {
        return false;
    }
    let stack = std::ptr::with_exposed_provenance_mut::<usize>(at.start_stack);
    // SAFETY: the kernel put argc here when the program was started; that part of the stack stays
    // mapped and nobody else uses it while there is one thread.
    let count = unsafe { stack.read() };
    // SAFETY: the argument vector follows argc.
    let vector = unsafe { stack.add(1) }.cast::<*mut c_char>();
    // SAFETY: as above; with no arguments this is the null pointer that ends the vector.
    if unsafe { vector.read() }.addr() != at.arg_start {
        return false;
    }
    for index in 0..count {
        // SAFETY: index < argc.
        unsafe { replace(vector.add(index)) };
    }
    true
}

/// Points `environ[]` at copies of what lies in the area.
fn move_environment(at: &Addresses) {
    // SAFETY: one thread, so nobody changes `environ`.
    let mut entry = unsafe { environ };
    if entry.is_null() {
        return;
    }
    loop {
        // SAFETY: `environ` is an array of pointers that ends with a null pointer, and the loop
        // ends there.
        let text = unsafe { entry.read() };
        if text.is_null() {
            return;
        }
        if (at.arg_start..at.env_end).contains(&text.addr()) {
            // SAFETY: not null, so it is a zero-terminated string.
            unsafe { replace(entry) };
        }
        // SAFETY: not yet at the end.
        entry = unsafe { entry.add(1) };
    }
}

/// Makes `*entry` point to a copy of its string. The copy is never freed: it is needed for life.
///
/// # Safety
/// `entry` points to a pointer to a zero-terminated string.
unsafe fn replace(entry: *mut *mut c_char) {
    // SAFETY: by contract.
    let copy: CString = unsafe { CStr::from_ptr(entry.read()) }.to_owned();
    // SAFETY: by contract.
    unsafe { entry.write(copy.into_raw()) };
}

/// Shows `title` in `ps` from now on, cut to the room there is. Cheap: no system call.
pub fn set_title(title: &str) {
    set_title_behind(title, 0);
}

/// The same, where the first `same` bytes are those of the title shown so far.
pub fn set_title_behind(title: &str, same: usize) {
    let area = AREA.load(Ordering::Relaxed);
    if area.is_null() {
        return;
    }
    let (arguments, len) =
        (ARGUMENTS_LEN.load(Ordering::Relaxed), AREA_LEN.load(Ordering::Relaxed));
    let shown = title.len().min(len - 1);
    let shown_before = SHOWN.swap(shown, Ordering::Relaxed);
    // SAFETY: all this is in the area, which is writable memory that nothing points to any more; a
    // process that reads it through /proc may see an old title, a new one or a mixture, which does
    // no harm.
    unsafe {
        for (index, &byte) in title.as_bytes()[..shown].iter().enumerate().skip(same) {
            let printable = if byte.is_ascii_control() { b' ' } else { byte };
            area.add(index).write_volatile(printable);
        }
        for index in shown..shown_before.max(shown + 1) {
            area.add(index).write_volatile(0);
        }
        if shown + 1 < arguments {
            area.add(arguments - 1).write_volatile(b'.');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Ended, wait_for};
    use crate::testing::{hear, in_child, pair, spawn, tell};

    /// What `ps` shows of a child that sets these titles one after the other.
    fn shown(titles: &[&str]) -> String {
        let (here, there) = pair();
        let child = spawn(|| {
            init_title();
            titles.iter().for_each(|title| set_title(title));
            tell(&there);
            i32::from(!hear(&there))
        });
        assert!(hear(&here));
        let shown = std::fs::read(format!("/proc/{child}/cmdline")).expect("it lives");
        tell(&here);
        assert_eq!(wait_for(child), Some(Ended::Exited(0)));
        String::from_utf8(shown).expect("UTF-8")
    }

    #[test]
    fn ps_shows_the_title_and_nothing_else() {
        assert_eq!(shown(&["mamont: walwriter"]), "mamont: walwriter\0");
        let long = "mamont: checkpointer writing 412/1893 ".repeat(8);
        assert_eq!(shown(&["m", &long]), format!("{long}\0"));
        assert_eq!(shown(&[&long, "mamont: m\n\0y"]), "mamont: m  y\0");
        let arguments: usize = std::env::args().map(|argument| argument.len() + 1).sum();
        for len in arguments - 3..arguments + 3 {
            let exact = "z".repeat(len);
            assert_eq!(shown(&[&long, "m", &exact]), format!("{exact}\0"), "{len} {arguments}");
            assert_eq!(shown(&[&exact, "m"]), "m\0");
        }
    }

    #[test]
    fn only_the_end_of_a_title_is_written() {
        let (here, there) = pair();
        let child = spawn(|| {
            init_title();
            set_title("mamont: backend idle");
            set_title_behind("xxxxxx: backend active", 16);
            set_title_behind("xxxxxx: backend on", 16);
            tell(&there);
            i32::from(!hear(&there))
        });
        assert!(hear(&here));
        let shown = std::fs::read(format!("/proc/{child}/cmdline")).expect("it lives");
        tell(&here);
        assert_eq!(wait_for(child), Some(Ended::Exited(0)));
        assert_eq!(shown, b"mamont: backend on\0");
    }

    #[test]
    fn a_title_longer_than_the_room_is_cut() {
        let endless = "x".repeat(1 << 20);
        let shown = shown(&[&endless]);
        assert!(shown.trim_end_matches('\0').bytes().all(|b| b == b'x'));
        assert!((100..=TITLE_MAX).contains(&shown.len()), "{}", shown.len());
    }

    #[test]
    fn arguments_and_environment_stay_readable() {
        let arguments: Vec<String> = std::env::args().collect();
        let mut environment: Vec<(String, String)> = std::env::vars().collect();
        environment.sort();
        let ended = in_child(|| {
            init_title();
            set_title(&"y".repeat(1 << 20));
            let mut now: Vec<(String, String)> = std::env::vars().collect();
            now.sort();
            i32::from(std::env::args().collect::<Vec<_>>() != arguments)
                + 2 * i32::from(now != environment)
        });
        assert_eq!(ended, Ended::Exited(0));
        assert!(environment.len() > 3, "there was something to lose");
    }

    #[test]
    fn the_name_of_the_program_may_contain_anything() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let at = parse_stat(&format!("1 (a) S 9 (b) c) {}", fields.join(" "))).expect("complete");
        assert_eq!((at.start_stack, at.arg_start, at.env_end), (28, 48, 51));
        assert!(parse_stat("1 (a) S 1 2").is_none());
    }
}
