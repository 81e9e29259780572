//! The parts of a model test case: two connections, their inputs, and the actions of their callbacks.

/// One of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    A,
    B,
}

pub(crate) use Who::{A, B};

/// One input, and the actions of the callbacks that it causes, one after another; later callbacks do nothing.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) input: Input,
    pub(crate) reactions: Vec<Vec<Act>>,
}

/// A driver's input to a connection. Inputs that a driver must not give are skipped: see `World::applies`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input {
    Made(Who),
    /// This many bytes are received.
    Received(Who, usize),
    Ended(Who),
    Turn(Who),
    /// Up to this many bytes are sent, from the front.
    Sent(Who, usize),
    /// While the output was lent, this many bytes were written; none were sent.
    LentAndWrote(Who, usize),
    Shut(Who),
    /// With the reason of its failure; `Done` if it is to be closed; an error of the network's else.
    Lost(Who),
    Dropped(Who),
    /// This many milliseconds pass.
    Advance(u64),
    /// The n-th deferred future (modulo their number) becomes ready.
    Open(usize),
    /// Outside of callbacks.
    Outside(Act),
}

/// An action on a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Write(Who, usize),
    WriteBytes(Who, usize),
    /// By `write!`, with a `Display` that itself writes a byte first.
    WriteFmt(Who, usize),
    Lose(Who),
    Abort(Who),
    Fail(Who),
    WriteEof(Who),
    PauseReading(Who),
    ResumeReading(Who),
    /// The first is paced by the second.
    PacedBy(Who, Who),
    SetLimit(Who, usize),
    CallLater(Who, u64),
    /// The n-th timed call (modulo their number).
    Cancel(usize),
    Reset(usize, u64),
    Delay(usize, u64),
    Defer(Who, Awaited),
    CancelDeferred(usize),
    /// Answers the end of the peer's stream with half-close; nothing elsewhere.
    KeepWriting,
    /// Puts off the answer; nothing elsewhere.
    NotYet,
    /// The callback ends here. Nothing outside of callbacks.
    Panic(Payload),
}

/// What a deferred future does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    Ready,
    /// Waits for [`Input::Open`].
    Gate,
    Panic,
}

/// What a panic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Text,
    /// Nothing that could be shown, and it panics when it is dropped.
    Bomb,
}

/// What was seen while a step ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Made(Who),
    Received(Who, usize),
    Ended(Who),
    PauseWriting(Who),
    ResumeWriting(Who),
    TimedCall(Who, usize),
    DeferredCall(Who, usize),
    /// With the reason, and how many of its calls were still alive.
    Lost(Who, String, usize),
    /// The protocol was dropped.
    Gone(Who),
    /// An act, its answer, and how the connection it was done to looks behind it.
    Did(Act, Option<bool>, View),
}

/// What the handle of a connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) unsent: usize,
    pub(crate) full: bool,
    pub(crate) closing: bool,
}

/// What a driver sees between two inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Questions {
    pub(crate) view: View,
    pub(crate) wants_read: bool,
    /// Those a driver asks only while the connection is not lost and has not failed.
    pub(crate) wants_write_eof: bool,
    pub(crate) wants_close: bool,
    pub(crate) failure: Option<String>,
}

/// What came of a step.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// False if it was none that a driver may do.
    pub(crate) applied: bool,
    pub(crate) events: Vec<Event>,
    /// The output that was lent.
    pub(crate) lent: Vec<u8>,
    /// With what the connection was lost.
    pub(crate) reason: String,
}

impl Who {
    pub(crate) const BOTH: [Self; 2] = [A, B];
}

impl Act {
    /// Whose view is logged behind it.
    pub(crate) fn subject(self) -> Who {
        match self {
            Self::Write(who, _)
            | Self::WriteBytes(who, _)
            | Self::WriteFmt(who, _)
            | Self::Lose(who)
            | Self::Abort(who)
            | Self::Fail(who)
            | Self::WriteEof(who)
            | Self::PauseReading(who)
            | Self::ResumeReading(who)
            | Self::PacedBy(who, _)
            | Self::SetLimit(who, _)
            | Self::CallLater(who, _)
            | Self::Defer(who, _) => who,
            Self::Cancel(_)
            | Self::Reset(..)
            | Self::Delay(..)
            | Self::CancelDeferred(_)
            | Self::KeepWriting
            | Self::NotYet
            | Self::Panic(_) => A,
        }
    }
}

/// The text that is written as the n-th of all, of this length: no two are alike for long.
pub(crate) fn text(number: usize, len: usize) -> &'static str {
    use std::sync::OnceLock;
    static TEXT: OnceLock<String> = OnceLock::new();
    let all = TEXT.get_or_init(|| {
        let mut state = 1_u32;
        let letters = (0..PERIOD + LONGEST).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (state >> 24) as u8 % 26)
        });
        letters.collect()
    });
    let start = number * 31 % PERIOD;
    &all[start..start + len.min(LONGEST)]
}

/// No write is longer.
pub(crate) const LONGEST: usize = 200_000;

const PERIOD: usize = 65_521;
