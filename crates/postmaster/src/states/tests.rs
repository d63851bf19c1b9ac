//! The life of a server, told as events and the actions that must follow.

use super::*;

const KILLED: Ended = Ended::Signaled(Signal::SIGKILL as i32);
const ABORTED: Ended = Ended::Signaled(Signal::SIGABRT as i32);
const OK: Ended = Ended::Exited(0);

/// Forks whatever is missing; a process gets its kind's number as pid and slot.
fn fork_missing(machine: &mut Machine) -> Vec<Action> {
    let missing = machine.missing();
    missing
        .into_iter()
        .flat_map(|kind| machine.started(pid_of(kind), kind, slot_of(kind)))
        .collect()
}

fn pid_of(kind: ProcKind) -> i32 {
    kind as i32 + 100
}

fn slot_of(kind: ProcKind) -> usize {
    kind as usize
}

fn session(machine: &mut Machine, pid: i32) {
    assert_eq!(machine.admission(), Admission::Welcome);
    assert_eq!(machine.started(pid, ProcKind::Backend, pid as usize), vec![]);
}

/// A running server with two sessions, 1000 and 1001.
fn running() -> Machine {
    let mut machine = Machine::new(2, true);
    assert_eq!(machine.admission(), Admission::StartingUp);
    assert_eq!(machine.missing(), vec![ProcKind::Startup]);
    fork_missing(&mut machine);
    let startup = slot_of(ProcKind::Startup);
    let actions = machine.ended(pid_of(ProcKind::Startup), OK, true);
    assert_eq!(actions, vec![Action::Release(startup), Action::Ready]);
    assert_eq!(machine.missing(), AUXILIARIES.to_vec());
    fork_missing(&mut machine);
    assert_eq!(machine.missing(), vec![]);
    session(&mut machine, 1000);
    session(&mut machine, 1001);
    machine
}

/// The pids that the actions send this signal to.
fn signalled(actions: &[Action], signal: Signal) -> Vec<i32> {
    let pid = |action: &Action| match action {
        Action::Signal(pid, sent) if *sent == signal => Some(*pid),
        _ => None,
    };
    actions.iter().filter_map(pid).collect()
}

#[test]
fn a_session_too_many_is_refused_until_another_ends() {
    let mut machine = running();
    assert_eq!(machine.admission(), Admission::Full);
    machine.ended(1000, Ended::Exited(1), true);
    assert_eq!(machine.admission(), Admission::Welcome);
    assert!(machine.is_running());
}

#[test]
fn smart_shutdown_waits_for_sessions_and_ends_with_a_checkpoint() {
    let mut machine = running();
    assert_eq!(machine.shutdown(Shutdown::Smart), vec![]);
    assert_eq!(machine.admission(), Admission::ShuttingDown);
    machine.ended(1000, OK, true);
    let told = machine.ended(1001, OK, true);
    let others = [pid_of(ProcKind::Bgwriter), pid_of(ProcKind::Walwriter)];
    assert_eq!(signalled(&told, Signal::SIGTERM), others);
    machine.ended(others[0], OK, true);
    let last = machine.ended(others[1], OK, true);
    assert!(last.contains(&Action::LastCheckpoint), "{last:?}");
    let end = machine.ended(pid_of(ProcKind::Checkpointer), OK, true);
    assert!(end.contains(&Action::Exit(0)));
    assert_eq!(machine.exit_code(), Some(0));
}

#[test]
fn fast_shutdown_tells_everybody_but_the_checkpointer() {
    for smart_first in [false, true] {
        let mut machine = running();
        if smart_first {
            machine.shutdown(Shutdown::Smart);
        }
        let mut told = signalled(&machine.shutdown(Shutdown::Fast), Signal::SIGTERM);
        told.sort_unstable();
        let [bgwriter, walwriter] = [ProcKind::Bgwriter, ProcKind::Walwriter].map(pid_of);
        assert_eq!(told, vec![bgwriter, walwriter, 1000, 1001]);
        assert_eq!(machine.shutdown(Shutdown::Fast), vec![], "said twice, done once");
    }
}

