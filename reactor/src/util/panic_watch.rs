//! Caught panics that a test must not miss.
//!
//! Callbacks fail in tests as in programs: the panic is caught, and ends one connection. The testing kit runs them in a
//! scope of [`pass_on_panics`], which panics in turn at its end, unless the test expects the panic.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::{mem, thread};

type Payload = Box<dyn Any + Send>;

thread_local! {
    static WATCH: RefCell<Watch> = const { RefCell::new(Watch { scope: Scope::Unwatched, expected: Vec::new() }) };
}

struct Watch {
    scope: Scope,
    /// The innermost last.
    expected: Vec<Expected>,
}

enum Scope {
    Unwatched,
    Watched(Option<Payload>),
}

struct Expected {
    text: String,
    came: bool,
}

/// Runs `code`, then continues the first panic that was caught meanwhile and that no test expects. While the thread is
/// panicking already, it does nothing about it.
pub(crate) fn pass_on_panics<R>(code: impl FnOnce() -> R) -> R {
    let mut outer = Outer(Some(set_scope(Scope::Watched(None))));
    let result = code();
    match outer.restore() {
        Some(payload) if !thread::panicking() => resume_unwind(payload),
        payload => discard(payload),
    }
    result
}

/// Runs `code`, in which panics with a message that contains `text` are expected. Also returns whether one came.
pub(crate) fn expect_panics<R>(text: &str, code: impl FnOnce() -> R) -> (R, bool) {
    WATCH.with_borrow_mut(|watch| watch.expected.push(Expected { text: text.to_owned(), came: false }));
    let expectation = Expectation;
    let result = code();
    let came = WATCH.with_borrow(|watch| watch.expected.last().is_some_and(|expected| expected.came));
    drop(expectation);
    (result, came)
}

/// Takes note of a panic that was caught. The payload comes back if nobody needs it.
pub(crate) fn note_panic(message: &str, payload: Payload) -> Option<Payload> {
    WATCH.with_borrow_mut(|watch| {
        if let Some(expected) = watch.expected.iter_mut().rev().find(|expected| message.contains(&expected.text)) {
            expected.came = true;
            return Some(payload);
        }
        match &mut watch.scope {
            Scope::Watched(first @ None) => {
                *first = Some(payload);
                None
            }
            _ => Some(payload),
        }
    })
}

/// Drops the payload of a panic. It is user code, too, and may panic when dropped; so may the payload of that panic.
pub(crate) fn discard(payload: Option<Payload>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}

fn set_scope(scope: Scope) -> Scope {
    WATCH.with_borrow_mut(|watch| mem::replace(&mut watch.scope, scope))
}

/// The scope around the current one.
struct Outer(Option<Scope>);

impl Outer {
    /// Makes it the current one again; returns the panic that was caught in the one inside.
    fn restore(&mut self) -> Option<Payload> {
        match set_scope(self.0.take()?) {
            Scope::Watched(caught) => caught,
            Scope::Unwatched => None,
        }
    }
}

impl Drop for Outer {
    /// When the code inside unwinds, that is what the test fails with.
    fn drop(&mut self) {
        discard(self.restore());
    }
}

/// Ends the innermost expectation, also when its code unwinds.
struct Expectation;

impl Drop for Expectation {
    fn drop(&mut self) {
        WATCH.with_borrow_mut(|watch| watch.expected.pop());
    }
}
