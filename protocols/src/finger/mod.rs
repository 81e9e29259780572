//! Finger (RFC 1288): information about a user.
//!
//! [`Finger`] is the server, [`lookup`] the client, [`FingerQuery`] the question. Twisted's `protocols.finger`. Each
//! has an example.

pub(crate) mod client;
pub(crate) mod query;

pub use client::{FingerError, lookup, lookup_within};
pub use query::{FingerQuery, InvalidFingerQuery};

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{CloseReason, DelayedCall, Factory, OnEof};

use crate::line::LineReceiver;
use crate::line::handle::Lines;
use crate::line::handler::LineHandler;

/// A Finger server (RFC 1288), which answers questions about users. Twisted's `finger.Finger`.
///
/// Programs need it only to call [`factory`](Self::factory). A client asks one question in a line, gets the answer, and
/// is closed. Questions for another host are refused, as the RFC recommends, and so are invalid ones.
///
/// A client has a minute for its question, however slowly it sends it, and another to take the answer; then it is reset.
/// [`factory_within`](Self::factory_within) sets another limit. The lookup may take any time.
pub struct Finger<L> {
    lines: Lines,
    lookup: Rc<L>,
    asked: bool,
    deadline: Duration,
    timer: Option<DelayedCall>,
}

impl<L: AsyncFn(FingerQuery) -> Option<String> + 'static> Finger<L> {
    /// A factory of finger servers. For each question `lookup` returns the text of the answer, whose lines are sent
    /// with CR LF; or `None` if the user is unknown, or if the list of users is not to be told.
    ///
    /// ```no_run
    /// use protocols::finger::Finger;
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.listen_tcp(79, Finger::factory(async |query| match query.user?.as_str() {
    ///     "moshez" => Some("Happy and well".to_owned()),
    ///     _ => None,
    /// }))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn factory(lookup: L) -> impl Factory + use<L> {
        Self::factory_within(DEADLINE, lookup)
    }

    /// As [`factory`](Self::factory), with this time limit for the question, and for taking the answer.
    pub fn factory_within(deadline: Duration, lookup: L) -> impl Factory + use<L> {
        let lookup = Rc::new(lookup);
        LineReceiver::factory(move |lines| Self {
            lines,
            lookup: Rc::clone(&lookup),
            asked: false,
            deadline,
            timer: None,
        })
        .any_newline()
        .max_length(LONGEST)
    }

    fn answer(&mut self, text: &str) {
        for line in text.lines() {
            self.lines.send_line(line);
        }
        self.lines.lose_connection();
        self.wait_for_client();
    }

    fn wait_for_client(&mut self) {
        let expired = |this: &mut Self| this.lines.transport().fail_connection(CloseReason::TimedOut);
        let timer = self.lines.call_later(self.deadline, expired);
        if let Some(before) = self.timer.replace(timer) {
            before.cancel();
        }
    }
}

impl<L: AsyncFn(FingerQuery) -> Option<String> + 'static> LineHandler for Finger<L> {
    fn connection_made(&mut self) {
        self.wait_for_client();
    }

    fn line_received(&mut self, line: &[u8]) {
        let query = match FingerQuery::parse(line) {
            Ok(query) if query.host.is_none() => query,
            Ok(_) => return self.answer("Finger forwarding service denied"),
            Err(_) => return self.answer("Finger query not understood"),
        };
        let refusal = if query.user.is_some() { "No such user" } else { "Finger online user list denied" };
        // Only one question is answered.
        self.asked = true;
        self.lines.pause_reading();
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        let lookup = Rc::clone(&self.lookup);
        self.lines.defer(async move { lookup(query).await }, move |this: &mut Self, text| {
            this.answer(text.as_deref().unwrap_or(refusal));
        });
    }

    fn eof_received(&mut self, _unfinished: &[u8]) -> OnEof {
        if self.asked { OnEof::KeepWriting } else { OnEof::Close }
    }
}

impl<L> fmt::Debug for Finger<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finger").field("lines", &self.lines).finish_non_exhaustive()
    }
}

/// Longer than any name.
const LONGEST: usize = 512;