#[test]
fn the_last_checkpoint_starts_a_checkpointer_if_there_is_none() {
    let mut machine = Machine::new(2, true);
    fork_missing(&mut machine);
    machine.ended(pid_of(ProcKind::Startup), OK, true);
    machine.shutdown(Shutdown::Fast);
    assert_eq!(machine.missing(), vec![ProcKind::Checkpointer]);
    assert_eq!(fork_missing(&mut machine), vec![Action::LastCheckpoint]);
}

#[test]
fn a_failed_last_checkpoint_is_an_abnormal_end() {
    let mut machine = Machine::new(2, true);
    fork_missing(&mut machine);
    machine.ended(pid_of(ProcKind::Startup), OK, true);
    machine.shutdown(Shutdown::Fast);
    fork_missing(&mut machine);
    let end = machine.ended(pid_of(ProcKind::Checkpointer), Ended::Exited(1), true);
    assert!(end.contains(&Action::Exit(1)));
}

#[test]
fn a_crash_ends_all_resets_memory_only_when_nobody_is_left_and_recovers() {
    let mut machine = running();
    let actions = machine.ended(1000, KILLED, true);
    let told = signalled(&actions, Signal::SIGQUIT);
    assert_eq!(told.len(), 4);
    assert!(actions.contains(&Action::ArmKillTimer));
    assert!(!actions.contains(&Action::ResetSharedMemory));
    assert_eq!(machine.admission(), Admission::Recovering);
    assert_eq!(machine.missing(), vec![]);
    for pid in &told[1..] {
        let actions = machine.ended(*pid, Ended::Exited(2), true);
        assert!(!actions.contains(&Action::ResetSharedMemory));
    }
    assert_eq!(signalled(&machine.kill_timer(), Signal::SIGKILL), vec![told[0]]);
    assert!(machine.ended(told[0], KILLED, true).contains(&Action::ResetSharedMemory));
    assert_eq!(machine.missing(), vec![ProcKind::Startup]);
    assert_eq!(machine.kill_timer(), vec![], "a late timer hurts nobody");
}

#[test]
fn every_unexpected_end_is_a_crash() {
    for (kind, how) in [
        (ProcKind::Checkpointer, OK),
        (ProcKind::Checkpointer, KILLED),
        (ProcKind::Bgwriter, Ended::Exited(1)),
        (ProcKind::Walwriter, ABORTED),
    ] {
        let mut machine = running();
        machine.ended(pid_of(kind), how, true);
        assert_eq!(machine.admission(), Admission::Recovering, "{kind:?} {how:?}");
    }
    let mut machine = running();
    machine.ended(1000, OK, false);
    assert_eq!(machine.admission(), Admission::Recovering, "an exit that left a lock behind");
}

#[test]
fn background_processes_that_end_by_themselves_come_back() {
    let mut machine = running();
    machine.ended(pid_of(ProcKind::Bgwriter), OK, true);
    assert!(machine.is_running());
    assert_eq!(machine.missing(), vec![ProcKind::Bgwriter]);
}

#[test]
fn without_restart_after_crash_the_server_ends() {
    let mut machine = running();
    machine.set_restart_after_crash(false);
    let told = signalled(&machine.ended(1000, KILLED, true), Signal::SIGQUIT);
    let actions: Vec<_> =
        told.iter().flat_map(|pid| machine.ended(*pid, Ended::Exited(2), true)).collect();
    assert!(actions.contains(&Action::Exit(1)));
    assert!(!actions.contains(&Action::ResetSharedMemory));
}

#[test]
fn a_crash_during_shutdown_ends_the_server() {
    let mut machine = running();
    machine.shutdown(Shutdown::Smart);
    let told = signalled(&machine.ended(1000, KILLED, true), Signal::SIGQUIT);
    for pid in told {
        machine.ended(pid, Ended::Exited(2), true);
    }
    assert_eq!(machine.exit_code(), Some(1));
}

