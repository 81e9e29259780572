//! A client of IRC: registers, keeps the connection alive, and tells a handler what happens.

pub(crate) mod ctcp_answers;
pub(crate) mod dispatch;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod line_queue;
pub(crate) mod registration;
pub(crate) mod settings;
pub(crate) mod split;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

use crate::auth::{SaslClient, Secret};
use crate::irc::client::ctcp_answers::CtcpAnswers;
use crate::irc::client::dispatch::dispatch;
use crate::irc::client::handle::{IrcClient, IrcClientKind};
use crate::irc::client::handler::IrcClientHandler;
use crate::irc::client::registration::{Registration, Step, send_chunks};
use crate::irc::client::settings::ClientSettings;
use crate::irc::message::Message;
use crate::irc::message::builder::{MAX_BODY, MAX_TAGS, MessageBuilder};
use crate::irc::splitter::{Limits, Piece, Splitter};
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};

/// The protocol of IRC clients, which calls an [`IrcClientHandler`]. Twisted's `IRCClient`.
///
/// Programs need it only to call [`factory`](Self::factory). [`IrcClientHandler`] has an example.
#[derive(Debug)]
pub struct IrcClientReceiver {
    buffer: Buffer,
    splitter: Splitter,
    limits: Rc<Limits>,
    registration: Registration,
    answers: CtcpAnswers,
}

impl IrcClientReceiver {
    /// A factory of clients with this nick. For each connection `build` receives its [`IrcClient`] and returns the handler,
    /// or an `Option` of it; `None` refuses the connection.
    pub fn factory<F, T>(nick: impl Into<Vec<u8>>, build: F) -> IrcClientFactory<F>
    where
        F: FnMut(IrcClient) -> T + 'static,
        T: IntoHandler<IrcClient>,
        T::Handler: IrcClientHandler,
    {
        let settings = Rc::new(ClientSettings::new(nick.into()));
        IrcClientFactory { build, settings, limits: Rc::new(Limits::new(MAX_TAGS, MAX_BODY)) }
    }
}

/// Builds a client for each connection, by [`IrcClientReceiver::factory`].
///
/// ```
/// use std::time::Duration;
///
/// use protocols::auth::{Password, SaslClient};
/// use protocols::irc::{IrcClient, IrcClientHandler, IrcClientReceiver};
///
/// struct Bot { irc: IrcClient }
///
/// impl IrcClientHandler for Bot {
///     fn signed_on(&mut self) {
///         self.irc.join("#rust");
///     }
/// }
///
/// let account = Password::new("polly", "cracker");
/// let factory = IrcClientReceiver::factory("polly", |irc| Bot { irc })
///     .real_name("A parrot")
///     .capabilities(["server-time", "account-tag"])
///     .sasl(move |offered, transport| SaslClient::choose(offered.iter().copied(), &account, transport))
///     .line_rate(Duration::from_millis(500));
/// ```
pub struct IrcClientFactory<F> {
    build: F,
    settings: Rc<ClientSettings>,
    limits: Rc<Limits>,
}

impl<F> IrcClientFactory<F> {
    /// The user name, which servers show with a `~` unless they know better. Default: the nick. Twisted's `username`.
    #[must_use]
    pub fn user_name(mut self, name: impl Into<Vec<u8>>) -> Self {
        Rc::make_mut(&mut self.settings).user_name = name.into();
        self
    }

    /// What `WHOIS` shows as the name. Default: the nick. Twisted's `realname`.
    #[must_use]
    pub fn real_name(mut self, name: impl Into<Vec<u8>>) -> Self {
        Rc::make_mut(&mut self.settings).real_name = name.into();
        self
    }

    /// The password of the server, not that of an account. Twisted's `password`.
    #[must_use]
    pub fn password(mut self, password: impl Into<Vec<u8>>) -> Self {
        Rc::make_mut(&mut self.settings).password = Some(Secret::new(password));
        self
    }

    /// The capabilities of IRCv3 to ask for, as far as the server offers them: [`IrcClient::has_capability`] says which there
    /// are. Default: none.
    #[must_use]
    pub fn capabilities<C: Into<Vec<u8>>>(mut self, names: impl IntoIterator<Item = C>) -> Self {
        Rc::make_mut(&mut self.settings).capabilities = names.into_iter().map(Into::into).collect();
        self
    }

    /// Logs in to an account by SASL. `choose` gets the mechanisms that the server offers and the connection, and returns what
    /// to log in by: [`SaslClient::choose`] for a password, [`SaslClient::external`] for a certificate. Without a login the
    /// connection ends, and its reason says why.
    #[must_use]
    pub fn sasl(mut self, choose: impl Fn(&[&str], &Transport) -> Option<SaslClient> + 'static) -> Self {
        Rc::make_mut(&mut self.settings).sasl = Some(Rc::new(choose));
        self
    }

    /// The least time between two messages, so that the server does not take this client for a flood; what comes in between
    /// waits. Default: none. Twisted's `lineRate`.
    #[must_use]
    pub fn line_rate(mut self, interval: Duration) -> Self {
        Rc::make_mut(&mut self.settings).line_rate = Some(interval);
        self
    }