/// As long as this module's client waits for its answer.
const DEADLINE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use reactor::testing::{Simulation, StringTransport, every_cut};

    use super::*;
    use crate::remote_end::RemoteEnd;

    async fn lookup(query: FingerQuery) -> Option<String> {
        match (query.user?.as_str(), query.verbose) {
            ("root", false) => Some("Login: root\nShell: /bin/sh\n".to_owned()),
            ("root", true) => Some("Login: root\r\nShell: /bin/sh\r\nNo Plan.".to_owned()),
            _ => None,
        }
    }

    #[track_caller]
    fn answer(line: &str) -> String {
        every_cut(line, |pieces| {
            let mut wire = StringTransport::connect(Finger::factory(lookup));
            for piece in pieces {
                wire.receive(piece);
            }
            assert!(wire.close_reason().is_some() && !wire.was_reset(), "{line:?} is answered and closed");
            String::from_utf8(wire.take_written()).unwrap()
        })
    }

    #[test]
    fn a_question_is_answered_by_lines_and_the_end() {
        assert_eq!(answer("root\r\n"), "Login: root\r\nShell: /bin/sh\r\n");
        assert_eq!(answer("/W root\r\n"), "Login: root\r\nShell: /bin/sh\r\nNo Plan.\r\n");
        assert_eq!(answer("root\nroot\n"), "Login: root\r\nShell: /bin/sh\r\n");
    }

    #[test]
    fn s286_what_is_not_told_is_refused_in_the_words_of_the_rfc() {
        assert_eq!(answer("nobody\r\n"), "No such user\r\n");
        assert_eq!(answer("\r\n"), "Finger online user list denied\r\n");
        assert_eq!(answer("root@elsewhere\r\n"), "Finger forwarding service denied\r\n");
        assert_eq!(answer("@elsewhere\r\n"), "Finger forwarding service denied\r\n");
        assert_eq!(answer("a b\r\n"), "Finger query not understood\r\n");
        assert_eq!(answer(&"x".repeat(LONGEST + 2)), "");
    }

    #[test]
    fn a_client_that_has_ended_its_stream_behind_the_question_is_answered_however_long_that_takes() {
        for question in ["root\r\n", "root\r\nroot\r\n"] {
            let sim = Simulation::new(1);
            let (server, client) = (sim.host("server"), RemoteEnd::default());
            let (slow, lookups) = (server.clone(), Rc::new(Cell::new(0)));
            let count = Rc::clone(&lookups);
            let lookup = async move |_| {
                count.set(count.get() + 1);
                let (tell, told) = futures_channel::oneshot::channel();
                slow.call_later(Duration::from_secs(5), move || tell.send("It took a while.".to_owned()).unwrap());
                told.await.ok()
            };
            server.listen_tcp(79, Finger::factory(lookup)).unwrap();
            sim.host("client").connect_tcp("server:79", client.factory());
            sim.run_until(|| client.is_connected());
            client.transport().write(question);
            client.transport().write_eof();
            sim.run_for(Duration::from_secs(6));
            assert_eq!(client.received(), b"It took a while.\r\n");
            assert!(client.lost_cleanly());
            assert_eq!(lookups.get(), 1);
        }
    }

    #[test]
    fn a_client_that_does_not_finish_its_question_in_time_is_reset() {
        let mut wire = StringTransport::connect(Finger::factory(lookup));
        for _ in 0..59 {
            wire.receive("x");
            wire.advance(Duration::from_secs(1));
        }
        assert!(wire.close_reason().is_none());
        wire.advance(Duration::from_secs(1));
        assert!(wire.was_reset() && matches!(wire.close_reason(), Some(CloseReason::TimedOut)));
    }

    #[test]
    fn a_client_that_does_not_take_its_answer_in_time_is_reset() {
        for (deadline, factory) in [
            (60, Box::new(Finger::factory(lookup)) as Box<dyn Factory>),
            (5, Box::new(Finger::factory_within(Duration::from_secs(5), lookup))),
        ] {
            let mut wire = StringTransport::connect(factory);
            wire.advance(Duration::from_secs(deadline - 1));
            wire.stall(true);
            wire.receive("root\r\n");
            wire.advance(Duration::from_secs(deadline - 1));
            assert!(wire.close_reason().is_none());
            wire.advance(Duration::from_secs(1));
            assert!(wire.was_reset() && matches!(wire.close_reason(), Some(CloseReason::TimedOut)));
        }
    }

    #[test]
    fn a_client_that_asks_nothing_gets_nothing() {
        let mut wire = StringTransport::connect(Finger::factory(lookup));
        wire.receive_eof();
        assert!(wire.close_reason().is_some_and(|reason| reason.is_clean()) && wire.written().is_empty());
    }
}
