//! Tellers: each moves money between two accounts, again and again, and notes in the ledger how many
//! times it has.

use super::{ACCOUNTS, Office};
use crate::client::Client;
use crate::draw::Draw;
use crate::talk::{Trouble, ask, ask_any, connect, wrong};

/// What is known of a teller.
#[derive(Clone, Copy, Default, Debug)]
pub struct Teller {
    /// Its number, which is that of its line in the ledger.
    pub number: usize,
    /// The last transfer whose commit was sent.
    pub sent: i64,
    /// The last transfer whose commit was answered.
    pub answered: i64,
    /// Transfers that were answered.
    pub done: u64,
    /// Transfers that were rolled back, by whomever.
    pub rolled_back: u64,
}

/// A transfer.
struct Transfer {
    from: i64,
    to: i64,
    amount: i64,
}

impl Teller {
    /// Works until the office closes.
    pub(super) fn work(mut self, office: &Office, mut draw: Draw) -> Teller {
        let who = format!("teller {}", self.number);
        while !office.is_closed() {
            let mut session = match connect(&office.connect, &office.stop) {
                Ok(Some(session)) => session,
                Ok(None) => break,
                Err(why) => {
                    office.violation(&who, &why);
                    break;
                }
            };
            while !office.is_closed() {
                match self.serve(office, &mut session, &mut draw) {
                    Ok(()) => {}
                    Err(Trouble::Wrong(why)) => {
                        office.violation(&who, &why);
                        return self;
                    }
                    Err(Trouble::Disconnected | Trouble::Refused) => break,
                }
            }
        }
        self
    }

    /// Tries one transfer.
    fn serve(
        &mut self,
        office: &Office,
        session: &mut Client,
        draw: &mut Draw,
    ) -> Result<(), Trouble> {
        let from = draw.below(ACCOUNTS as u64) as i64;
        let to = (from + 1 + draw.below(ACCOUNTS as u64 - 1) as i64) % ACCOUNTS;
        let transfer = Transfer { from, to, amount: draw.between(1, 100) };
        let form = draw.below(100);
        let ended = match form {
            0..12 => self.in_one_line(session, &transfer),
            12..24 => self.in_one_statement(session, &transfer),
            24..44 => self.as_computed(session, &transfer, draw),
            44..56 => self.by_new_row(session, &transfer),
            56..66 => self.as_locked(session, &transfer, draw),
            66..76 => self.on_conflict(session, &transfer),
            76..86 if office.savepoints => self.at_the_second_try(session, &transfer),
            _ => self.step_by_step(session, &transfer, draw),
        };
        match ended {
            Err(Trouble::Refused) => {
                self.rolled_back += 1;
                ask(session, "ROLLBACK", "ROLLBACK").map(|_| ())
            }
            other => other,
        }
    }

    /// The line of the ledger for the next transfer.
    fn ledger(&self) -> String {
        format!("UPDATE ledger SET seq = {} WHERE teller = {}", self.sent + 1, self.number)
    }

    /// Sends the line that commits.
    fn commit(&mut self, session: &mut Client, line: &str) -> Result<(), Trouble> {
        self.sent += 1;
        let reply = ask_any(session, line)?;
        if reply.tags.last().is_none_or(|tag| tag != "COMMIT") {
            return Err(wrong(line, &reply));
        }
        self.answered = self.sent;
        self.done += 1;
        Ok(())
    }

