use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::ready;

use bytes::Bytes;
use futures_channel::oneshot;
use reactor::connection::MemoryCharge;
use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

use crate::amp::amp_box::AmpBox;
use crate::amp::answer::When;
use crate::amp::error::AmpError;
use crate::amp::handle::{ANSWER, ASK, Amp, COMMAND, ERROR, ERROR_CODE, ERROR_DESCRIPTION, MOST_OWED, Outcome};
use crate::amp::handler::AmpHandler;
use crate::amp::splitter::BoxSplitter;
use crate::receiver::into_handler::IntoHandler;

/// A protocol in which both sides call each other and match the answers to their calls: the Asynchronous Messaging
/// Protocol. Compatible with Twisted's `AMP`, except for `StartTLS`, `ProtocolSwitchCommand` and `Descriptor`.
///
/// Programs need it only to call [`factory`](Self::factory). If the peer sends anything but AMP, or an answer to a call
/// that was not made, the connection is reset; [`CloseReason::Failed`] says why.
pub struct AmpReceiver<H> {
    handler: H,
    amp: Amp,
    splitter: BoxSplitter,
    /// For the incomplete box, the calls that wait to be taken or answered, and the answers that wait to be sent.
    charge: MemoryCharge,
    limits: Limits,
    /// The number of the peer's calls that are being answered.
    answering: usize,
    /// The total size of their boxes.
    answering_size: usize,
    /// The waiting calls, followed by the error that ends the connection, if any.
    waiting: VecDeque<Result<Call, AmpError>>,
    /// The total size of the waiting calls.
    waiting_size: usize,
    /// The waiting calls are to be handled in the connection's next turn.
    asked: bool,
    /// Reading is paused because too much waits.
    paused: bool,
    /// While answers wait to be sent, the other end of a deferred call: a connection that is asked to finish waits for it.
    answers_wait: Option<oneshot::Sender<()>>,
}

/// A call of the peer.
struct Call {
    command: String,
    /// The tag for the answer, if the peer wants one.
    ask: Option<Bytes>,
    arguments: AmpBox,
    /// The size of its box.
    size: usize,
}

