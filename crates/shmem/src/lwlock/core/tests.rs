//! The three rules, one step at a time.

use std::cell::{Cell, RefCell};

use super::*;

/// A word for one thread, in which others act only while it sleeps.
struct Scripted<'a> {
    state: Cell<u32>,
    /// Called with the state in which it went to sleep; what the others make of it meanwhile.
    others: RefCell<Box<dyn FnMut(u32) -> u32 + 'a>>,
    woken: RefCell<Vec<Class>>,
}

impl<'a> Scripted<'a> {
    fn new(state: u32, others: impl FnMut(u32) -> u32 + 'a) -> Self {
        let others = RefCell::new(Box::new(others) as Box<dyn FnMut(u32) -> u32>);
        Scripted { state: Cell::new(state), others, woken: RefCell::default() }
    }

    fn still(state: u32) -> Self {
        Scripted::new(state, |_| panic!("it would sleep"))
    }
}

impl Word for Scripted<'_> {
    fn load(&self) -> u32 {
        self.state.get()
    }

    fn swap_if(&self, old: u32, new: u32) -> Result<(), u32> {
        assert_eq!(self.state.get(), old, "nobody else acts");
        self.state.set(new);
        Ok(())
    }

    fn sleep(&self, expected: u32, _: Class) -> bool {
        assert_eq!(self.state.get(), expected, "nobody else acts");
        self.state.set((self.others.borrow_mut())(expected));
        true
    }

    fn wake(&self, class: Class, count: u32) -> usize {
        self.woken.borrow_mut().push(class);
        count.min(5) as usize
    }
}

#[test]
fn new_readers_do_not_pass_a_sleeping_writer() {
    assert!(try_shared(&Scripted::still(2)));
    assert!(!try_shared(&Scripted::still(2 | WRITERS_SLEEP)));
    assert!(!try_shared(&Scripted::still(WRITERS_SLEEP)), "not even in a free lock");
    // New ones not in the readers' turn either: it would never end.
    assert!(!try_shared(&Scripted::still(2 | WRITERS_SLEEP | READERS_TURN)));
    // The last reader wakes the writer, and the gate stays closed until that has been.
    let word = Scripted::still(1 | WRITERS_SLEEP | READERS_SLEEP);
    release_shared(&word);
    assert_eq!(word.state.get(), WRITERS_SLEEP | READERS_SLEEP);
    assert_eq!(*word.woken.borrow(), [Class::Writers]);
}

#[test]
fn readers_that_slept_go_before_the_next_writer() {
    let word = Scripted::still(EXCLUSIVE | WRITERS_SLEEP | READERS_SLEEP);
    release_exclusive(&word);
    assert_eq!(word.state.get(), WRITERS_SLEEP | READERS_TURN);
    assert_eq!(*word.woken.borrow(), [Class::Readers]);
    assert!(!try_exclusive(&word), "it is the readers' turn");
    let reader = Scripted::new(EXCLUSIVE | WRITERS_SLEEP, |state| {
        assert_eq!(state, EXCLUSIVE | WRITERS_SLEEP | READERS_SLEEP);
        WRITERS_SLEEP | READERS_TURN
    });
    wait_shared(&reader);
    assert_eq!(reader.state.get(), 1 | WRITERS_SLEEP | READERS_TURN);
    release_shared(&reader);
    assert_eq!(reader.state.get(), WRITERS_SLEEP, "the turn is over");
}

#[test]
fn a_writer_is_overtaken_only_so_often() {
    assert!(try_exclusive(&Scripted::still(WRITERS_SLEEP)), "overtaking saves a switch");
    assert!(!try_exclusive(&Scripted::still(WRITERS_SLEEP | STARVING)));
    let sleeps = Cell::new(0);
    let word = Scripted::new(EXCLUSIVE, |state| {
        sleeps.set(sleeps.get() + 1);
        assert!(state & WRITERS_SLEEP != 0 && sleeps.get() < 10);
        // Somebody overtakes it each time, until that is forbidden.
        if state & STARVING == 0 { state } else { state & !EXCLUSIVE }
    });
    wait_exclusive(&word);
    assert_eq!(sleeps.get(), BARGES_MAX + 2);
    assert_eq!(word.state.get(), EXCLUSIVE | WRITERS_SLEEP, "it starves no longer");
}

#[test]
fn every_release_wakes_the_observers() {
    let word = Scripted::still(EXCLUSIVE | OBSERVERS_SLEEP);
    release_exclusive(&word);
    assert_eq!((word.state.get(), &**word.woken.borrow()), (0, &[Class::Observers][..]));
    let word = Scripted::still(1 | OBSERVERS_SLEEP);
    release_shared(&word);
    assert_eq!((word.state.get(), &**word.woken.borrow()), (0, &[Class::Observers][..]));
    let word = Scripted::still(2 | OBSERVERS_SLEEP);
    release_shared(&word);
    assert_eq!(word.state.get(), 1 | OBSERVERS_SLEEP, "it is not free yet");
}
