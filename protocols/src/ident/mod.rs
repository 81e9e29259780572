//! Ident (RFC 1413): the owner of a connection.
//!
//! [`IdentServer`] answers an [`IdentQuery`] with an [`IdentReply`] or an [`IdentError`]; [`IdentClient`] asks.
//! Twisted's `protocols.ident`. Both have an example.

pub(crate) mod client;
pub(crate) mod query;
pub(crate) mod reply;

pub use client::IdentClient;
pub use query::IdentQuery;
pub use reply::{IdentError, IdentReply};

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{CloseReason, DelayedCall, Factory, OnEof};

use crate::ident::query::port_pair;
use crate::ident::reply::line_of;
use crate::line::LineReceiver;
use crate::line::handle::Lines;
use crate::line::handler::LineHandler;

/// A server of the Identification Protocol (RFC 1413), which says which user owns a connection. Twisted's
/// `IdentServer`.
///
/// Programs need it only to call [`factory`](Self::factory). A client may ask any number of questions; they are
/// answered one after another. A line that does not ask about two ports ends the connection.
///
/// A client has three minutes for each question, however slowly it sends it; then it is reset.
/// [`factory_within`](Self::factory_within) sets another limit. The lookup may take any time.
pub struct IdentServer<L> {
    lines: Lines,
    lookup: Rc<L>,
    /// A question is being answered.
    busy: bool,
    deadline: Duration,
    timer: Option<DelayedCall>,
}

impl<L: AsyncFn(IdentQuery) -> Result<IdentReply, IdentError> + 'static> IdentServer<L> {
    /// A factory of ident servers. `lookup` is called for each question whose ports are valid.
    ///
    /// ```no_run
    /// use protocols::ident::{IdentError, IdentReply, IdentServer};
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.listen_tcp(113, IdentServer::factory(async |query| match query.server_port {
    ///     6667 => Ok(IdentReply::unix("bot")),
    ///     _ => Err(IdentError::NoUser),
    /// }))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn factory(lookup: L) -> impl Factory + use<L> {
        Self::factory_within(DEADLINE, lookup)
    }

    /// As [`factory`](Self::factory), with this time limit for each question.
    pub fn factory_within(deadline: Duration, lookup: L) -> impl Factory + use<L> {
        let lookup = Rc::new(lookup);
        LineReceiver::factory(move |lines| Self {
            lines,
            lookup: Rc::clone(&lookup),
            busy: false,
            deadline,
            timer: None,
        })
        .any_newline()
        .max_length(LONGEST_LINE)
    }

    fn answer(&mut self, line: &str) {
        self.lines.send_line(line);
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

impl<L: AsyncFn(IdentQuery) -> Result<IdentReply, IdentError> + 'static> LineHandler for IdentServer<L> {
    fn connection_made(&mut self) {
        self.wait_for_client();
    }

    fn line_received(&mut self, line: &[u8]) {
        let Some(ports) = str::from_utf8(line).ok().and_then(port_pair) else {
            return self.lines.lose_connection();
        };
        let [Some(server_port), Some(client_port)] = [ports.0, ports.1].map(valid) else {
            return self.answer(&line_of(ports, &Err(IdentError::InvalidPort)));
        };
        let (host, peer) = (self.lines.transport().host(), self.lines.peer());
        let query = IdentQuery { server_port, client_port, host, peer };
        self.busy = true;
        self.lines.pause_reading();
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        let lookup = Rc::clone(&self.lookup);
        self.lines.defer(async move { lookup(query).await }, move |this: &mut Self, found| {
            this.busy = false;
            this.answer(&line_of(ports, &found));
            this.lines.resume_reading();
        });
    }

    fn eof_received(&mut self, _unfinished: &[u8]) -> OnEof {
        if self.busy { OnEof::NotYet } else { OnEof::Close }
    }
}

fn valid(port: u32) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

impl<L> fmt::Debug for IdentServer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentServer").field("lines", &self.lines).finish_non_exhaustive()
    }
}

/// The limit of RFC 1413, in bytes.
pub(crate) const LONGEST_LINE: usize = 1000;

