//! Confining panics of user code.

use std::any::Any;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::task::Poll;

use futures_util::FutureExt as _;

use crate::util::escaped::escaped;
use crate::util::panic_watch::{discard, note_panic};

/// Warns, once per process, if the program is built without unwinding, so that panics cannot be caught.
pub(crate) fn warn_if_panics_abort() {
    static SAID: Once = Once::new();
    if cfg!(panic = "abort") {
        SAID.call_once(|| {
            tracing::warn!(
                "built with panic = \"abort\": a panic in a callback ends the program, not its connection alone"
            );
        });
    }
}

/// Runs user code; a panic comes back as its message.
///
/// Nothing of ours is in the middle of a change when user code panics: callers hold no borrow across it.
pub(crate) fn catch_panic<R>(code: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(into_message)
}

/// Runs a user's future; a panic comes back as its message.
pub(crate) async fn catch_panic_async<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(into_message)
}

/// Polls a stream that is not ours; a panic is an error.
pub(crate) fn catch_panic_of_stream<T>(poll: impl FnOnce() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    catch_panic(poll).unwrap_or_else(|message| {
        Poll::Ready(Err(io::Error::other(format!("the stream panicked: {}", escaped(&message)))))
    })
}

/// The text of a caught panic, which the testing kit may pass on.
fn into_message(payload: Box<dyn Any + Send>) -> String {
    let message = panic_message(&*payload);
    let payload = note_panic(&message, payload);
    discard(payload);
    message
}

/// The text of a panic, by what `catch_unwind` returns: up to 1,024 bytes, because it may contain all that a peer has sent.
/// Display it [`escaped`].
///
/// ```
/// use std::panic::catch_unwind;
/// use reactor::text::panic_message;
///
/// let payload = catch_unwind(|| panic!("number {}", 7)).unwrap_err();
/// assert_eq!(panic_message(&*payload), "number 7");
/// ```
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(|text| &**text));
    match text {
        Some(text) if text.len() > LONGEST => format!("{}…", &text[..text.floor_char_boundary(LONGEST)]),
        Some(text) => text.to_owned(),
        None => "a panic without a message".to_owned(),
    }
}

/// The maximum length of a panic's text, in bytes.
const LONGEST: usize = 1024;
