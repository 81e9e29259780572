use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::cluster::NodeName;
use crate::cluster::bus::inbox::Inbox;
use crate::cluster::bus::{Bus, BusEvent, Topic};

/// A network inside this process: every message arrives, at once and in order.
///
/// It is a handle: a clone is another of the same network.
#[derive(Debug, Clone, Default)]
pub struct InProcess(Arc<Mutex<Vec<Seat>>>);

#[derive(Debug)]
struct Seat {
    node: NodeName,
    inbox: Weak<Inbox>,
}

impl InProcess {
    /// Makes a network without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bus of a node, which leaves the network when it is dropped.
    pub fn bus(&self, node: NodeName) -> InProcessBus {
        let inbox = Arc::new(Inbox::default());
        inbox.push(BusEvent::Up);
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.inbox.strong_count() > 0);
        seats.push(Seat { node, inbox: Arc::downgrade(&inbox) });
        InProcessBus { network: self.clone(), inbox }
    }
}

/// A node's bus on a network inside this process, from [`InProcess::bus`].
#[derive(Debug)]
pub struct InProcessBus {
    network: InProcess,
    inbox: Arc<Inbox>,
}

impl Bus for InProcessBus {
    fn publish(&self, topic: &Topic, message: Bytes) {
        let seats = self.network.0.lock().unwrap_or_else(PoisonError::into_inner);
        for seat in seats.iter() {
            let is_meant = match topic {
                Topic::Everyone => true,
                Topic::Node(node) => seat.node == *node,
            };
            if let Some(inbox) = seat.inbox.upgrade().filter(|_| is_meant) {
                inbox.push(BusEvent::Message(message.clone()));
            }
        }
    }

    fn poll_event(&self, context: &mut Context<'_>) -> Poll<BusEvent> {
        self.inbox.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn take(bus: &InProcessBus) -> Option<BusEvent> {
        match bus.poll_event(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        }
    }

    #[test]
    fn messages_reach_those_they_are_for() {
        let network = InProcess::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| network.bus(NodeName::new(name).unwrap()));
        for bus in [&a, &b, &c] {
            assert_eq!(take(bus), Some(BusEvent::Up));
        }
        a.publish(&Topic::Everyone, "to all".into());
        a.publish(&Topic::Node(NodeName::new("b").unwrap()), "to b".into());
        assert_eq!(take(&b), Some(BusEvent::Message("to all".into())));
        assert_eq!(take(&b), Some(BusEvent::Message("to b".into())));
        assert_eq!(take(&c), Some(BusEvent::Message("to all".into())));
        assert_eq!(take(&c), None);
    }
}