    /// Everything at once.
    fn in_one_line(&mut self, session: &mut Client, t: &Transfer) -> Result<(), Trouble> {
        let Transfer { from, to, amount } = t;
        // One that finds an account gone (it is being moved) would lose money if it committed.
        let line = format!(
            "BEGIN; UPDATE account SET balance = balance - {amount} WHERE id = {from}; \
             UPDATE account SET balance = balance + {amount} WHERE id = {to}; {}",
            self.ledger()
        );
        let reply = ask_any(session, &line)?;
        match reply.tags[1..].iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["UPDATE 1", "UPDATE 1", "UPDATE 1"] => self.commit(session, "COMMIT"),
            ["UPDATE 0" | "UPDATE 1", "UPDATE 0" | "UPDATE 1", "UPDATE 1"] => Err(Trouble::Refused),
            _ => Err(wrong(&line, &reply)),
        }
    }

    /// Both accounts by one UPDATE.
    fn in_one_statement(&mut self, session: &mut Client, t: &Transfer) -> Result<(), Trouble> {
        let Transfer { from, to, amount } = t;
        let line = format!(
            "BEGIN; UPDATE account SET balance = balance + CASE WHEN id = {from} THEN -{amount} \
             ELSE {amount} END WHERE id = {from} OR id = {to}; {}",
            self.ledger()
        );
        let reply = ask_any(session, &line)?;
        match reply.tags[1..].iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["UPDATE 2", "UPDATE 1"] => self.commit(session, "COMMIT"),
            ["UPDATE 0" | "UPDATE 1", "UPDATE 1"] => Err(Trouble::Refused),
            _ => Err(wrong(&line, &reply)),
        }
    }

    /// Reads both balances under repeatable read, and writes what it has computed.
    fn as_computed(
        &mut self,
        session: &mut Client,
        t: &Transfer,
        draw: &mut Draw,
    ) -> Result<(), Trouble> {
        ask(session, "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN")?;
        let from = balance(session, t.from)? - t.amount;
        pause(draw);
        let to = balance(session, t.to)? + t.amount;
        for (id, balance) in [(t.from, from), (t.to, to)] {
            // The owner is in an index, if there is one: such an update is another than one that
            // changes nothing that is indexed.
            let owner = if draw.percent(30) { ", owner = (owner + 1) % 7" } else { "" };
            let line = format!("UPDATE account SET balance = {balance}{owner} WHERE id = {id}");
            ask(session, &line, "UPDATE 1")?;
        }
        ask(session, &self.ledger(), "UPDATE 1")?;
        self.commit(session, "COMMIT")
    }

    /// Locks both accounts, reads them, and writes what it has computed: under read committed, where only
    /// the locks keep others away.
    fn as_locked(
        &mut self,
        session: &mut Client,
        t: &Transfer,
        draw: &mut Draw,
    ) -> Result<(), Trouble> {
        ask(session, "BEGIN", "BEGIN")?;
        let mut balances = Vec::new();
        for (id, amount) in [(t.from, -t.amount), (t.to, t.amount)] {
            let mode = if draw.percent(50) { "UPDATE" } else { "NO KEY UPDATE" };
            let line = format!("SELECT balance FROM account WHERE id = {id} FOR {mode}");
            let rows = ask_any(session, &line)?.rows();
            // None: it was moved while this one waited for it.
            let [row] = rows.as_slice() else { return Err(Trouble::Refused) };
            let balance: Option<i64> = row[0].as_ref().and_then(|value| value.parse().ok());
            let Some(balance) = balance else { return Err(Trouble::Wrong(line)) };
            balances.push((id, balance + amount));
            pause(draw);
        }
        for (id, balance) in balances {
            let line = format!("UPDATE account SET balance = {balance} WHERE id = {id}");
            ask(session, &line, "UPDATE 1")?;
        }
        ask(session, &self.ledger(), "UPDATE 1")?;
        self.commit(session, "COMMIT")
    }

    /// By INSERT of accounts that are there already, whoever is moving them.
    fn on_conflict(&mut self, session: &mut Client, t: &Transfer) -> Result<(), Trouble> {
        ask(session, "BEGIN", "BEGIN")?;
        for (id, amount) in [(t.from, -t.amount), (t.to, t.amount)] {
            let line = format!(
                "INSERT INTO account VALUES ({id}, 0, {amount}, 'made anew') ON CONFLICT (id) \
                 DO UPDATE SET balance = account.balance + excluded.balance"
            );
            ask(session, &line, "INSERT 0 1")?;
        }
        ask(session, &self.ledger(), "UPDATE 1")?;
        self.commit(session, "COMMIT")
    }

    /// Takes one of the accounts out and puts it in again, with its new balance.
    fn by_new_row(&mut self, session: &mut Client, t: &Transfer) -> Result<(), Trouble> {
        let Transfer { from, to, amount } = t;
        ask(session, "BEGIN", "BEGIN")?;
        let line = format!("DELETE FROM account WHERE id = {from} RETURNING balance, owner, note");
        let reply = ask_any(session, &line)?;
        let rows = reply.rows();
        let [row] = rows.as_slice() else { return Err(Trouble::Refused) };
        let [Some(balance), Some(owner), Some(note)] = row.as_slice() else {
            return Err(wrong(&line, &reply));
        };
        let line =
            format!("INSERT INTO account VALUES ({from}, {owner}, {balance} - {amount}, '{note}')");
        ask(session, &line, "INSERT 0 1")?;
        let line = format!("UPDATE account SET balance = balance + {amount} WHERE id = {to}");
        if ask_any(session, &line)?.tags != ["UPDATE 1"] {
            return Err(Trouble::Refused);
        }
        ask(session, &self.ledger(), "UPDATE 1")?;
        self.commit(session, "COMMIT")
    }

    /// Begins with a wrong amount, goes back to a savepoint, and does it right.
    fn at_the_second_try(&mut self, session: &mut Client, t: &Transfer) -> Result<(), Trouble> {
        let Transfer { from, to, amount } = t;
        ask(session, "BEGIN; SAVEPOINT a", "SAVEPOINT")?;
        let line =
            format!("UPDATE account SET balance = balance + 77 WHERE id = {from} OR id = {to}");
        ask_any(session, &line)?;
        ask(session, "SAVEPOINT b; DELETE FROM account WHERE id < 3; ROLLBACK TO a", "ROLLBACK")?;
        for (id, amount) in [(from, -amount), (to, *amount)] {
            let line = format!("UPDATE account SET balance = balance + {amount} WHERE id = {id}");
            if ask_any(session, &line)?.tags != ["UPDATE 1"] {
                return Err(Trouble::Refused);
            }
        }
        ask(session, &format!("SAVEPOINT c; {}; RELEASE c", self.ledger()), "RELEASE")?;
        self.commit(session, "COMMIT")
    }

    /// A statement after the other, and not always to the end.
    fn step_by_step(
        &mut self,
        session: &mut Client,
        t: &Transfer,
        draw: &mut Draw,
    ) -> Result<(), Trouble> {
        ask(session, "BEGIN", "BEGIN")?;
        for (id, amount) in [(t.from, -t.amount), (t.to, t.amount)] {
            let line = format!("UPDATE account SET balance = balance + {amount} WHERE id = {id}");
            if ask_any(session, &line)?.tags != ["UPDATE 1"] {
                return Err(Trouble::Refused);
            }
            pause(draw);
            match draw.below(20) {
                0 => return Err(Trouble::Refused),
                1 => return Err(Trouble::Disconnected),
                _ => {}
            }
        }
        ask(session, &self.ledger(), "UPDATE 1")?;
        self.commit(session, "COMMIT")
    }
}

/// Now and then, so that the moments between two statements are long enough for others.
fn pause(draw: &mut Draw) {
    if draw.percent(20) {
        std::thread::sleep(std::time::Duration::from_micros(draw.below(2000)));
    }
}

/// The balance of an account, which may be on its way.
fn balance(session: &mut Client, id: i64) -> Result<i64, Trouble> {
    let line = format!("SELECT balance FROM account WHERE id = {id}");
    let reply = ask(session, &line, "SELECT 1")?;
    let value = reply.rows().first().and_then(|row| row[0].as_ref()?.parse().ok());
    value.ok_or_else(|| wrong(&line, &reply))
}
