use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// What a panic says, and where it points at.
#[derive(Debug)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// The panic of `code`, which must not return.
#[track_caller]
pub(crate) fn panic_of(code: impl FnOnce()) -> Panic {
    thread_local! {
        static PLACE: Cell<Option<(String, u32)>> = const { Cell::new(None) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let next = take_hook();
        set_hook(Box::new(move |info| {
            PLACE.set(info.location().map(|place| (place.file().to_owned(), place.line())));
            next(info);
        }));
    });
    let payload = catch_unwind(AssertUnwindSafe(code)).expect_err("it is to panic");
    let (file, line) = PLACE.take().expect("a place");
    let message = match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast_ref::<&str>().expect("a text")).to_owned(),
    };
    Panic { message, file, line }
}