#[test]
fn a_shutdown_during_a_crash_is_not_forgotten() {
    for (how, code) in [(Shutdown::Fast, 1), (Shutdown::Smart, 1), (Shutdown::Immediate, 0)] {
        let mut machine = running();
        let told = signalled(&machine.ended(1000, KILLED, true), Signal::SIGQUIT);
        machine.shutdown(how);
        for pid in told {
            machine.ended(pid, Ended::Exited(2), true);
        }
        assert_eq!(machine.exit_code(), Some(code));
    }
}

#[test]
fn immediate_shutdown_quits_all_and_exits() {
    let mut machine = running();
    let actions = machine.shutdown(Shutdown::Immediate);
    let told = signalled(&actions, Signal::SIGQUIT);
    assert_eq!(told.len(), 5);
    for pid in told {
        machine.ended(pid, Ended::Exited(2), true);
    }
    assert_eq!(machine.exit_code(), Some(0));
}

#[test]
fn startup_killed_is_retried_and_startup_in_error_ends_the_server() {
    let mut machine = Machine::new(2, true);
    let startup = pid_of(ProcKind::Startup);
    for _ in 0..10 {
        fork_missing(&mut machine);
        assert!(machine.ended(startup, KILLED, true).contains(&Action::ResetSharedMemory));
    }
    fork_missing(&mut machine);
    assert!(machine.ended(startup, Ended::Exited(1), true).contains(&Action::Exit(1)));
}

#[test]
fn startup_that_aborts_again_and_again_is_given_up() {
    let mut machine = Machine::new(2, true);
    let startup = pid_of(ProcKind::Startup);
    for _ in 1..STARTUP_DEATHS_MAX {
        fork_missing(&mut machine);
        assert!(machine.ended(startup, ABORTED, true).contains(&Action::ResetSharedMemory));
    }
    fork_missing(&mut machine);
    assert!(machine.ended(startup, ABORTED, true).contains(&Action::Exit(1)));
}

#[test]
fn shutdown_during_recovery_interrupts_it() {
    let mut machine = Machine::new(2, true);
    fork_missing(&mut machine);
    let startup = pid_of(ProcKind::Startup);
    assert_eq!(signalled(&machine.shutdown(Shutdown::Smart), Signal::SIGQUIT), vec![startup]);
    assert!(machine.ended(startup, Ended::Exited(2), true).contains(&Action::Exit(0)));
}

#[test]
fn shutdown_before_anything_was_forked_ends_at_once() {
    let mut machine = Machine::new(2, true);
    assert_eq!(machine.shutdown(Shutdown::Fast), vec![Action::Exit(0)]);
}

#[test]
fn autovacuum_has_a_launcher_while_it_is_on_and_workers_come_and_go() {
    let mut machine = running();
    machine.set_autovacuum(true);
    let launcher = ProcKind::AutovacuumLauncher;
    assert_eq!(machine.missing(), vec![launcher]);
    fork_missing(&mut machine);
    machine.started(2000, ProcKind::AutovacuumWorker, 20);
    for code in [0, 1] {
        assert_eq!(machine.ended(2000, Ended::Exited(code), true), vec![Action::Release(20)]);
        machine.started(2000, ProcKind::AutovacuumWorker, 20);
    }
    machine.ended(pid_of(launcher), OK, true);
    assert_eq!(machine.missing(), vec![launcher], "it ended though it is on");
    machine.set_autovacuum(false);
    assert_eq!(machine.missing(), vec![]);
    // The worker does not keep the server from ending, nor count as a session.
    assert_eq!(machine.admission(), Admission::Full);
    let told = signalled(&machine.shutdown(Shutdown::Fast), Signal::SIGTERM);
    assert!(told.contains(&2000), "{told:?}");
}

#[test]
fn a_worker_that_is_killed_is_a_crash() {
    let mut machine = running();
    machine.started(2000, ProcKind::AutovacuumWorker, 20);
    let told = machine.ended(2000, KILLED, true);
    assert!(signalled(&told, Signal::SIGQUIT).contains(&1000), "{told:?}");
}
