//! Confining panics of user code.

use std::any::Any;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use futures_util::FutureExt as _;

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

/// Runs user code that belongs to no connection: a panic is only logged.
pub(crate) fn log_panic(what: &'static str, code: impl FnOnce()) {
    if let Err(message) = catch_panic(code) {
        tracing::error!(panic = message, "a {what} panicked");
    }
}

fn into_message(payload: Box<dyn Any + Send>) -> String {
    let message = message(&*payload);
    // The payload is user code, too, and may panic when dropped; so may the payload of that panic.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
    message
}

/// The text of a panic.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
