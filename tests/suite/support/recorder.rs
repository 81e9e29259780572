use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;
use std::{fmt, mem};

use reactor::{CloseReason, DelayedCall, OnEof, Protocol, Transport};

use crate::support::Log;

/// A protocol that logs every callback, and then runs the action set for it.
pub(crate) struct Recorder {
    pub(crate) transport: Transport,
    pub(crate) log: Log,
    /// What the last `data_received` was given.
    pub(crate) data: Vec<u8>,
    /// The answer to the peer's end of stream.
    pub(crate) on_eof: OnEof,
    logs_data: bool,
    actions: Vec<(Callback, Action)>,
}

type Action = Box<dyn FnMut(&mut Recorder)>;

/// Where user code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callback {
    Made,
    Data,
    Eof,
    Pause,
    Resume,
    Lost,
    Timer,
    Deferred,
    Drop,
}

impl Callback {
    pub(crate) const ALL: [Self; 9] = [
        Self::Made,
        Self::Data,
        Self::Eof,
        Self::Pause,
        Self::Resume,
        Self::Lost,
        Self::Timer,
        Self::Deferred,
        Self::Drop,
    ];
}

impl Recorder {
    pub(crate) fn new(transport: Transport, log: Log) -> Self {
        let data = Vec::new();
        Self { transport, log, data, on_eof: OnEof::Close, logs_data: true, actions: Vec::new() }
    }

    /// Runs this action in that callback, every time.
    pub(crate) fn on(mut self, callback: Callback, action: impl FnMut(&mut Self) + 'static) -> Self {
        self.actions.push((callback, Box::new(action)));
        self
    }

    /// Answers the peer's end of stream with half-close.
    pub(crate) fn keeping_writing(mut self) -> Self {
        self.on_eof = OnEof::KeepWriting;
        self
    }

    /// Leaves received bytes out of the log.
    pub(crate) fn without_data(mut self) -> Self {
        self.logs_data = false;
        self
    }

    /// Asks for a timed call, which logs `timer NAME`.
    pub(crate) fn timer(&self, delay: Duration, name: &'static str) -> DelayedCall {
        let guard = Guard::new(&self.log, format!("timer {name} gone"));
        self.transport.call_later(delay, move |this: &mut Self| {
            guard.disarm();
            this.log.add(format!("timer {name}"));
            this.happened(Callback::Timer);
        })
    }

    /// Defers a future that is ready at once, which logs `deferred`.
    pub(crate) fn deferred(&self) {
        self.transport.defer(std::future::ready(()), |this: &mut Self, ()| {
            this.log.add("deferred");
            this.happened(Callback::Deferred);
        });
    }

    /// Defers a future that is never ready, and logs `future gone` when it is dropped.
    pub(crate) fn deferred_for_ever(&self) {
        let guard = Guard::new(&self.log, "future gone");
        let future = async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        };
        self.transport.defer(future, |_: &mut Self, ()| {});
    }

    fn happened(&mut self, callback: Callback) {
        for index in 0..self.actions.len() {
            if self.actions[index].0 == callback {
                let mut action = mem::replace(&mut self.actions[index].1, Box::new(|_| {}));
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| action(self))) {
                    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
                    note_panic(&text.or_else(|| payload.downcast_ref().cloned()).unwrap_or_default());
                    resume_unwind(payload);
                }
                self.actions[index].1 = action;
            }
        }
    }
}

impl Protocol for Recorder {
    fn connection_made(&mut self) {
        self.log.add("made");
        self.happened(Callback::Made);
    }

    fn data_received(&mut self, data: &[u8]) {
        assert!(!data.is_empty() && data.len() <= 65_536, "a chunk of {} bytes", data.len());
        if self.logs_data {
            self.log.data(data);
        }
        self.data.clear();
        self.data.extend_from_slice(data);
        self.happened(Callback::Data);
    }

    fn eof_received(&mut self) -> OnEof {
        let answer = self.on_eof;
        self.log.add(if answer == OnEof::NotYet { "not yet" } else { "eof" });
        self.happened(Callback::Eof);
        answer
    }

    fn pause_writing(&mut self) {
        self.log.add("pause");
        self.happened(Callback::Pause);
    }

    fn resume_writing(&mut self) {
        self.log.add("resume");
        self.happened(Callback::Resume);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.add(format!("lost {}", short(&reason)));
        if let CloseReason::Panicked(message) = &reason {
            note_panic(message);
        }
        self.happened(Callback::Lost);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.log.add("dropped");
        self.happened(Callback::Drop);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("transport", &self.transport).finish_non_exhaustive()
    }
}

thread_local! {
    /// What an assertion in a callback of this thread said: a reactor on sockets contains it, and the test must not.
    static FAILED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Tests panic on purpose with "oh", and not at all with a text of the type mismatch's.
fn note_panic(message: &str) {
    let on_purpose = ["oh", "as told", "a call of `", "a panic without a message"];
    if !message.is_empty() && !on_purpose.iter().any(|beginning| message.starts_with(beginning)) {
        FAILED.replace(Some(message.to_owned()));
    }
}

/// Fails if an assertion in a callback of this thread has.
#[track_caller]
pub(crate) fn check_callbacks() {
    if let Some(message) = FAILED.take() {
        panic!("in a callback: {message}");
    }
}

/// The name of the reason, without the system's message.
fn short(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Done => "Done".to_owned(),
        CloseReason::Aborted => "Aborted".to_owned(),
        CloseReason::Lost(_) => "Lost".to_owned(),
        CloseReason::TimedOut => "TimedOut".to_owned(),
        CloseReason::Panicked(message) => format!("Panicked({message})"),
        CloseReason::Overflow => "Overflow".to_owned(),
        CloseReason::Failed(error) => format!("Failed({error})"),
        other => format!("{other:?}"),
    }
}

/// Logs a line when it is dropped without having been disarmed.
pub(crate) struct Guard {
    log: Log,
    line: String,
}

impl Guard {
    pub(crate) fn new(log: &Log, line: impl Into<String>) -> Self {
        Self { log: log.clone(), line: line.into() }
    }

    pub(crate) fn disarm(mut self) {
        self.line.clear();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.log.add(mem::take(&mut self.line));
        }
    }
}
