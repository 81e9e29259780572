use reactor::CloseReason;

use crate::amp::amp_box::AmpBox;
use crate::amp::answer::AmpAnswer;
use crate::amp::error::AmpError;
use crate::amp::handle::Amp;
use crate::receiver::into_handler::IntoHandler;

/// What a user of [`AmpReceiver`](crate::amp::AmpReceiver) implements: a protocol that answers the calls of its peer.
///
/// It is built with its [`Amp`], the handle that calls the peer, and can keep it in a plain field. No method is
/// required: a side that only calls has `impl AmpHandler for Client {}`. Twisted's `CommandLocator`.
///
/// Callbacks come in the order of [`Protocol`](reactor::Protocol), and each returns before the next begins. A panic in
/// one ends only this connection. When the peer ends its stream, the connection closes, even if answers are still to
/// come.
///
/// # When calls wait
///
/// Once the connection is closing, no call is delivered. Calls wait while the maximum number is being answered
/// ([`AmpFactory::max_answering`](crate::amp::AmpFactory::max_answering), and
/// [`max_box_size`](crate::amp::AmpFactory::max_box_size) for their total size), and, when more than 64 KiB of answers
/// are unsent, until the output has been sent. Answers to this side's own calls do not wait. While the waiting calls
/// exceed 1 MiB, counting their bytes and 64 for each key, nothing is read.
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
    /// The connection is established; nothing has been received yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The peer calls a command. Returns the answer: a box, converted by `into()`; [`AmpAnswer::later`], if it takes
    /// time; or an error.
    ///
    /// [`AmpError::Remote`] is sent to the peer, and the connection goes on. Any other error, such as a missing
    /// argument, is a fault of one of the two programs: it is logged, the peer is told [`AmpError::UNKNOWN`], and the
    /// connection closes. It also closes after any error if the peer did not ask for an answer, because the peer would
    /// never learn of the error. All this is as in Twisted.
    fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        let _ = arguments;
        Err(AmpError::unhandled(command))
    }

    /// As [`Protocol::pause_writing`](reactor::Protocol::pause_writing).
    fn pause_writing(&mut self) {}

    /// As [`Protocol::resume_writing`](reactor::Protocol::resume_writing).
    fn resume_writing(&mut self) {}

    /// The connection has ended; this is the last callback. Calls without an answer have failed with this reason.
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
