//! The algorithm of the LWLock, apart from what it runs on, so that it can be model-checked.
//!
//! The whole lock is one word, which is also the futex:
//!
//! ```text
//!  31         30              29              28               27            26       25 ..... 0
//!  EXCLUSIVE  WRITERS_SLEEP   READERS_SLEEP   OBSERVERS_SLEEP  READERS_TURN  STARVING  shared count
//! ```
//!
//! **The naive lock** has a count and one "somebody sleeps" bit, and whoever finds it free takes
//! it. Its trouble: readers that come and go keep the count above zero for ever, and a writer that
//! is awakened finds that the process which woke it has taken the lock again.
//!
//! **The cure** is three rules.
//! 1. While WRITERS_SLEEP, a new reader does not enter but sleeps. So the readers run out, and the
//!    last one wakes a writer; the bit stays, and keeps readers out until the writer has been.
//! 2. A writer that leaves while READERS_SLEEP gives them READERS_TURN: those that have slept may
//!    enter in spite of rule 1, and no writer may until they have left. So neither side starves the
//!    other.
//! 3. A new writer may take a free lock before those that sleep (handing it to a sleeper would cost
//!    a context switch each time). A writer that was awakened in vain [`BARGES_MAX`] times sets
//!    STARVING: then only those who have slept may take it.
//!
//! **Nobody sleeps unnoticed.** A process sleeps on the exact value of the word in which it found
//! the lock denied, and that value has the bit of its class. Bits are taken away in two places
//! only, and both wake the whole class afterwards: by a writer that leaves (READERS_SLEEP and
//! OBSERVERS_SLEEP), and by [`open`], called when a wake-up reached nobody. So there is always
//! somebody who will do it: the holder, or the one that was awakened, or the caller of `open`.
//!
//! **Death.** A process that dies holding the lock, or between being awakened and taking it, breaks
//! that chain; its slot says so (held, or intent). Whoever cleans up after it calls [`repair`], which
//! awakes everybody to look again.
//!
//! Observers ([`acquire_or_wait`]) want what the holder is doing done rather than the lock; every
//! time the lock becomes free, all of them are awakened and go.

/// Held exclusively.
pub(crate) const EXCLUSIVE: u32 = 1 << 31;
/// A writer sleeps or is about to.
pub(crate) const WRITERS_SLEEP: u32 = 1 << 30;
/// A reader sleeps or is about to.
pub(crate) const READERS_SLEEP: u32 = 1 << 29;
/// An observer sleeps or is about to.
pub(crate) const OBSERVERS_SLEEP: u32 = 1 << 28;
/// Readers that have slept go first, and writers wait.
pub(crate) const READERS_TURN: u32 = 1 << 27;
/// Writers that have slept go first.
pub(crate) const STARVING: u32 = 1 << 26;
/// How many hold it shared.
pub(crate) const COUNT: u32 = STARVING - 1;

/// How often a writer lets itself be overtaken after it has slept.
///
/// None in the model checks, so that they come to it in few steps.
const BARGES_MAX: u32 = if cfg!(test) { 0 } else { 3 };

/// Who sleeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Readers,
    Writers,
    Observers,
}

/// What the algorithm runs on: one atomic word and a futex on it.
pub(crate) trait Word {
    fn load(&self) -> u32;
    /// Puts `new` in place of `old`, or says what was there instead.
    fn swap_if(&self, old: u32, new: u32) -> Result<(), u32>;
    /// Sleeps while the word is `expected`; says whether a [`Word::wake`] ended that. If not, the
    /// word was not as expected, or a signal came.
    fn sleep(&self, expected: u32, class: Class) -> bool;
    /// Wakes at most `count` of that class; says how many slept.
    fn wake(&self, class: Class, count: u32) -> usize;
}

fn is_held(state: u32) -> bool {
    state & (EXCLUSIVE | COUNT) != 0
}

fn readers_may(state: u32, slept: bool) -> bool {
    let gate = state & WRITERS_SLEEP != 0 && !(slept && state & READERS_TURN != 0);
    state & EXCLUSIVE == 0 && !gate
}

fn writers_may(state: u32, slept: bool) -> bool {
    !is_held(state) && state & READERS_TURN == 0 && (slept || state & STARVING == 0)
}

/// What a writer leaves behind when it enters: the one that has slept ends the starvation (if it
/// was another's, that one will say so again).
fn entered(state: u32, slept: bool) -> u32 {
    if slept { (state | EXCLUSIVE) & !STARVING } else { state | EXCLUSIVE }
}

/// Takes it shared if that can be done at once.
pub(crate) fn try_shared(word: &impl Word) -> bool {
    let mut state = word.load();
    while readers_may(state, false) {
        match word.swap_if(state, state + 1) {
            Ok(()) => return true,
            Err(now) => state = now,
        }
    }
    false
}

/// Takes it exclusively if that can be done at once.
pub(crate) fn try_exclusive(word: &impl Word) -> bool {
    let mut state = word.load();
    while writers_may(state, false) {
        match word.swap_if(state, entered(state, false)) {
            Ok(()) => return true,
            Err(now) => state = now,
        }
    }
    false
}

