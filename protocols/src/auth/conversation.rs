use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use futures_channel::oneshot;

/// What a server asks a client while its credentials are checked: the checker's side. The other side takes the questions, and
/// brings the answers.
#[derive(Clone, Default)]
pub(super) struct Conversation(Rc<Sides>);

#[derive(Default)]
struct Sides {
    question: RefCell<Option<Vec<u8>>>,
    answer: RefCell<Option<oneshot::Sender<Vec<u8>>>>,
}

impl Conversation {
    pub(super) async fn ask(&self, question: impl Into<Vec<u8>>) -> Vec<u8> {
        let (tell, told) = oneshot::channel();
        self.0.answer.replace(Some(tell));
        self.0.question.replace(Some(question.into()));
        match told.await {
            Ok(answer) => answer,
            // Nobody will answer. Giving up drops this future, too.
            Err(_) => pending().await,
        }
    }

    pub(super) fn take_question(&self) -> Option<Vec<u8>> {
        self.0.question.take()
    }

    /// Returns false if there is no question.
    pub(super) fn answer(&self, answer: &[u8]) -> bool {
        self.0.answer.take().is_some_and(|asked| asked.send(answer.to_vec()).is_ok())
    }
}
