//! Watching what passes on a connection that is open already.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::SystemTime;

use futures_channel::mpsc;
use futures_util::StreamExt as _;

use crate::hub::Hub;
use crate::transport::close_reason::CloseReason;

/// What happens on a connection, from [`Transport::watch_traffic`](crate::Transport::watch_traffic). It may be sent to another thread. Dropping it ends the
/// watching.
pub struct TrafficWatch(mpsc::Receiver<TrafficEvent>);

/// Something that has happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrafficEvent {
    /// When, by the reactor's clock.
    pub time: SystemTime,
    /// How many events before this one were left out, because they were not taken in time.
    pub left_out: u64,
    /// What.
    pub kind: TrafficKind,
}

/// What has happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrafficKind {
    /// These bytes were delivered, and this many in all: the [first](Self::MOST_SHOWN) are shown.
    Received(Vec<u8>, usize),
    /// These bytes have left, likewise.
    Sent(Vec<u8>, usize),
    /// The peer has ended its stream.
    ReceivedEnd,
    /// The connection has ended; nothing follows.
    Lost(String),
}

impl TrafficKind {
    /// How many bytes of an event are shown at the most.
    pub const MOST_SHOWN: usize = 256;
}

impl TrafficWatch {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<TrafficEvent> {
        self.0.next().await
    }
}

impl fmt::Debug for TrafficWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrafficWatch").finish_non_exhaustive()
    }
}

/// The end of a watch that is told.
pub(crate) struct Tap {
    sender: mpsc::Sender<TrafficEvent>,
    left_out: u64,
    _count: Count,
}

/// One of the taps of a reactor.
struct Count(Rc<Cell<usize>>);

impl Count {
    fn of(hub: &Hub) -> Self {
        hub.taps.set(hub.taps.get() + 1);
        Self(Rc::clone(&hub.taps))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Tap {
    pub(crate) fn new(hub: &Hub) -> (Self, TrafficWatch) {
        // Each sender has room for one more: that for the end, which is always told.
        let (sender, receiver) = mpsc::channel(MOST_EVENTS - 1);
        (Self { sender, left_out: 0, _count: Count::of(hub) }, TrafficWatch(receiver))
    }

    /// Whether the watch is still there.
    pub(crate) fn tell(&mut self, time: SystemTime, kind: TrafficKind) -> bool {
        match self.sender.try_send(TrafficEvent { time, left_out: self.left_out, kind }) {
            Ok(()) => self.left_out = 0,
            Err(error) if error.is_disconnected() => return false,
            Err(_) => self.left_out += 1,
        }
        true
    }

    /// Tells the last event, for which there is always room.
    pub(crate) fn tell_last(mut self, time: SystemTime, reason: &CloseReason) {
        self.sender = self.sender.clone();
        self.tell(time, TrafficKind::Lost(reason.to_string()));
    }
}

const MOST_EVENTS: usize = 256;
