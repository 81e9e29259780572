//! The client: a connection to the server, and what is known of it. It knows no window.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::connect::Backoff;
use reactor::threads::RemoteTransport;
use reactor::{Connector, Reactor};

/// What the client knows, for what shows it, on any thread.
#[derive(Clone)]
pub(crate) struct Shared {
    view: Arc<Mutex<View>>,
    /// Has it shown.
    changed: Arc<dyn Fn() + Send + Sync>,
}

/// A conversation, as it is now.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) state: State,
    /// What was sent, the oldest first, with the answers.
    pub(crate) entries: VecDeque<Entry>,
    server: Option<RemoteTransport>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Connecting,
    /// To this address.
    Connected(String),
    /// There is no connection, for this reason; another attempt follows.
    Away(String),
}

pub(crate) struct Entry {
    pub(crate) text: String,
    pub(crate) answer: Answer,
    sent: Instant,
}

pub(crate) enum Answer {
    Awaited,
    /// The server's stamp, and how long it took.
    Stamped(String, Duration),
    /// The connection was lost before.
    Lost,
}

/// How much of the conversation is kept.
const LONGEST: usize = 1000;

impl Shared {
    pub(crate) fn new(changed: impl Fn() + Send + Sync + 'static) -> Self {
        Self { view: Arc::default(), changed: Arc::new(changed) }
    }

    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        // Nothing panics with the lock held; if it did, what is shown would still be true.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view());
        (self.changed)();
    }
}

impl View {
    /// Sends a line; returns whether there is somebody to send it to.
    #[expect(clippy::disallowed_methods, reason = "the window has no clock of a reactor")]
    pub(crate) fn send(&mut self, text: &str) -> bool {
        // From a thread of another, or from the reactor's own: it is the same handle.
        let line = format!("{text}\r\n");
        let sent = self.server.as_ref().is_some_and(|server| server.write(line.into()).is_ok());
        if sent {
            if self.entries.len() == LONGEST {
                self.entries.pop_front();
            }
            self.entries.push_back(Entry { text: text.to_owned(), answer: Answer::Awaited, sent: Instant::now() });
        }
        sent
    }

    fn answered(&mut self, stamp: &str) {
        let awaited = self.entries.iter_mut().find(|entry| matches!(entry.answer, Answer::Awaited));
        if let Some(entry) = awaited {
            entry.answer = Answer::Stamped(stamp.to_owned(), entry.sent.elapsed());
        }
    }

    fn lost(&mut self, why: String) {
        self.server = None;
        self.state = State::Away(why);
        for entry in &mut self.entries {
            if matches!(entry.answer, Answer::Awaited) {
                entry.answer = Answer::Lost;
            }
        }
    }
}

/// Connects to the server, and connects again whenever there is no connection.
pub(crate) fn connect(reactor: &Reactor, server: &str, shared: &Shared) -> Connector {
    let (failed, lost, shared) = (shared.clone(), shared.clone(), shared.clone());
    reactor
        .connect_tcp(
            server,
            LineReceiver::factory(move |lines| Conversation { lines, shared: shared.clone() }).any_newline(),
        )
        .on_failed(move |_, error| failed.update(|view| view.lost(error.to_string())))
        .on_lost(move |_, reason| lost.update(|view| view.lost(reason.to_string())))
        .retry(Backoff::new().max_delay(Duration::from_secs(5)))
}

/// The conversation on one connection.
struct Conversation {
    lines: Lines,
    shared: Shared,
}

impl LineHandler for Conversation {
    fn connection_made(&mut self) {
        let (peer, remote) = (self.lines.peer().to_string(), self.lines.transport().remote());
        self.shared.update(|view| {
            view.server = Some(remote);
            view.state = State::Connected(peer);
        });
    }

    /// `[Sun Nov  1 16:58:06 2026] text`
    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let stamp = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(&*line, |(stamp, _)| stamp);
        self.shared.update(|view| view.answered(stamp));
    }
}

#[cfg(test)]
mod tests {
    use reactor::testing::Simulation;

    use super::*;

    struct Stamping {
        lines: Lines,
    }

    impl LineHandler for Stamping {
        fn line_received(&mut self, line: &[u8]) {
            let text = String::from_utf8_lossy(line);
            self.lines.send_line(format!("[Sun Nov  1 16:58:06 2026] {text}"));
        }
    }

    #[test]
    fn lines_are_answered_in_order_and_a_server_that_has_gone_is_connected_to_again() {
        let sim = Simulation::new(1);
        let shared = Shared::new(|| {});
        let client = connect(&sim.host("client"), "server:21567", &shared);
        sim.run_for(Duration::from_millis(100));
        assert!(matches!(shared.view().state, State::Away(_)));
        assert!(!shared.view().send("nobody"));
        let listen =
            || sim.host("server").listen_tcp(21567, LineReceiver::factory(|lines| Stamping { lines })).unwrap();
        listen();
        let connected = || matches!(shared.view().state, State::Connected(_));
        assert!(sim.run_until(connected));
        assert!(shared.view().send("one") && shared.view().send("two"));
        sim.run_for(Duration::from_secs(1));
        for entry in &shared.view().entries {
            assert!(matches!(&entry.answer, Answer::Stamped(stamp, _) if stamp == "Sun Nov  1 16:58:06 2026"));
        }
        assert!(shared.view().send("three"));
        sim.crash("server");
        sim.reset_connections("client", "server");
        assert!(sim.run_until(|| !connected()));
        assert!(matches!(shared.view().entries[2].answer, Answer::Lost));
        listen();
        assert!(sim.run_until(connected));
        client.disconnect();
    }
}
