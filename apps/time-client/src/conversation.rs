//! The conversation with a server over a connection.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use reactor::endpoint::{ClientEndpoint, connect_protocol};
use reactor::{CloseReason, DelayedCall, OnEof, Protocol, Transport};

use crate::console::{Console, Shown, Typed};
use crate::reply::{Progress, Reply};

/// Asks for lines and sends them to the server until they end; with a connection for each, if `by_line`.
pub(crate) async fn converse(endpoint: &dyn ClientEndpoint, by_line: bool, console: &Rc<Console>) -> io::Result<()> {
    let next = Rc::new(Cell::new(false));
    let form = if by_line { Form::OneLine(Rc::clone(&next)) } else { Form::OneConnection };
    loop {
        let (console, form) = (Rc::clone(console), form.clone());
        let (tell, ended) = oneshot::channel();
        connect_protocol(endpoint, move |transport: Transport| {
            let finished = transport.finished();
            transport.reactor().spawn(async move { drop(tell.send(finished.await)) });
            Conversation::new(transport, console, form)
        })
        .await?;
        match ended.await.ok().flatten() {
            Some(reason) if !reason.is_clean() => return Err(io::Error::other(reason)),
            _ if !next.take() => return Ok(()),
            _ => {}
        }
    }
}

/// Asks for a line, sends it, shows the reply, and asks for the next: on one connection, or with a connection for
/// each line.
struct Conversation {
    transport: Transport,
    console: Rc<Console>,
    form: Form,
    /// The reply to the line that was sent last, while it is expected.
    reply: Option<Reply>,
    /// What came without being asked for: it belongs to the next reply.
    unasked: Vec<u8>,
    silence: Option<DelayedCall>,
}

/// How lines and connections go together.
#[derive(Clone)]
enum Form {
    /// All lines on one connection, each sent without a newline.
    OneConnection,
    /// A connection for each line, which is sent with CRLF. When a reply was shown the cell is set: it is time for the
    /// next connection.
    OneLine(Rc<Cell<bool>>),
}

/// After this long without more, what has come is all of the reply.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same when all of the text has come back, and only another stamp could follow.
const LITTLE_PATIENCE: Duration = Duration::from_millis(200);

/// More than this that is no reply is not waited for: it would have to be held in memory.
const MOST_UNASKED: usize = 16 << 20;

impl Conversation {
    fn new(transport: Transport, console: Rc<Console>, form: Form) -> Self {
        Self { transport, console, form, reply: None, unasked: Vec::new(), silence: None }
    }

    fn ask(&mut self) {
        self.transport.defer(self.console.ask(), |this: &mut Self, typed| match typed {
            Typed::Line(line) if line.is_empty() => this.transport.lose_connection(),
            Typed::Line(line) => this.send(line),
            Typed::End => this.transport.lose_connection(),
            Typed::Failed(message) => this.fail(message),
        });
    }