impl<H: AmpHandler> AmpReceiver<H> {
    /// A factory of AMP receivers, for servers and clients alike. For each connection `build` receives its [`Amp`] and
    /// returns the handler, or an `Option` of it; `None` refuses the connection.
    ///
    /// ```
    /// use protocols::amp::{Amp, AmpBox, AmpError, AmpHandler, AmpReceiver};
    /// use reactor::Reactor;
    ///
    /// struct Client;
    ///
    /// impl AmpHandler for Client {}
    ///
    /// async fn talk(amp: Amp) -> Result<(), AmpError> {
    ///     let answer = amp.call("Sum", AmpBox::new().with("a", 13).with("b", 81)).await?;
    ///     println!("{}", answer.get::<i64>("total")?);
    ///     Ok(())
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.connect_tcp("localhost:1234", AmpReceiver::factory(|amp: Amp| {
    ///     amp.transport().reactor().spawn(async move {
    ///         if let Err(error) = talk(amp.clone()).await {
    ///             eprintln!("{error}");
    ///         }
    ///         amp.lose_connection();
    ///     });
    ///     Client
    /// }));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn factory<F, T>(build: F) -> AmpFactory<F>
    where
        F: FnMut(Amp) -> T + 'static,
        T: IntoHandler<Amp, Handler = H>,
    {
        AmpFactory { build, limits: Limits { max_box_size: 1 << 20, max_answering: 1024 } }
    }

    fn new(handler: H, amp: Amp, limits: Limits) -> Self {
        let charge = amp.transport().charge_memory(0);
        Self {
            handler,
            amp,
            splitter: BoxSplitter::new(limits.max_box_size),
            charge,
            limits,
            answering: 0,
            answering_size: 0,
            waiting: VecDeque::new(),
            waiting_size: 0,
            asked: false,
            paused: false,
            answers_wait: None,
        }
    }

    /// Whether the next call may be delivered.
    fn goes_on(&self) -> bool {
        let is_free = self.answering < self.limits.max_answering && self.answering_size <= self.limits.max_box_size;
        is_free && self.amp.has_room_for_answers() && !self.amp.transport().is_closing()
    }

    /// Delivers waiting calls.
    fn go_on(&mut self) {
        self.amp.send_answers();
        while self.goes_on() {
            match self.waiting.pop_front() {
                Some(Ok(call)) => {
                    self.waiting_size -= call.size;
                    self.call_received(call);
                }
                Some(Err(error)) => self.amp.transport().fail_connection(CloseReason::failed(error)),
                None => {
                    self.waiting = VecDeque::new();
                    break;
                }
            }
        }
        self.pace();
    }

    /// Reads, unless too much waits.
    fn pace(&mut self) {
        let answers = self.amp.waiting_answers();
        if (answers > 0) != self.answers_wait.is_some() {
            self.answers_wait = (answers > 0).then(|| {
                let (sender, sent) = oneshot::channel();
                self.amp.defer(sent, |_: &mut Self, _| ());
                sender
            });
        }
        self.charge.set(self.splitter.held_bytes() + self.waiting_size + self.answering_size + answers);
        let paused = self.waiting_size > READ_AHEAD;
        if paused != self.paused {
            self.paused = paused;
            let transport = self.amp.transport();
            if paused { transport.pause_reading() } else { transport.resume_reading() }
        }
    }

    /// The next call; passes the answers before it to the calls that wait for them.
    fn next_call(&mut self, input: &mut &[u8]) -> Result<Option<Call>, AmpError> {
        while let Some(mut received) = self.splitter.next(input)? {
            if let Some(tag) = received.remove(ANSWER) {
                self.answer_received(&tag, Ok(received))?;
            } else if let Some(tag) = received.remove(ERROR) {
                let text = |key| Ok::<_, AmpError>(String::from_utf8_lossy(&received.get::<Bytes>(key)?).into_owned());
                let error = AmpError::remote(text(ERROR_CODE)?, text(ERROR_DESCRIPTION)?);
                self.answer_received(&tag, Err(error))?;
            } else {
                let size = received.size();
                let command = received.get(COMMAND)?;
                received.remove(COMMAND);
                let ask = received.remove(ASK);
                return Ok(Some(Call { command, ask, arguments: received, size }));
            }
        }
        Ok(None)
    }

    fn call_received(&mut self, call: Call) {
        let Call { command, ask, arguments, size } = call;
        self.amp.transport().note_message();
        match self.handler.call_received(&command, arguments).map(|answer| answer.0) {
            Ok(When::Now(answer)) => self.answer(&command, ask, Ok(answer)),
            Ok(When::Later(future)) => {
                self.answering += 1;
                self.answering_size += size;
                self.amp.defer(future, move |this: &mut Self, outcome| {
                    this.answering -= 1;
                    this.answering_size -= size;
                    this.answer(&command, ask, outcome);
                    this.go_on();
                });
            }
            Err(error) => self.answer(&command, ask, Err(error)),
        }
    }

    fn answer_received(&self, tag: &[u8], outcome: Outcome) -> Result<(), AmpError> {
        if self.amp.answer(tag, outcome) {
            return Ok(());
        }
        Err(AmpError::Malformed(format!("an answer to a call that was not made: \"{}\"", tag.escape_ascii())))
    }

    /// Answers a call, if the peer asked for an answer.
    fn answer(&self, command: &str, ask: Option<Bytes>, outcome: Outcome) {
        let error_box = |ask: Bytes, code: &str, description: &str| {
            AmpBox::new().with(ERROR, ask).with(ERROR_CODE, code).with(ERROR_DESCRIPTION, description)
        };
        let encoded = match (&ask, outcome) {
            (None, Ok(_)) => return,
            (Some(ask), Ok(answer)) => answer.with(ANSWER, ask).encode(),
            (Some(ask), Err(AmpError::Remote { code, description })) => {
                error_box(ask.clone(), &code, &description).encode()
            }
            (_, Err(error)) => Err(error),
        };
        match encoded {
            Ok(encoded) => self.amp.send_answer(encoded),
            Err(error) => {
                tracing::error!(command, %error, "cannot answer a call: closing the connection");
                if let Some(Ok(unknown)) = ask.map(|ask| error_box(ask, AmpError::UNKNOWN, "Unknown Error").encode()) {
                    self.amp.send_answer(unknown);
                }
                self.amp.lose_connection();
            }
        }
    }
}

/// Builds an [`AmpReceiver`] for each connection, by [`AmpReceiver::factory`].
///
/// ```
/// # use protocols::amp::{AmpHandler, AmpReceiver};
/// # struct Calculator;
/// # impl AmpHandler for Calculator {}
/// # let reactor = reactor::Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", AmpReceiver::factory(|_| Calculator).max_box_size(4096).max_answering(10))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AmpFactory<F> {
    build: F,
    limits: Limits,
}

/// What a peer can make a receiver hold.
#[derive(Clone, Copy, Debug)]
struct Limits {
    max_box_size: usize,
    max_answering: usize,
}

impl<F> AmpFactory<F> {
    /// The maximum size of the peer's boxes: the bytes on the wire, and 64 for each key. Default: 1 MiB; Twisted has no
    /// limit. A larger box ends the connection. While the calls that wait for an
    /// [`AmpAnswer::later`](crate::amp::AmpAnswer::later) exceed this size in total, further calls wait.
    #[must_use]
    pub fn max_box_size(mut self, bytes: usize) -> Self {
        self.limits.max_box_size = bytes;
        self
    }

    /// How many calls of the peer may wait for an [`AmpAnswer::later`](crate::amp::AmpAnswer::later) at a time.
    /// Default: 1,024. Further calls wait.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    #[must_use]
    pub fn max_answering(mut self, calls: usize) -> Self {
        assert!(calls > 0, "the maximum number of calls being answered is 0: it must be at least 1");
        self.limits.max_answering = calls;
        self
    }
}

impl<F, T> Factory for AmpFactory<F>
where
    F: FnMut(Amp) -> T + 'static,
    T: IntoHandler<Amp>,
    T::Handler: AmpHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let amp = Amp::new(transport);
        let handler = (self.build)(amp.clone()).into_handler()?;
        Some(Box::new(AmpReceiver::new(handler, amp, self.limits)))
    }
}

