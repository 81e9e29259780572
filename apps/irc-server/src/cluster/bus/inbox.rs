use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use crate::cluster::bus::BusEvent;
use crate::cluster::bus::queue::Queue;

/// The events of a bus that its node has not taken yet. What finds no room is lost, and behind the others comes a
/// [`Gap`](BusEvent::Gap).
#[derive(Debug, Default)]
pub(super) struct Inbox {
    events: Queue<BusEvent>,
    has_gap: AtomicBool,
}

impl Inbox {
    pub(super) fn push(&self, event: BusEvent) {
        let bytes = if let BusEvent::Message(message) = &event { message.len() } else { 0 };
        if !self.events.push(event, bytes) {
            // The queue is not empty, so its reader comes.
            self.has_gap.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<BusEvent> {
        match self.events.poll(context) {
            Poll::Pending if self.has_gap.swap(false, Ordering::Relaxed) => Poll::Ready(BusEvent::Gap),
            polled => polled,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

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
        let message = BusEvent::Message(Bytes::from(vec![0; Queue::<BusEvent>::MAX_BYTES / 4]));
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
        for _ in 0..Queue::<BusEvent>::MAX_ITEMS + 10 {
            inbox.push(BusEvent::Message(Bytes::new()));
        }
        assert_eq!(take_all(&inbox).len(), Queue::<BusEvent>::MAX_ITEMS + 1);
    }
}
