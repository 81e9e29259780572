//! The votes of `docs/bridge.md`: `VOTE NAME` is answered with how many NAME has, and `BYE` ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Factory;

/// How many each name has.
pub type Votes = Rc<RefCell<BTreeMap<String, u64>>>;

struct Voter {
    lines: Lines,
    votes: Votes,
}

impl LineHandler for Voter {
    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match line.split_once(' ') {
            Some(("VOTE", name)) => {
                let mut votes = self.votes.borrow_mut();
                let count = votes.entry(name.to_owned()).or_default();
                *count += 1;
                self.lines.send_line(format!("{name} {count}"));
            }
            None if line == "BYE" => self.lines.lose_connection(),
            _ => self.lines.send_line("VOTE NAME, or BYE"),
        }
    }
}

/// A factory of voters.
pub fn factory(votes: Votes) -> impl Factory {
    LineReceiver::factory(move |lines| Voter { lines, votes: Rc::clone(&votes) })
}
