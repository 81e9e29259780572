use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::cluster::bus::BusEvent;

/// Messages that may wait for their node.
const MAX_MESSAGES: usize = 65_536;
/// Bytes that these may have.
const MAX_BYTES: usize = 64 << 20;

/// The events of a bus that its node has not taken yet. Bounded: what finds no room is lost, and a
/// [`Gap`](BusEvent::Gap) stands in its place.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    events: VecDeque<BusEvent>,
    messages: usize,
    bytes: usize,
    waker: Option<Waker>,
}

impl Inbox {
    pub(super) fn push(&self, event: BusEvent) {
        let mut state = self.lock();
        if let BusEvent::Message(message) = &event {
            if state.messages >= MAX_MESSAGES || state.bytes + message.len() > MAX_BYTES {
                if state.events.back() != Some(&BusEvent::Gap) {
                    state.events.push_back(BusEvent::Gap);
                }
                return;
            }
            state.messages += 1;
            state.bytes += message.len();
        } else if state.events.back() == Some(&event) {
            return;
        }
        state.events.push_back(event);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<BusEvent> {
        let mut state = self.lock();
        let Some(event) = state.events.pop_front() else {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        if let BusEvent::Message(message) = &event {
            state.messages -= 1;
            state.bytes -= message.len();
        }
        Poll::Ready(event)
    }

    /// Nothing that panics is called under the lock, so what it protects is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn take_all(inbox: &Inbox) -> Vec<BusEvent> {
        let mut context = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match inbox.poll(&mut context) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        })
        .collect()
    }

    #[test]
    fn a_node_that_takes_nothing_is_told_once_that_messages_were_lost() {
        let inbox = Inbox::default();
        let message = BusEvent::Message(Bytes::from(vec![0; MAX_BYTES / 4]));
        for _ in 0..10 {
            inbox.push(message.clone());
        }
        let taken = take_all(&inbox);
        assert_eq!(taken.len(), 5);
        assert_eq!(taken.last(), Some(&BusEvent::Gap));
        inbox.push(message.clone());
        assert_eq!(take_all(&inbox), [message]);
    }

    #[test]
    fn very_many_small_messages_are_bounded_too() {
        let inbox = Inbox::default();
        for _ in 0..MAX_MESSAGES + 10 {
            inbox.push(BusEvent::Message(Bytes::new()));
        }
        assert_eq!(take_all(&inbox).len(), MAX_MESSAGES + 1);
    }
}
