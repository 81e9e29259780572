use reactor::CloseReason;

use crate::amp::amp_box::AmpBox;
use crate::amp::answer::AmpAnswer;
use crate::amp::error::AmpError;
use crate::amp::handle::Amp;
use crate::receiver::into_handler::IntoHandler;

/// What a user of [`AmpReceiver`](crate::amp::AmpReceiver) writes: a protocol that answers the calls of its peer.
///
/// It is built with its [`Amp`], the handle that calls the peer, and keeps it in a plain field if it wants
/// to. Nothing must be written: a side that only calls has `impl AmpHandler for Client {}`. Twisted's `CommandLocator`.
///
/// Callbacks come in the order that [`Protocol`](reactor::Protocol) has, and none begins before the one before it has
/// returned. A panic in one ends this connection alone. When the peer ends its stream the connection closes, whether
/// answers are still to come or not.
///
/// # When calls wait
///
/// No call is received once the connection is closing. They wait while as many are being answered as may be
/// ([`AmpFactory::max_answering`](crate::amp::AmpFactory::max_answering), and
/// [`max_box_size`](crate::amp::AmpFactory::max_box_size) for all of them together), and, when more than 64 KiB of
/// answers are unsent, until the output has been sent. Answers to this side's own calls do not wait. While the calls that
/// wait count more than 1 MiB, their bytes and 64 for each key, nothing is read.
///
/// ```
/// use protocols::amp::{AmpAnswer, AmpBox, AmpError, AmpHandler, AmpReceiver};
/// use reactor::testing::StringTransport;
///
/// struct Calculator;
///
/// impl AmpHandler for Calculator {
///     fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
///         match command {
///             "Divide" => {
///                 let (numerator, denominator) = (arguments.get::<i32>("numerator")?, arguments.get::<i32>("denominator")?);
///                 if denominator == 0 {
///                     return Err(AmpError::remote("ZERO_DIVISION", "division by zero"));
///                 }
///                 Ok(AmpBox::new().with("result", f64::from(numerator) / f64::from(denominator)).into())
///             }
///             _ => Err(AmpError::unhandled(command)),
///         }
///     }
/// }
///
/// let mut wire = StringTransport::connect(AmpReceiver::factory(|_| Calculator));
/// let call = AmpBox::new().with("_command", "Divide").with("_ask", "1").with("numerator", 1).with("denominator", 4);
/// wire.receive(call.encode()?);
/// let answer = AmpBox::new().with("_answer", "1").with("result", 0.25);
/// assert_eq!(wire.written(), answer.encode()?);
/// # Ok::<(), AmpError>(())
/// ```
pub trait AmpHandler: 'static {
    /// The connection is established; nothing was received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer calls a command. The answer is a box, which `into()` makes an answer of; or
    /// [`AmpAnswer::later`], where it takes time; or an error.
    ///
    /// [`AmpError::Remote`] is sent to the peer, and the connection goes on. Any other error, such as that of an
    /// argument that is missing, is a fault of one of the two programs: it is logged, the peer is told
    /// [`AmpError::UNKNOWN`], and the connection closes. So does it after any error where the peer has not asked for an
    /// answer, for then it would never know. All as in Twisted.
    fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        let _ = arguments;
        Err(AmpError::unhandled(command))
    }

    /// As [`Protocol::pause_writing`](reactor::Protocol::pause_writing).
    fn pause_writing(&mut self) {}

    /// As [`Protocol::resume_writing`](reactor::Protocol::resume_writing).
    fn resume_writing(&mut self) {}

    /// The connection has ended; this is the last callback. Calls that had no answer have failed with this reason.
    /// Twisted's `connectionLost`.
    fn connection_lost(&mut self, reason: CloseReason) {
        let _ = reason;
    }
}

impl<H: AmpHandler> IntoHandler<Amp> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}
