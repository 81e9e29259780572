//! Calls in both directions over one connection: Twisted's `twisted.protocols.amp`.

mod amp_box;
mod answer;
mod date_time;
mod error;
mod handle;
mod handler;
mod receiver;
mod splitter;
mod value;

pub use amp_box::AmpBox;
pub use answer::AmpAnswer;
pub use error::AmpError;
pub use handle::Amp;
pub use handler::AmpHandler;
pub use receiver::{AmpFactory, AmpReceiver};
pub use value::{FromAmp, ToAmp};