/// The longest that RFC 1413, section 2, recommends.
const DEADLINE: Duration = Duration::from_secs(180);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reactor::testing::{Simulation, StringTransport, every_cut};

    use super::*;
    use crate::remote_end::RemoteEnd;

    async fn lookup(query: IdentQuery) -> Result<IdentReply, IdentError> {
        match query.server_port {
            23 => Ok(IdentReply::unix("root")),
            24 => Err(IdentError::HiddenUser),
            25 => Err(IdentError::Unknown),
            _ => Err(IdentError::NoUser),
        }
    }

    /// What comes back, and whether the connection is still there.
    #[track_caller]
    fn answer(lines: impl AsRef<[u8]>) -> (String, bool) {
        every_cut(lines, |pieces| {
            let mut wire = StringTransport::connect(IdentServer::factory(lookup));
            for piece in pieces {
                wire.receive(piece);
            }
            (String::from_utf8(wire.take_written()).unwrap(), wire.close_reason().is_none())
        })
    }

    #[test]
    fn questions_are_answered_one_after_another() {
        assert_eq!(answer("23, 6191\r\n"), ("23, 6191 : USERID : UNIX : root\r\n".to_owned(), true));
        let answers = "24, 1 : ERROR : HIDDEN-USER\r\n25, 1 : ERROR : UNKNOWN-ERROR\r\n26, 65535 : ERROR : NO-USER\r\n";
        assert_eq!(answer("24,1\r\n 25 , 1\n26,65535\r\n"), (answers.to_owned(), true));
    }

    #[test]
    fn s285_ports_that_are_none_are_told_so_and_lines_that_are_none_end_it() {
        let answers = "0, 1 : ERROR : INVALID-PORT\r\n1, 65536 : ERROR : INVALID-PORT\r\n";
        assert_eq!(answer("0,1\r\n1,65536\r\n"), (answers.to_owned(), true));
        for line in
            ["\r\n", "23\r\n", "23,-1\r\n", "23,6191,1\r\n", "23 6191\r\n", "GET / HTTP/1.0\r\n", "\u{e9},1\r\n"]
        {
            assert_eq!(answer(line), (String::new(), false), "{line:?}");
        }
        assert_eq!(answer("1".repeat(LONGEST_LINE + 2)), (String::new(), false));
    }

    #[test]
    fn a_client_that_does_not_finish_its_next_question_in_time_is_reset() {
        let mut wire = StringTransport::connect(IdentServer::factory(lookup));
        wire.advance(Duration::from_secs(179));
        wire.receive("23, 1\r\n");
        for _ in 0..179 {
            wire.receive("2");
            wire.advance(Duration::from_secs(1));
        }
        assert!(wire.close_reason().is_none() && !wire.written().is_empty());
        wire.advance(Duration::from_secs(1));
        assert!(wire.was_reset() && matches!(wire.close_reason(), Some(CloseReason::TimedOut)));
    }

    #[test]
    fn another_deadline_for_questions_holds_and_a_lookup_has_none() {
        let sim = Simulation::new(1);
        let (server, client) = (sim.host("server"), RemoteEnd::default());
        let slow = server.clone();
        let lookup = async move |_| {
            slow.sleep(Duration::from_secs(60)).await;
            Ok(IdentReply::unix("root"))
        };
        server.listen_tcp(113, IdentServer::factory_within(Duration::from_secs(5), lookup)).unwrap();
        sim.host("client").connect_tcp("server:113", client.factory());
        sim.run_until(|| client.is_connected());
        client.transport().write("23, 1\r\n");
        sim.run_for(Duration::from_secs(64));
        assert_eq!(client.received(), b"23, 1 : USERID : UNIX : root\r\n");
        assert!(client.lost().is_none());
        sim.run_for(Duration::from_secs(2));
        assert!(client.was_reset());
    }

    #[test]
    fn a_client_that_has_ended_its_stream_behind_its_questions_gets_all_answers() {
        for (questions, answers) in [
            ("23, 1\r\n", "23, 1 : USERID : UNIX : 1\r\n"),
            ("23, 2\r\n23, 1\r\n", "23, 2 : USERID : UNIX : 2\r\n23, 1 : USERID : UNIX : 1\r\n"),
        ] {
            let sim = Simulation::new(1);
            let (server, client) = (sim.host("server"), RemoteEnd::default());
            let slow = server.clone();
            let lookup = async move |query: IdentQuery| {
                let (tell, told) = futures_channel::oneshot::channel();
                slow.call_later(Duration::from_secs(query.client_port.into()), move || tell.send(()).unwrap());
                told.await.map_err(|_| IdentError::Unknown)?;
                Ok(IdentReply::unix(query.client_port.to_string()))
            };
            server.listen_tcp(113, IdentServer::factory(lookup)).unwrap();
            sim.host("client").connect_tcp("server:113", client.factory());
            sim.run_until(|| client.is_connected());
            client.transport().write(questions);
            client.transport().write_eof();
            sim.run_for(Duration::from_secs(4));
            assert_eq!(String::from_utf8(client.received()).unwrap(), answers);
            assert!(client.lost_cleanly());
        }
    }
}
