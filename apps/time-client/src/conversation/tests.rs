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
        let wire =
            StringTransport::connect(move |transport| Conversation::new(transport, Rc::clone(&given), form.clone()));
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
        let reason = self.wire.close_reason().expect("the connection to have ended");
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
fn the_end_of_the_lines_closes_the_connection() {
    let mut scene = Scene::new(Form::OneConnection);
    scene.answer(Typed::End);
    assert!(scene.wire.eof_written());
    scene.wire.receive_eof();
    assert!(scene.wire.close_reason().is_some_and(|reason| reason.is_clean()));
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

#[test]
fn a_silent_server_is_said_to_be_so_and_waited_for() {
    let mut scene = Scene::new(Form::OneConnection);
    scene.type_line("hi");
    scene.wire.advance(Duration::from_secs(1));
    assert_eq!(scene.shown(), [""; 0]);
    scene.wire.advance(Duration::from_secs(1));
    let peer = scene.wire.transport().peer();
    assert_eq!(scene.shown(), [format!("no answer from {peer} within 2 seconds: still waiting")]);
    scene.wire.advance(Duration::from_secs(3600));
    assert_eq!(scene.shown(), [""; 0]);
    scene.wire.receive(format!("{STAMP}hi"));
    assert_eq!(scene.shown(), [format!("{STAMP}hi")]);
}

#[test]
fn an_empty_line_of_a_paste_is_sent_as_a_newline() {
    let mut scene = Scene::new(Form::OneConnection);
    scene.type_line("");
    assert_eq!(scene.wire.take_written(), b"\n");
    scene.wire.receive(format!("{STAMP}\n"));
    assert_eq!(scene.shown(), [STAMP]);
    let mut scene = Scene::new(Form::OneLine(Rc::default()));
    scene.type_line("");
    assert_eq!(scene.wire.take_written(), b"\r\n");
}