/// Takes it shared, after [`try_shared`] has failed.
pub(crate) fn wait_shared(word: &impl Word) {
    let mut slept = false;
    let mut state = word.load();
    loop {
        if readers_may(state, slept) {
            match word.swap_if(state, state + 1) {
                Ok(()) => return,
                Err(now) => state = now,
            }
        } else {
            slept |= sleep(word, state, READERS_SLEEP, Class::Readers);
            state = word.load();
        }
    }
}

/// Takes it exclusively, after [`try_exclusive`] has failed.
pub(crate) fn wait_exclusive(word: &impl Word) {
    let mut sleeps = 0;
    let mut state = word.load();
    loop {
        if writers_may(state, sleeps > 0) {
            match word.swap_if(state, entered(state, sleeps > 0)) {
                Ok(()) => return,
                Err(now) => state = now,
            }
        } else {
            let starving = if sleeps > BARGES_MAX { STARVING } else { 0 };
            sleeps += u32::from(sleep(word, state, WRITERS_SLEEP | starving, Class::Writers));
            state = word.load();
        }
    }
}

/// Takes it exclusively if it is free, or else waits until it has been let go once; says which.
pub(crate) fn acquire_or_wait(word: &impl Word) -> bool {
    let mut state = word.load();
    loop {
        if writers_may(state, false) {
            match word.swap_if(state, entered(state, false)) {
                Ok(()) => return true,
                Err(now) => state = now,
            }
        } else if sleep(word, state, OBSERVERS_SLEEP, Class::Observers) {
            return false;
        } else {
            state = word.load();
        }
    }
}

/// Sets `bits` in the state in which the lock was denied, and sleeps; says whether it was awakened.
/// If not, the state is not what it was, or a signal came.
fn sleep(word: &impl Word, state: u32, bits: u32, class: Class) -> bool {
    let announced = state | bits;
    (state == announced || word.swap_if(state, announced).is_ok()) && word.sleep(announced, class)
}

/// Lets go of it, held shared.
pub(crate) fn release_shared(word: &impl Word) {
    let mut state = word.load();
    let left = loop {
        debug_assert!(state & COUNT > 0, "held shared");
        let last = state & COUNT == 1;
        // The last reader ends the readers' turn.
        let new = if last { (state - 1) & !(READERS_TURN | OBSERVERS_SLEEP) } else { state - 1 };
        match word.swap_if(state, new) {
            Ok(()) if last => break state,
            Ok(()) => return,
            Err(now) => state = now,
        }
    };
    wake_observers(word, left);
    if left & WRITERS_SLEEP != 0 {
        // Readers that sleep do so behind a writer, who will let them in when it leaves.
        wake_or_open(word, Class::Writers, 1);
    }
}

/// Lets go of it, held exclusively.
pub(crate) fn release_exclusive(word: &impl Word) {
    let mut state = word.load();
    loop {
        debug_assert!(state & EXCLUSIVE != 0, "held exclusively");
        let mut new = state & !(EXCLUSIVE | OBSERVERS_SLEEP);
        if state & READERS_SLEEP != 0 {
            new = new & !READERS_SLEEP | READERS_TURN;
        }
        match word.swap_if(state, new) {
            Ok(()) => break,
            Err(now) => state = now,
        }
    }
    wake_observers(word, state);
    if state & READERS_SLEEP != 0 {
        wake_or_open(word, Class::Readers, u32::MAX);
    } else if state & WRITERS_SLEEP != 0 {
        wake_or_open(word, Class::Writers, 1);
    }
}

fn wake_observers(word: &impl Word, left: u32) {
    if left & OBSERVERS_SLEEP != 0 {
        word.wake(Class::Observers, u32::MAX);
    }
}

fn wake_or_open(word: &impl Word, class: Class, count: u32) {
    if word.wake(class, count) == 0 {
        open(word);
    }
}

/// If nobody holds it, forgets who sleeps and whose turn it is, and wakes those who did to look
/// again. If somebody does, that one will wake them.
fn open(word: &impl Word) {
    let mut state = word.load();
    while !is_held(state) && state != 0 {
        match word.swap_if(state, 0) {
            Ok(()) => {
                let wake = |bit: u32, class| {
                    if state & bit != 0 {
                        word.wake(class, u32::MAX);
                    }
                };
                wake(OBSERVERS_SLEEP, Class::Observers);
                wake(READERS_SLEEP, Class::Readers);
                wake(WRITERS_SLEEP, Class::Writers);
                return;
            }
            Err(now) => state = now,
        }
    }
}

/// Repairs what the death of a process that waited, or was waking others, has left: wakes
/// everybody, whatever the bits say, for it may have died between taking a bit away and waking.
pub(crate) fn repair(word: &impl Word) {
    open(word);
    for class in [Class::Observers, Class::Readers, Class::Writers] {
        word.wake(class, u32::MAX);
    }
}

#[cfg(test)]
mod tests;