    /// How often to send a `PING` that keeps the connection alive, once signed on; `None` for never. Whether anything comes
    /// back is for an [`IdleTimeout`](crate::policies::IdleTimeout) of more than this. Default: two minutes. Twisted's
    /// `heartbeatInterval`.
    #[must_use]
    pub fn heartbeat(mut self, interval: Option<Duration>) -> Self {
        Rc::make_mut(&mut self.settings).heartbeat = interval;
        self
    }

    /// What to answer when somebody asks for this program's version. Default: nothing. Twisted's `versionName`.
    #[must_use]
    pub fn version(mut self, text: impl Into<Vec<u8>>) -> Self {
        Rc::make_mut(&mut self.settings).version = Some(text.into());
        self
    }
}

impl<F, T> Factory for IrcClientFactory<F>
where
    F: FnMut(IrcClient) -> T + 'static,
    T: IntoHandler<IrcClient>,
    T::Handler: IrcClientHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let go_on_later = |transport: &Transport, delay: Duration| {
            transport.call_later(delay, |client: &mut Client<T::Handler>| client.handle.go_on());
        };
        let kind = IrcClientKind::new(Rc::clone(&self.settings), &transport, go_on_later);
        let cut = IrcClientReceiver {
            buffer: Buffer::default(),
            splitter: Splitter::default(),
            limits: Rc::clone(&self.limits),
            registration: Registration::new(Rc::clone(&self.settings)),
            answers: CtcpAnswers::new(),
        };
        protocol::build(transport, kind, cut, &mut self.build)
    }
}

impl<F> fmt::Debug for IrcClientFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrcClientFactory").field("settings", &self.settings).finish_non_exhaustive()
    }
}

type Client<H> = Receiver<H, IrcClientReceiver>;

impl<H: IrcClientHandler> Cut<H> for IrcClientReceiver {
    type Kind = IrcClientKind;

    fn deliver(receiver: &mut Client<H>, chunk: &[u8]) {
        let Receiver { handler, handle: irc, cut: Self { buffer, splitter, limits, registration, answers } } = receiver;
        let next = |input: &mut Input<'_>| {
            let line = match splitter.next(limits, input) {
                None => return false,
                Some(Piece::TooLong) => return true,
                Some(Piece::Line(line)) => line,
            };
            // What is no message is left out.
            if let Ok(message) = Message::parse(line) {
                irc.transport().note_message();
                handler.message_received(&message);
                let step = registration.received(&message, irc);
                Self::go(step, &message, handler, irc, registration);
                dispatch(&message, handler, irc, answers);
            }
            true
        };
        irc.0.delivery.cut(buffer.input(chunk), next);
    }

    fn end_of_stream(receiver: &mut Client<H>) -> OnEof {
        let Receiver { handler, handle, cut } = receiver;
        handle.0.delivery.end_of_stream(&mut cut.buffer, |_| handler.eof_received())
    }

    fn tell(receiver: &mut Client<H>, event: Event) {
        let handler = &mut receiver.handler;
        match event {
            Event::ConnectionMade => {
                receiver.cut.registration.start(&receiver.handle);
                handler.connection_made();
            }
            Event::PauseWriting => handler.pause_writing(),
            Event::ResumeWriting => handler.resume_writing(),
            Event::ConnectionLost(reason) => {
                receiver.handle.drop_queue();
                handler.connection_lost(reason);
            }
        }
    }
}

impl IrcClientReceiver {
    /// Does what a message of the registration leads to.
    fn go<H: IrcClientHandler>(
        step: Step,
        message: &Message<'_>,
        handler: &mut H,
        irc: &IrcClient,
        registration: &Registration,
    ) {
        match step {
            Step::Nothing => {}
            Step::SignedOn => {
                if let Some(nick) = message.param(0) {
                    irc.set_own_nick(nick);
                }
                if let Some(interval) = irc.0.kind.settings.heartbeat {
                    let server = message.source().map(|source| source.name().to_vec()).unwrap_or_default();
                    irc.transport().call_every(interval, move |client: &mut Client<H>, _| {
                        client.handle.send_now(&MessageBuilder::new("PING").trailing(&server));
                    });
                }
                handler.signed_on();
            }
            Step::Collision => {
                let nick = handler.alter_collided_nick(&irc.nick());
                irc.send_now(&MessageBuilder::new("NICK").param(&nick));
                irc.set_own_nick(&nick);
            }
            Step::Answer(challenge) => {
                if let Some(sasl) = registration.sasl() {
                    sasl.respond(irc.transport(), &challenge, |client: &mut Client<H>, answer| match answer {
                        Ok(answer) => send_chunks(&answer, &client.handle),
                        Err(error) => fail(&client.handle, format!("the server and the account do not agree: {error}")),
                    });
                }
            }
            Step::Failed(reason) => fail(irc, reason),
        }
    }
}

fn fail(irc: &IrcClient, reason: String) {
    irc.transport().lose_connection_with(CloseReason::failed(reason));
}

#[cfg(test)]
mod tests;
