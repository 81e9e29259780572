use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use futures_channel::oneshot;
use reactor::{CloseReason, DeferredCall, Transport};

use crate::amp::amp_box::AmpBox;
use crate::amp::error::AmpError;

/// A handle of one connection whose protocol is an [`AmpReceiver`](crate::amp::AmpReceiver), used to call the peer. Its
/// handler gets it from the factory, others by [`Transport::handle`].
///
/// Like [`Transport`], it is cheap to clone and may be used from any callback of any connection of the same reactor.
/// Its methods only record what to do: **they never call user code**. A handle that outlives its connection is
/// harmless: its calls fail.
#[derive(Clone)]
pub struct Amp(Rc<AmpCell>);

struct AmpCell {
    transport: Transport,
    /// The number of the last call.
    number: Cell<u64>,
    /// Calls without an answer so far, by the numbers of their tags.
    calls: RefCell<BTreeMap<u64, oneshot::Sender<Outcome>>>,
    /// An upper bound on the unsent bytes of answers: fewer are unsent if the output is shorter.
    owed: Cell<usize>,
    /// Answers that wait for room in the output, and their total size.
    answers: RefCell<VecDeque<Vec<u8>>>,
    waiting: Cell<usize>,
    /// Why the connection ended, once it has.
    lost: RefCell<Option<CloseReason>>,
}

pub(crate) type Outcome = Result<AmpBox, AmpError>;

impl Amp {
    pub(crate) fn new(transport: Transport) -> Self {
        let amp = Self(Rc::new(AmpCell {
            transport: transport.clone(),
            number: Cell::new(0),
            calls: RefCell::default(),
            owed: Cell::new(0),
            answers: RefCell::default(),
            waiting: Cell::new(0),
            lost: RefCell::new(None),
        }));
        transport.set_handle(amp.clone());
        amp
    }

    /// Calls a command of the peer: sends it at once and returns a future of the answer. Twisted's `callRemote`.
    ///
    /// Any number of calls can be under way in both directions, and they may be answered in any order. Calls count
    /// against the output limit like everything else
    /// ([`Transport::set_output_limit`](reactor::Transport::set_output_limit)); a call that would exceed it fails, and
    /// the others go on. If both sides call in bulk, each should keep less than 1 MiB of calls under way, counting
    /// their bytes and 64 for each key: a side reads that much while its calls wait, and with more the two might wait
    /// for each other. An answer has no time limit of its own. Dropping the future leaves the call as it is; its answer
    /// is thrown away.
    ///
    /// For a callback, pass the future to [`defer`](Self::defer); elsewhere, await it in
    /// [`Reactor::spawn`](reactor::Reactor::spawn) or [`Reactor::run_until`](reactor::Reactor::run_until):
    ///
    /// ```
    /// # use protocols::amp::{Amp, AmpBox, AmpError};
    /// async fn divide(amp: Amp, numerator: i64, denominator: i64) -> Result<f64, AmpError> {
    ///     let arguments = AmpBox::new().with("numerator", numerator).with("denominator", denominator);
    ///     amp.call("Divide", arguments).await?.get("result")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Remote`](AmpError::Remote) if the peer answers with an error, [`ConnectionLost`](AmpError::ConnectionLost) if
    /// the connection ends before the answer; [`TooLong`](AmpError::TooLong) if an argument is too long and
    /// [`Full`](AmpError::Full) if the peer does not keep up: in both cases nothing was sent.
    pub fn call(&self, command: &str, arguments: AmpBox) -> impl Future<Output = Result<AmpBox, AmpError>> + use<> {
        let number = self.0.number.get() + 1;
        self.0.number.set(number);
        let (sender, receiver) = oneshot::channel();
        let sent = match &*self.0.lost.borrow() {
            Some(reason) => Err(AmpError::ConnectionLost(reason.clone())),
            None => self.send(command, arguments.with(ASK, tag_of(number))),
        };
        if sent.is_ok() {
            self.0.calls.borrow_mut().insert(number, sender);
        }
        async move {
            sent?;
            // The call was dropped without an answer because the reactor has ended.
            receiver.await.unwrap_or(Err(AmpError::ConnectionLost(CloseReason::Aborted)))
        }
    }

    /// Calls a command of the peer that needs no answer. The caller learns neither that it arrived nor that it failed,
    /// except that Twisted's peer closes after a failure. Twisted's `requiresAnswer = False`.
    ///
    /// # Errors
    ///
    /// [`AmpError::TooLong`] if an argument cannot be sent, [`AmpError::Full`] if the peer does not keep up.
    pub fn call_without_answer(&self, command: &str, arguments: AmpBox) -> Result<(), AmpError> {
        self.send(command, arguments)
    }

    /// As [`Transport::lose_connection`]; no further call or answer is received.
    pub fn lose_connection(&self) {
        for answer in self.0.answers.take() {
            self.write_answer(answer);
        }
        self.transport().lose_connection();
    }

