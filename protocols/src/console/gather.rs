//! Asking all threads, in small steps, and without waiting for one that hangs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::iter;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_channel::mpsc;
use reactor::inspect::ConnectionInfo;
use reactor::task::Step;
use reactor::threads::RemoteReactor;
use reactor::{Reactor, Transport};

/// What `pick` makes of the connections of all threads, piece by piece.
pub(crate) struct Gathering<T> {
    reactor: Reactor,
    threads: VecDeque<(usize, mpsc::Receiver<Vec<T>>)>,
}

/// A part of what was asked for.
pub(crate) enum Piece<T> {
    Of(Vec<T>),
    /// This thread does not answer.
    Silent(usize),
}

impl<T: Send + 'static> Gathering<T> {
    pub(crate) fn begin(
        reactor: &Reactor,
        pick: impl Fn(usize, ConnectionInfo) -> Option<T> + Clone + Send + 'static,
    ) -> Self {
        let mut threads = VecDeque::new();
        for (number, thread) in reactor.threads() {
            let (sender, receiver) = mpsc::channel(PIECES_WAITING);
            let pick = pick.clone();
            // Refused if it has ended, or does not keep up; then the sender is gone, and it has no connections.
            let _ = thread.call_from_thread(move |reactor| {
                reactor.cooperate(steps(reactor.transports(), move |info| pick(number, info), sender));
            });
            threads.push_back((number, receiver));
        }
        Self { reactor: reactor.clone(), threads }
    }

    /// The next piece; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Piece<T>> {
        while let Some((number, receiver)) = self.threads.front_mut() {
            match in_time(&self.reactor, receiver.recv()).await {
                Some(Ok(piece)) => return Some(Piece::Of(piece)),
                Some(Err(_)) => drop(self.threads.pop_front()),
                None => {
                    let number = *number;
                    self.threads.pop_front();
                    return Some(Piece::Silent(number));
                }
            }
        }
        None
    }
}

/// Looks at some connections in each step, and waits while the receiver has enough.
fn steps<T: 'static>(
    transports: Vec<Transport>,
    pick: impl Fn(ConnectionInfo) -> Option<T> + 'static,
    sender: mpsc::Sender<Vec<T>>,
) -> impl Iterator<Item = Step> + 'static {
    let (mut transports, sender) = (transports.into_iter(), Rc::new(RefCell::new(sender)));
    let mut ready = None;
    iter::from_fn(move || {
        let piece = ready.take().unwrap_or_else(|| {
            let some = transports.by_ref().take(CONNECTIONS_A_STEP);
            some.filter_map(|transport| pick(transport.info())).collect::<Vec<_>>()
        });
        if piece.is_empty() && transports.len() == 0 {
            return None;
        }
        let sent = sender.borrow_mut().try_send(piece);
        match sent {
            Ok(()) => Some(Step::GoOn),
            Err(error) if error.is_disconnected() => None,
            Err(error) => {
                ready = Some(error.into_inner());
                let sender = Rc::clone(&sender);
                Some(Step::Wait(Box::pin(poll_fn(move |cx| sender.borrow_mut().poll_ready(cx).map(drop)))))
            }
        }
    })
}

/// What a thread answers, unless it takes too long.
pub(crate) async fn ask<T: Send + 'static>(
    reactor: &Reactor,
    thread: &RemoteReactor,
    call: impl FnOnce(&Reactor) -> T + Send + 'static,
) -> Option<T> {
    in_time(reactor, thread.ask(call)).await.flatten()
}

/// What a future returns within a second.
async fn in_time<T>(reactor: &Reactor, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut over) = (pin!(future), pin!(reactor.sleep(PATIENCE)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => over.as_mut().poll(cx).map(|_| None),
    })
    .await
}

const PATIENCE: Duration = Duration::from_secs(1);

/// Some 100 µs of work.
const CONNECTIONS_A_STEP: usize = 64;

const PIECES_WAITING: usize = 4;
