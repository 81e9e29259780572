//! What it takes for a connection to go on in the next process.

use crate::connection::Protocol;
use crate::transport::Transport;

/// A protocol that can say its state as bytes, so that its connection goes on when the program is replaced by its next
/// version: see [`Handover`](crate::listen::Handover). [`resumable`](crate::connection::resumable) makes a factory for it.
/// Nothing in Twisted does this.
///
/// ```
/// use reactor::connection::{Resumable, resumable};
/// use reactor::{Protocol, Reactor, Transport};
///
/// /// Answers each message with the number of bytes received so far.
/// struct Count { transport: Transport, bytes: u64 }
///
/// impl Protocol for Count {
///     fn data_received(&mut self, data: &[u8]) {
///         self.bytes += data.len() as u64;
///         writeln!(self.transport, "{}", self.bytes);
///     }
/// }
///
/// impl Resumable for Count {
///     fn state(&mut self) -> Option<Vec<u8>> {
///         Some(self.bytes.to_be_bytes().to_vec())
///     }
/// }
///
/// let factory = resumable(
///     |transport| Count { transport, bytes: 0 },
///     |transport, state| Some(Count { transport, bytes: u64::from_be_bytes(state.try_into().ok()?) }),
/// );
/// Reactor::new()?.listen_tcp("127.0.0.1:0", factory)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # What the library does
///
/// What was written and not sent goes along, and what the peer has sent and nobody has read stays in the socket, whose options
/// stay, too. The peer notices nothing. In the old process the protocol ends with
/// [`CloseReason::HandedOver`](crate::CloseReason::HandedOver). In the new one, `connection_made` is not called, because the
/// connection is not new; output that waits calls [`pause_writing`](Protocol::pause_writing) as usual.
///
/// # What the protocol does
///
/// All else is the protocol's: timers, a pause of reading, output limits, what it has set by
/// [`on_drain`](Transport::on_drain), its entries in tables of the program. The closure that resumes it sets them again. A
/// connection with [deferred](Transport::defer) calls does not go over, because their futures cannot: it is asked again for half a
/// second. One that is closing or half closed does not go over either. The receivers of the crate `protocols` deliver nothing in
/// the meantime; what they have received and not delivered goes along.
///
/// The next process may be another version: begin the state with a version number if it may change. State from the other process
/// is checked like input: a state that makes no sense is refused by returning `None`, and the connection then finishes in the old
/// process.
pub trait Resumable {
    /// The state, up to 1 MiB, for the closure that resumes the protocol in the next process; `None` if it cannot go on there
    /// now. Called between callbacks, perhaps several times: if the next process does not take the connection, this protocol
    /// goes on as if it had not been asked.
    fn state(&mut self) -> Option<Vec<u8>>;
}

/// The part of a factory that lets connections go on in the next process, from
/// [`Factory::resumption`](crate::Factory::resumption). For factories around other factories;
/// [`resumable`](crate::connection::resumable) and the receiver of lines of the crate `protocols` have it ready-made.
pub trait Resumption {
    /// Has a protocol that this factory has built hand on no more input, or, with `false`, go on with that. It is held from the
    /// moment when the next process is ready, so that what it waits for comes to an end before [`save`](Self::save) is called.
    /// Without this method it is not held; the receivers of the crate `protocols` are.
    fn set_held(&mut self, protocol: &mut dyn Protocol, held: bool) {
        let _ = (protocol, held);
    }

    /// The state of a protocol that this factory has built; `None` if it cannot go on in another process now.
    fn save(&mut self, protocol: &mut dyn Protocol) -> Option<Vec<u8>>;

    /// Builds a protocol with a state that the same factory has saved in the previous process, perhaps in another version;
    /// `None` if it cannot.
    fn resume(&mut self, transport: Transport, state: &[u8]) -> Option<Box<dyn Protocol>>;
}