    /// As [`Transport::defer`]: runs `future`, such as a [`call`](Self::call), beside the handler, and calls `call`
    /// with its output. Both are dropped when the connection ends, so they never see the end of their own connection;
    /// [`AmpHandler::connection_lost`](crate::amp::AmpHandler::connection_lost) does.
    ///
    /// ```
    /// use protocols::amp::{Amp, AmpBox, AmpHandler};
    ///
    /// struct Client { amp: Amp }
    ///
    /// impl AmpHandler for Client {
    ///     fn connection_made(&mut self) {
    ///         let sum = self.amp.call("Sum", AmpBox::new().with("a", 13).with("b", 81));
    ///         self.amp.defer(sum, |this: &mut Self, answer| {
    ///             match answer.and_then(|answer| answer.get::<i64>("total")) {
    ///                 Ok(total) => println!("{total}"),
    ///                 Err(error) => eprintln!("{error}"),
    ///             }
    ///             this.amp.lose_connection();
    ///         });
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// If the handler is not an `H`.
    #[track_caller]
    pub fn defer<H: 'static, F: Future + 'static>(
        &self,
        future: F,
        call: impl FnOnce(&mut H, F::Output) + 'static,
    ) -> DeferredCall {
        self.transport().defer(future, call)
    }

    /// The connection itself, for everything else. The receiver decides when to read from it.
    pub fn transport(&self) -> &Transport {
        &self.0.transport
    }

    fn send(&self, command: &str, arguments: AmpBox) -> Result<(), AmpError> {
        let encoded = arguments.with(COMMAND, command).encode()?;
        let unsent = self.transport().unsent_bytes();
        if unsent > 0 && encoded.len() > self.transport().output_room() {
            return Err(AmpError::Full(unsent));
        }
        self.0.owed.set(self.owed());
        self.transport().write_bytes(encoded.into());
        Ok(())
    }

    /// Sends an answer as soon as the output has room for it: many may become ready at one time.
    pub(crate) fn send_answer(&self, encoded: Vec<u8>) {
        self.0.waiting.set(self.0.waiting.get() + encoded.len());
        self.0.answers.borrow_mut().push_back(encoded);
        self.send_answers();
    }

    /// Sends the answers that the output has room for. For the others it is called again when the output is sent.
    pub(crate) fn send_answers(&self) {
        let mut answers = self.0.answers.borrow_mut();
        while let Some(answer) = answers.pop_front_if(|answer| self.has_room(answer.len())) {
            self.write_answer(answer);
        }
        if answers.is_empty() {
            *answers = VecDeque::new();
        }
    }

    /// Without room the transport is full, so it reports when everything is sent.
    fn has_room(&self, len: usize) -> bool {
        self.owed() <= MOST_OWED && (!self.transport().is_full() || len <= self.transport().output_room())
    }

    /// Whether calls may be answered now, so that their answers need not wait.
    pub(crate) fn has_room_for_answers(&self) -> bool {
        self.waiting_answers() == 0 && self.owed() <= MOST_OWED
    }

    /// The total size of the answers that wait for room.
    pub(crate) fn waiting_answers(&self) -> usize {
        self.0.waiting.get()
    }

    fn write_answer(&self, encoded: Vec<u8>) {
        self.0.waiting.set(self.0.waiting.get() - encoded.len());
        self.0.owed.set(self.owed() + encoded.len());
        self.transport().write_bytes(encoded.into());
    }

    /// An upper bound on the unsent bytes of answers. This side's own calls do not count: the peer need not read them
    /// first.
    pub(crate) fn owed(&self) -> usize {
        self.0.owed.get().min(self.transport().unsent_bytes())
    }

    /// Completes a call; false if no call has this tag.
    pub(crate) fn answer(&self, tag: &[u8], outcome: Outcome) -> bool {
        let number = str::from_utf8(tag).ok().and_then(|tag| u64::from_str_radix(tag, 16).ok());
        let number = number.filter(|number| tag_of(*number).as_bytes() == tag);
        let call = number.and_then(|number| self.0.calls.borrow_mut().remove(&number));
        // Sending fails if the caller has dropped the future.
        call.map(|call| call.send(outcome)).is_some()
    }

    /// Fails all calls, including those made from now on.
    pub(crate) fn fail_calls(&self, reason: &CloseReason) {
        self.0.lost.replace(Some(reason.clone()));
        for call in self.0.calls.take().into_values() {
            let _ = call.send(Err(AmpError::ConnectionLost(reason.clone())));
        }
    }
}

/// While more bytes of answers than this are unsent, calls and further answers wait. It equals the amount that makes a
/// transport full, so the transport reports when they have been sent.
pub(crate) const MOST_OWED: usize = 65_536;

/// The same form as Twisted's.
fn tag_of(number: u64) -> String {
    format!("{number:x}")
}

impl PartialEq for Amp {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Amp {}

impl Hash for Amp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Amp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amp")
            .field("transport", self.transport())
            .field("calls", &self.0.calls.borrow().len())
            .finish_non_exhaustive()
    }
}

/// The keys that mark a box as a call or an answer.
pub(crate) const ASK: &str = "_ask";
pub(crate) const ANSWER: &str = "_answer";
pub(crate) const COMMAND: &str = "_command";
pub(crate) const ERROR: &str = "_error";
pub(crate) const ERROR_CODE: &str = "_error_code";
pub(crate) const ERROR_DESCRIPTION: &str = "_error_description";