    fn send(&mut self, mut text: Vec<u8>) {
        if let Form::OneLine(_) = self.form {
            text.extend_from_slice(b"\r\n");
        }
        self.transport.write(&text);
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

    fn stop_waiting(&mut self) {
        if let Some(silence) = self.silence.take() {
            silence.cancel();
        }
    }

    fn show_reply(&mut self) {
        self.stop_waiting();
        let Some(reply) = self.reply.take() else { return };
        let (mut reply, unasked) = reply.finish();
        self.unasked = unasked;
        match &self.form {
            Form::OneConnection => {
                self.console.show(Shown::Reply(reply));
                self.ask();
            }
            Form::OneLine(next) => {
                if reply.ends_with(b"\n") {
                    reply.pop();
                    reply.pop_if(|last| *last == b'\r');
                }
                self.console.show(Shown::Reply(reply));
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

const SENDS_TOO_MUCH: &str = "the server sends on and on what is no reply: that is enough";

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::mpsc::Receiver;

    use reactor::testing::StringTransport;

    use crate::console::Job;

    const STAMP: &str = "[Sun Nov  1 16:58:06 2026] ";

    /// A conversation with the test at both ends: it is the server, and the person.
    struct Scene {
        wire: StringTransport,
        console: Rc<Console>,
        jobs: Receiver<Job>,
        question: Option<oneshot::Sender<Typed>>,
    }

    impl Scene {
        fn new(form: Form) -> Self {
            let (console, jobs) = Console::by_hand();
            let console = Rc::new(console);
            let given = Rc::clone(&console);
            let wire = StringTransport::connect(move |transport| {
                Conversation::new(transport, Rc::clone(&given), form.clone())
            });
            Self { wire, console, jobs, question: None }
        }

        /// What the person reads until a line is asked for, if it is.
        fn shown(&mut self) -> Vec<String> {
            let mut shown = Vec::new();
            for job in self.jobs.try_iter() {
                assert!(self.question.is_none(), "nothing is shown while a line is being typed");
                match job {
                    Job::Show(Shown::Reply(reply)) => shown.push(String::from_utf8(reply).unwrap()),
                    Job::Show(Shown::Notice(notice)) => shown.push(notice),
                    Job::Ask(question) => self.question = Some(question),
                }
            }
            shown
        }

        #[track_caller]
        fn answer(&mut self, typed: Typed) {
            self.shown();
            self.question.take().expect("a line to be asked for").send(typed).expect("it to be waited for");
            self.wire.settle();
        }

        #[track_caller]
        fn type_line(&mut self, line: &str) {
            self.answer(Typed::Line(line.as_bytes().to_vec()));
        }

        #[track_caller]
        fn assert_failed(&self, message: &str) {
            let reason = self.wire.closed().expect("the connection to have ended");
            assert_eq!((reason.is_clean(), reason.to_string().as_str()), (false, message));
        }
    }

    #[test]
    fn a_line_is_sent_and_its_reply_shown_and_then_the_next_is_asked_for() {
        let mut scene = Scene::new(Form::OneConnection);
        for text in ["hello", "again"] {
            scene.type_line(text);
            assert_eq!(scene.wire.take_written(), text.as_bytes());
            assert!(scene.shown().is_empty() && scene.question.is_none());
            let reply = format!("{STAMP}{text}");
            scene.wire.receive(&reply);
            assert_eq!(scene.shown(), [reply]);
            assert!(scene.question.is_some());
        }
    }

    #[test]
    fn what_is_no_reply_is_shown_after_two_seconds_without_more() {
        let mut scene = Scene::new(Form::OneConnection);
        scene.type_line("hi");
        scene.wire.receive("what ");
        scene.wire.advance(Duration::from_millis(1999));
        scene.wire.receive("is it?");
        scene.wire.advance(Duration::from_millis(1999));
        assert!(scene.shown().is_empty());
        scene.wire.advance(Duration::from_millis(1));
        assert_eq!(scene.shown(), ["what is it?"]);
        assert!(scene.question.is_some());
    }

    #[test]
    fn a_reply_is_waited_for_as_long_as_nothing_comes() {
        let mut scene = Scene::new(Form::OneConnection);
        scene.type_line("hi");
        scene.wire.advance(Duration::from_secs(3600));
        assert!(scene.shown().is_empty() && scene.question.is_none());
        scene.wire.receive(format!("{STAMP}hi"));
        assert_eq!(scene.shown().len(), 1);
    }

    #[test]
    fn a_reply_that_ends_like_a_stamp_begins_is_shown_after_a_moment() {
        let mut scene = Scene::new(Form::OneConnection);
        scene.type_line("a[");
        scene.wire.receive(format!("{STAMP}a["));
        assert!(scene.shown().is_empty());
        scene.wire.advance(LITTLE_PATIENCE);
        assert_eq!(scene.shown(), [format!("{STAMP}a[")]);
    }

    #[test]
    fn what_comes_unasked_belongs_to_the_next_reply() {
        let mut scene = Scene::new(Form::OneConnection);
        let reply = format!("{STAMP}hi");
        scene.wire.receive(&reply[..10]);
        assert!(scene.shown().is_empty());
        scene.type_line("hi");
        scene.wire.receive(&reply[10..]);
        assert_eq!(scene.shown(), [reply]);
        // The greeting of a server that has one.
        scene.wire.receive("hello");
        scene.type_line("hi");
        assert!(scene.shown().is_empty());
        scene.wire.advance(PATIENCE);
        assert_eq!(scene.shown(), ["hello"]);
    }

    #[test]
    fn an_empty_line_and_the_end_of_the_lines_close_the_connection() {
        for typed in [Typed::Line(vec![]), Typed::End] {
            let mut scene = Scene::new(Form::OneConnection);
            scene.answer(typed);
            assert!(scene.wire.eof_written());
            scene.wire.receive_eof();
            assert!(scene.wire.closed().is_some_and(|reason| reason.is_clean()));
        }
    }

    #[test]
    fn trouble_at_the_console_ends_the_connection() {
        let mut scene = Scene::new(Form::OneConnection);
        scene.answer(Typed::Failed("no more ink".to_owned()));
        scene.assert_failed("no more ink");
    }

    #[test]
    fn a_server_that_goes_away_is_told_from_one_that_breaks_off() {
        let mut scene = Scene::new(Form::OneConnection);
        scene.wire.receive_eof();
        scene.assert_failed("the server closed the connection");

        let mut scene = Scene::new(Form::OneConnection);
        scene.type_line("hi");
        scene.wire.receive(format!("{STAMP}h"));
        scene.wire.receive_eof();
        scene.assert_failed("the server closed the connection before its reply was complete");
        assert_eq!(scene.console.last_words(), format!("{STAMP}h").as_bytes());

        let mut scene = Scene::new(Form::OneConnection);
        scene.type_line("a[");
        scene.wire.receive(format!("{STAMP}a["));
        scene.wire.receive_eof();
        scene.assert_failed("the server closed the connection");
        assert_eq!(scene.console.last_words(), format!("{STAMP}a[").as_bytes());
    }

    #[test]
    fn in_the_lines_form_the_next_connection_comes_when_the_reply_is_shown() {
        for (reply, ends_the_stream) in [(format!("{STAMP}hi \r\n"), false), ("something else \n".to_owned(), true)] {
            let next = Rc::new(Cell::new(false));
            let mut scene = Scene::new(Form::OneLine(Rc::clone(&next)));
            scene.type_line("hi ");
            assert_eq!(scene.wire.take_written(), b"hi \r\n");
            assert!(!next.get());
            scene.wire.receive(&reply);
            if ends_the_stream {
                scene.wire.receive_eof();
            }
            assert_eq!(scene.shown(), [reply.trim_end_matches(['\r', '\n'])]);
            assert!(next.get() && scene.wire.eof_written());
        }
    }

    #[test]
    fn in_the_lines_form_no_reply_at_all_is_a_failure() {
        let mut scene = Scene::new(Form::OneLine(Rc::default()));
        scene.type_line("hi");
        scene.wire.receive_eof();
        scene.assert_failed("the server closed the connection before its reply was complete");
    }
}
