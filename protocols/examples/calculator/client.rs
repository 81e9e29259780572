//! The client: each question is answered, or fails, exactly once.

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::{CloseReason, DelayedCall, Factory};

/// How long a question may wait for its answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks a calculator. Answers come in the order of the questions.
pub(crate) struct Client {
    lines: Lines,
    begin: Rc<dyn Fn(&mut Self)>,
    waiting: VecDeque<Question>,
}

/// Why a question has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server's reason.
    Refused(String),
    /// There was no answer within a minute.
    TimedOut,
    /// The connection ended before the answer.
    ConnectionLost,
}

struct Question {
    answered: Box<dyn FnOnce(Result<i64, Failure>)>,
    timeout: DelayedCall,
}

impl Client {
    /// Makes a client for each connection, and calls `begin` with it when the connection is made.
    pub(crate) fn factory(begin: impl Fn(&mut Self) + 'static) -> impl Factory {
        let begin = Rc::new(begin);
        LineReceiver::factory(move |lines| Self { lines, begin: begin.clone(), waiting: VecDeque::new() })
    }

    /// Sends a question; `answered` is called with the result when it arrives, or with the failure.
    pub(crate) fn ask(&mut self, question: &str, answered: impl FnOnce(Result<i64, Failure>) + 'static) {
        self.lines.send_line(question);
        let timeout = self.lines.call_later(PATIENCE, Self::timed_out);
        self.waiting.push_back(Question { answered: Box::new(answered), timeout });
    }

    pub(crate) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// The oldest question has timed out. A late answer would be taken for that of another question, so the connection
    /// ends.
    fn timed_out(&mut self) {
        self.lines.transport().fail_connection(CloseReason::TimedOut);
        self.answer(Err(Failure::TimedOut));
    }

    /// Answers the oldest question; false if there is no question.
    fn answer(&mut self, answer: Result<i64, Failure>) -> bool {
        let Some(question) = self.waiting.pop_front() else { return false };
        question.timeout.cancel();
        (question.answered)(answer);
        true
    }
}

impl LineHandler for Client {
    fn connection_made(&mut self) {
        let begin = Rc::clone(&self.begin);
        begin(self);
    }

    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let answer = match line.strip_prefix("error ") {
            Some(reason) => Err(Failure::Refused(reason.to_owned())),
            None => line.parse().map_err(|_| Failure::Refused(format!("the server says {line:?}"))),
        };
        if !self.answer(answer) {
            self.lines.transport().fail_connection(CloseReason::failed("an answer without a question"));
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        while self.answer(Err(Failure::ConnectionLost)) {}
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => f.write_str(reason),
            Self::TimedOut => write!(f, "no answer in {PATIENCE:?}"),
            Self::ConnectionLost => f.write_str("the connection was lost before the answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;

    use reactor::testing::{StringTransport, every_cut};

    use super::*;

    /// A client in the test's hands, the test being the server, and its answers.
    struct Asked {
        wire: StringTransport,
        answers: Rc<RefCell<Vec<Result<i64, Failure>>>>,
    }

    impl Asked {
        fn new() -> Self {
            Self { wire: StringTransport::connect(Client::factory(|_| {})), answers: Rc::default() }
        }

        fn ask(&mut self, question: &str) {
            let answers = Rc::clone(&self.answers);
            self.wire.protocol::<Client>().ask(question, move |answer| answers.borrow_mut().push(answer));
            self.wire.settle();
        }

        fn answers(&self) -> Vec<Result<i64, Failure>> {
            self.answers.take()
        }
    }

    #[test]
    fn questions_are_sent_and_answered_in_their_order() {
        let mut asked = Asked::new();
        asked.ask("add 7 6");
        asked.ask("divide 14 0");
        assert_eq!(asked.wire.take_written(), b"add 7 6\r\ndivide 14 0\r\n");
        asked.wire.receive("13\r\n");
        assert_eq!(asked.answers(), [Ok(13)]);
        asked.wire.receive("error division by zero\r\n");
        assert_eq!(asked.answers(), [Err(Failure::Refused("division by zero".to_owned()))]);
    }

    #[test]
    fn answers_are_understood_however_the_network_cuts_them() {
        let answers = every_cut("13\r\n-4\r\nerror\r\nerror too large\r\n", |pieces| {
            let mut asked = Asked::new();
            (0..4).for_each(|_| asked.ask("add 1 2"));
            for piece in pieces {
                asked.wire.receive(piece);
            }
            asked.answers()
        });
        let refused = |reason: &str| Err(Failure::Refused(reason.to_owned()));
        assert_eq!(answers, [Ok(13), Ok(-4), refused("the server says \"error\""), refused("too large")]);
    }

    #[test]
    fn no_answer_within_a_minute_is_a_time_out_and_ends_the_connection() {
        let mut asked = Asked::new();
        asked.ask("add 2 3");
        asked.wire.advance(PATIENCE - Duration::from_millis(1));
        assert_eq!((asked.answers(), asked.wire.close_reason().is_some()), (vec![], false));
        asked.wire.advance(Duration::from_millis(1));
        assert_eq!(asked.answers(), [Err(Failure::TimedOut)]);
        assert!(matches!(asked.wire.close_reason(), Some(CloseReason::TimedOut)));
    }

    #[test]
    fn an_answer_in_time_leaves_no_timed_call_behind() {
        let mut asked = Asked::new();
        asked.ask("add 2 3");
        asked.wire.receive("5\r\n");
        assert_eq!((asked.answers(), asked.wire.reactor().pending_call_count()), (vec![Ok(5)], 0));
        asked.wire.advance(PATIENCE * 2);
        assert!(asked.wire.close_reason().is_none());
    }

    #[test]
    fn with_the_connection_all_questions_are_lost_that_wait() {
        let mut asked = Asked::new();
        asked.ask("add 2 3");
        asked.ask("add 4 5");
        asked.wire.receive("5\r\n");
        asked.wire.break_connection(io::ErrorKind::ConnectionReset.into());
        assert_eq!(asked.answers(), [Ok(5), Err(Failure::ConnectionLost)]);
    }

    #[test]
    fn an_answer_that_nobody_asked_for_ends_the_connection() {
        let mut asked = Asked::new();
        asked.wire.receive("42\r\n");
        assert!(matches!(asked.wire.close_reason(), Some(CloseReason::Failed(_))));
    }
}
