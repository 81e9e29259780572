use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use reactor::Transport;

use crate::auth::conversation::Conversation;
use crate::auth::error::LoginError;
use crate::auth::login::Login;
use crate::auth::portal::Portal;
use crate::auth::sasl::mechanism::LoginFuture;

/// What a server does next in an exchange of SASL.
#[derive(Debug)]
pub enum SaslStep<A: 'static> {
    /// Send this to the client, and give its answer to [`SaslExchange::respond`].
    Challenge(Vec<u8>),
    /// The end: tell the client how it was. Everything that the mechanism has to say was in challenges.
    Done(Result<Login<A>, LoginError>),
}

impl<A> Portal<A> {
    /// Begins a login by a mechanism of SASL, and calls `call` with each step, never from inside this method. The protocol
    /// carries the messages in whatever way it prescribes, as base64 most often. What the client sends with the mechanism's
    /// name is `initial`.
    ///
    /// Keep the exchange until it is done: dropping it gives up.
    ///
    /// ```
    /// use data_encoding::BASE64;
    /// use protocols::auth::{Identity, Login, Portal, SaslExchange, SaslStep};
    /// use protocols::{LineHandler, Lines};
    ///
    /// struct Session {
    ///     lines: Lines,
    ///     portal: Portal<Identity>,
    ///     exchange: Option<SaslExchange>,
    ///     login: Option<Login<Identity>>,
    /// }
    ///
    /// impl LineHandler for Session {
    ///     fn line_received(&mut self, line: &[u8]) {
    ///         if let Some(exchange) = &self.exchange {
    ///             return match BASE64.decode(line) {
    ///                 Ok(answer) => exchange.respond(&answer),
    ///                 Err(_) => self.done("501 not base64"),
    ///             };
    ///         }
    ///         let mechanism = String::from_utf8_lossy(line.strip_prefix(b"AUTH ").unwrap_or_default());
    ///         let step = |this: &mut Self, step| match step {
    ///             SaslStep::Challenge(challenge) => this.lines.send_line(format!("334 {}", BASE64.encode(&challenge))),
    ///             SaslStep::Done(Err(error)) => this.done(&format!("535 {error}")),
    ///             SaslStep::Done(Ok(login)) => {
    ///                 this.login = Some(login);
    ///                 this.done("235 welcome");
    ///             }
    ///         };
    ///         self.exchange = Some(self.portal.start_sasl(self.lines.transport(), &mechanism, None, step));
    ///     }
    /// }
    ///
    /// impl Session {
    ///     fn done(&mut self, answer: &str) {
    ///         self.exchange = None;
    ///         self.lines.send_line(answer);
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`Transport::call_later`].
    #[track_caller]
    pub fn start_sasl<P: 'static>(
        &self,
        transport: &Transport,
        mechanism: &str,
        initial: Option<&[u8]>,
        call: impl FnMut(&mut P, SaslStep<A>) + 'static,
    ) -> SaslExchange {
        let conversation = Conversation::default();
        let is_short = initial.is_none_or(|message| message.len() <= LONGEST);
        let login = match is_short {
            true => self.run_mechanism(transport, mechanism, initial.map(<[u8]>::to_vec), &conversation),
            false => Box::pin(async { Err(TOO_LONG) }),
        };
        let running = Running {
            transport: transport.clone(),
            conversation,
            login: RefCell::new(Some(login)),
            call: RefCell::new(Some(Box::new(call))),
            is_waiting: Cell::new(false),
        };
        let running = Rc::new(running);
        step(Rc::clone(&running));
        SaslExchange(running)
    }
}

/// A login by SASL that has begun: see [`Portal::start_sasl`].
#[must_use = "dropping the exchange gives up"]
pub struct SaslExchange(Rc<dyn Exchange>);

impl SaslExchange {
    /// Goes on with the client's answer to the last challenge, of up to 8 KiB. Ignored while there is none, and when it is
    /// done. A client that gives up (RFC 4422, section 3.5) is not answered: drop the exchange.
    pub fn respond(&self, answer: &[u8]) {
        Rc::clone(&self.0).respond(answer);
    }
}

impl Drop for SaslExchange {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl fmt::Debug for SaslExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslExchange").finish_non_exhaustive()
    }
}

/// An exchange, whatever its avatar and its protocol.
trait Exchange {
    fn respond(self: Rc<Self>, answer: &[u8]);
    fn give_up(&self);
}

struct Running<A: 'static, P: 'static> {
    transport: Transport,
    conversation: Conversation,
    /// `None` when it is done, or was given up.
    login: RefCell<Option<LoginFuture<A>>>,
    /// `None` also while it is called.
    call: RefCell<Option<Call<A, P>>>,
    /// Whether the client is to answer.
    is_waiting: Cell<bool>,
}

type Call<A, P> = Box<dyn FnMut(&mut P, SaslStep<A>)>;

impl<A, P> Running<A, P> {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<SaslStep<A>>> {
        // Taken out: it runs the user's checkers.
        let Some(mut login) = self.login.take() else { return Poll::Ready(None) };
        if let Poll::Ready(result) = login.as_mut().poll(context) {
            return Poll::Ready(Some(SaslStep::Done(result)));
        }
        self.login.replace(Some(login));
        match self.conversation.take_question() {
            Some(question) => Poll::Ready(Some(SaslStep::Challenge(question))),
            None => Poll::Pending,
        }
    }
}

impl<A, P> Exchange for Running<A, P> {
    fn respond(self: Rc<Self>, answer: &[u8]) {
        if !self.is_waiting.replace(false) {
            return;
        }
        if answer.len() > LONGEST {
            self.login.replace(Some(Box::pin(async { Err(TOO_LONG) })));
        } else {
            self.conversation.answer(answer);
        }
        step(self);
    }

    fn give_up(&self) {
        let given_up = (self.login.take(), self.call.take());
        drop(given_up);
    }
}

/// Does one step, in the connection's next turn or later. Between steps nothing of it is deferred, so that a connection that is
/// asked to finish does not wait for the client.
#[track_caller]
fn step<A, P>(running: Rc<Running<A, P>>) {
    let deferring = running.transport.clone();
    let polled = Rc::clone(&running);
    deferring.defer(poll_fn(move |context| polled.poll(context)), move |this: &mut P, step| {
        let (Some(step), Some(mut call)) = (step, running.call.take()) else { return };
        let is_done = matches!(step, SaslStep::Done(_));
        running.is_waiting.set(!is_done);
        call(this, step);
        if !is_done {
            running.call.replace(Some(call));
        }
    });
}

const TOO_LONG: LoginError = LoginError::Malformed("a message is longer than 8 KiB");

/// Names and passwords, and room for what a mechanism adds.
const LONGEST: usize = 8 * 1024;
