//! The conversation with a server over a connection.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use reactor::endpoint::{ClientEndpoint, connect_protocol};
use reactor::{CloseReason, DelayedCall, OnEof, Protocol, Reactor, Transport};

use crate::console::{Console, Shown, Typed};
use crate::reply::{Progress, Reply};

/// Prompts for lines and sends them to the server until they end; with a new connection for each, if `by_line`.
pub(crate) async fn converse(
    reactor: &Reactor,
    endpoint: &dyn ClientEndpoint,
    by_line: bool,
    console: &Rc<Console>,
) -> io::Result<()> {
    let next = Rc::new(Cell::new(false));
    let form = if by_line { Form::OneLine(Rc::clone(&next)) } else { Form::OneConnection };
    loop {
        let (console, form) = (Rc::clone(console), form.clone());
        let (tell, ended) = oneshot::channel();
        let slow = say_when_slow(reactor, endpoint, &console);
        let connected = connect_protocol(endpoint, move |transport: Transport| {
            let finished = transport.finished();
            transport.reactor().spawn(async move { drop(tell.send(finished.await)) });
            Conversation::new(transport, console, form)
        })
        .await;
        slow.cancel();
        connected?;
        match ended.await.ok().flatten() {
            Some(reason) if !reason.is_clean() => return Err(reason.into()),
            _ if !next.take() => return Ok(()),
            _ => {}
        }
    }
}

/// Tells the user who waits for a connection what the program does.
fn say_when_slow(reactor: &Reactor, endpoint: &dyn ClientEndpoint, console: &Rc<Console>) -> DelayedCall {
    let notice = format!("no connection yet to {endpoint}: still trying");
    let console = Rc::clone(console);
    reactor.call_later(PATIENCE, move || console.reassure(notice))
}

/// Prompts for a line, sends it, shows the reply, and prompts for the next: on one connection, or with a connection for
/// each line.
struct Conversation {
    transport: Transport,
    console: Rc<Console>,
    form: Form,
    /// The expected reply to the last line sent.
    reply: Option<Reply>,
    /// Bytes received without a request: they belong to the next reply.
    unasked: Vec<u8>,
    silence: Option<DelayedCall>,
    /// When the last line was sent.
    sent: Instant,
}

/// How lines are distributed over connections.
#[derive(Clone)]
enum Form {
    /// All lines on one connection, each sent without a newline; but an empty one is a newline, as there is nothing else
    /// of it to send.
    OneConnection,
    /// A connection for each line, which is sent with CRLF. The cell is set when a reply has been shown: it is time for
    /// the next connection.
    OneLine(Rc<Cell<bool>>),
}

/// After this long without further bytes, a reply counts as complete; a server that has sent none is said to be silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same when all of the text has come back, and only another stamp could follow.
const LITTLE_PATIENCE: Duration = Duration::from_millis(200);

/// The limit on bytes that are not a reply: they are held in memory.
const MOST_UNASKED: usize = 16 << 20;

impl Conversation {
    fn new(transport: Transport, console: Rc<Console>, form: Form) -> Self {
        let sent = transport.reactor().now();
        Self { transport, console, form, reply: None, unasked: Vec::new(), silence: None, sent }
    }

    fn ask(&mut self) {
        self.transport.defer(self.console.ask(), |this: &mut Self, typed| match typed {
            Typed::Line(line) => this.send(line),
            Typed::End => this.transport.lose_connection(),
            Typed::Failed(message) => this.fail(message),
        });
    }

    fn send(&mut self, mut text: Vec<u8>) {
        match self.form {
            Form::OneLine(_) => text.extend_from_slice(b"\r\n"),
            Form::OneConnection if text.is_empty() => text.push(b'\n'),
            Form::OneConnection => {}
        }
        self.transport.write(&text);
        self.sent = self.transport.reactor().now();
        self.silence = Some(self.transport.call_later(PATIENCE, Self::say_silent));
        self.reply = Some(Reply::to(text));
        let unasked = std::mem::take(&mut self.unasked);
        if !unasked.is_empty() {
            self.data_received(&unasked);
        }
    }

    fn wait_for_more(&mut self, patience: Duration) {
        self.stop_waiting();
        self.silence = Some(self.transport.call_later(patience, Self::show_reply));
    }

    fn say_silent(&mut self) {
        self.silence = None;
        let (peer, patience) = (self.transport.peer(), PATIENCE.as_secs());
        self.console.reassure(format_args!("no answer from {peer} within {patience} seconds: still waiting"));
    }

    fn stop_waiting(&mut self) {
        if let Some(silence) = self.silence.take() {
            silence.cancel();
        }
    }

    fn show_reply(&mut self) {
        self.stop_waiting();
        let Some(reply) = self.reply.take() else { return };
        let has_newline = reply.text().ends_with(b"\n");
        let (mut reply, unasked) = reply.finish();
        self.unasked = unasked;
        // The console adds one.
        if has_newline && reply.ends_with(b"\n") {
            reply.pop();
            reply.pop_if(|last| *last == b'\r');
        }
        self.console.show(Shown::Reply(reply));
        let took = self.transport.reactor().now().saturating_duration_since(self.sent);
        self.console.tell(format_args!("that took {took:.2?}"));
        match &self.form {
            Form::OneConnection => self.ask(),
            Form::OneLine(next) => {
                next.set(true);
                self.transport.lose_connection();
            }
        }
    }

    fn fail(&self, message: impl Into<String>) {
        self.transport.fail_connection(CloseReason::failed(message.into()));
    }
}

impl Protocol for Conversation {
    fn connection_made(&mut self) {
        self.console.tell(format_args!("connected to {}", self.transport.peer()));
        // What is typed is not waited for.
        self.transport.on_drain(|this: &mut Self| this.transport.lose_connection());
        self.ask();
    }

    fn data_received(&mut self, data: &[u8]) {
        let Some(reply) = &mut self.reply else {
            self.unasked.extend_from_slice(data);
            if self.unasked.len() > MOST_UNASKED {
                self.fail(SENDS_TOO_MUCH);
            }
            return;
        };
        match reply.receive(data) {
            Progress::Over => self.show_reply(),
            Progress::Perhaps => self.wait_for_more(LITTLE_PATIENCE),
            Progress::Open if reply.is_foreign() && reply.len() > MOST_UNASKED => self.fail(SENDS_TOO_MUCH),
            Progress::Open => self.wait_for_more(PATIENCE),
        }
    }

    fn eof_received(&mut self) -> OnEof {
        match (&self.reply, &self.form) {
            (None, _) => self.fail("the server closed the connection"),
            (Some(reply), Form::OneLine(_)) if reply.len() > 0 => self.show_reply(),
            (Some(reply), _) if reply.progress() != Progress::Open => self.fail("the server closed the connection"),
            (Some(_), _) => self.fail("the server closed the connection before its reply was complete"),
        }
        OnEof::Close
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        if let Some(reply) = self.reply.take() {
            let (reply, unasked) = reply.finish();
            self.console.leave(&reply);
            self.unasked = unasked;
        }
        self.console.leave(&self.unasked);
    }
}

const SENDS_TOO_MUCH: &str = "the server sent too much unsolicited data";

#[cfg(test)]
mod tests;
