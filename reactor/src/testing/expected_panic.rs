use crate::util::panic_watch::expect_panics;

/// Runs `code`, during which user code on this thread (a callback, a timed call, a future, a job) is to panic with a
/// message that contains `text`. Returns what `code` returns.
///
/// Such a panic, and any other with this text, does not fail the test: it has the effect that it has in a program. Other
/// panics fail it as always. trial's `flushLoggedErrors`.
///
/// ```
/// use reactor::testing::{StringTransport, expect_panic};
/// use reactor::{CloseReason, Protocol};
///
/// struct Fragile;
///
/// impl Protocol for Fragile {
///     fn data_received(&mut self, _data: &[u8]) {
///         panic!("it is broken");
///     }
/// }
///
/// let mut wire = StringTransport::connect(|_| Fragile);
/// expect_panic("is broken", || wire.receive("hi"));
/// assert!(matches!(wire.close_reason(), Some(CloseReason::Panicked(_))));
/// assert!(wire.was_reset());
/// ```
///
/// It also counts panics in callbacks of a reactor on sockets that `code` runs on this thread, where unexpected ones do not
/// fail the test.
///
/// # Panics
///
/// If there was no such panic.
#[track_caller]
pub fn expect_panic<R>(text: &str, code: impl FnOnce() -> R) -> R {
    let (result, came) = expect_panics(text, code);
    assert!(came, "no callback has panicked with a message that contains {text:?}");
    result
}