impl<F> fmt::Debug for AmpFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmpFactory").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<H: AmpHandler> Protocol for AmpReceiver<H> {
    fn connection_made(&mut self) {
        self.handler.connection_made();
    }

    fn data_received(&mut self, mut data: &[u8]) {
        // If more were answered here, the reactor would take all unsent output for answers, including this side's own
        // calls, and stop reading until it is sent: two sides could then wait for each other forever.
        let at_once = |this: &Self| this.waiting.is_empty() && this.amp.transport().unsent_bytes() <= MOST_OWED / 2;
        while !self.amp.transport().is_closing() && !matches!(self.waiting.back(), Some(Err(_))) {
            match self.next_call(&mut data) {
                Ok(Some(call)) if at_once(self) && self.goes_on() => self.call_received(call),
                Ok(Some(call)) => {
                    self.waiting_size += call.size;
                    self.waiting.push_back(Ok(call));
                }
                Ok(None) => break,
                Err(error) => self.waiting.push_back(Err(error)),
            }
        }
        if !self.waiting.is_empty() && !self.asked && self.goes_on() {
            self.asked = true;
            self.amp.defer(ready(()), |this: &mut Self, ()| {
                this.asked = false;
                this.go_on();
            });
        }
        self.pace();
    }

    fn eof_received(&mut self) -> OnEof {
        if self.waiting.is_empty() && self.amp.waiting_answers() == 0 { OnEof::Close } else { OnEof::NotYet }
    }

    fn pause_writing(&mut self) {
        self.handler.pause_writing();
    }

    fn resume_writing(&mut self) {
        // Answers come before new calls.
        self.go_on();
        self.handler.resume_writing();
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.amp.fail_calls(&reason);
        self.handler.connection_lost(reason);
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.handler)
    }
}

/// While the waiting calls exceed this, nothing is read. It is more than a side sends before it waits itself.
const READ_AHEAD: usize = 1 << 20;

impl<H> fmt::Debug for AmpReceiver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmpReceiver")
            .field("amp", &self.amp)
            .field("answering", &self.answering)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
