use std::error::Error;
use std::future::{poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use async_nats::{Client, ConnectOptions, Event, Server, ServerAddr, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, abortable, join};
use futures_util::stream::select;
use percent_encoding::percent_decode_str;
use reactor::Reactor;
use reactor::text::escaped;
use tokio::sync::{oneshot, watch};

use crate::cluster::NodeName;
use crate::cluster::bus::inbox::Inbox;
use crate::cluster::bus::queue::Queue;
use crate::cluster::bus::{Bus, BusEvent, Topic};

/// How often the connection is tried; without two answers it is made anew. A server that hangs is given up after some seconds, as
/// a node is.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// A node's bus over [NATS](https://nats.io): one or more servers that pass messages on.
///
/// What everyone hears is published on the subject `irc.NETWORK.events.NODE`, and what one node hears on `irc.NETWORK.to.NODE`, so
/// that a server can be told by which account what may be published.
///
/// It connects when it can, again whenever the connection is lost, and for ever; then come [`Down`](BusEvent::Down) and
/// [`Up`](BusEvent::Up). What is published in between is dropped. The connection ends with it.
#[derive(Debug)]
pub struct Nats {
    shared: Arc<Shared>,
    client: Client,
    network: String,
    tasks: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Inbox,
    outbox: Queue<Outgoing>,
    is_up: AtomicBool,
    /// How often it has connected.
    connections: watch::Sender<u64>,
    /// It was said that messages are dropped, since it was last up.
    has_warned: AtomicBool,
}

#[derive(Debug)]
enum Outgoing {
    Message(Topic, Bytes),
    /// All before it is to be written.
    Flush(oneshot::Sender<()>),
}

/// The subjects of a network.
#[derive(Debug, Clone)]
struct Subjects {
    network: String,
    node: NodeName,
}

impl Nats {
    /// Makes the bus of a node. `urls` names the servers, with commas between: `nats://HOST:PORT`, or `tls://HOST:PORT`, whose
    /// certificates the system's authorities have to have signed (`SSL_CERT_FILE` names others). A user and password stand in
    /// front of the host, as in `nats://USER:PASSWORD@HOST`, or a token alone; those of the first URL that has any are used for all.
    ///
    /// It does not wait for the connection. Its tasks run on the reactor.
    ///
    /// # Errors
    ///
    /// If a URL is malformed, or if no subject can have the name of the network.
    pub async fn connect(reactor: &Reactor, urls: &str, network: &str, node: NodeName) -> Result<Self, NatsError> {
        if !Self::can_have_network(network) {
            return Err(NatsError::Network(network.to_owned()));
        }
        let subjects = Subjects { network: network.to_owned(), node };
        let servers = parse(urls)?;
        let shared = Arc::new(Shared::default());
        let client = options(&shared, &servers, &subjects.node).connect(servers).await.map_err(refused)?;
        let events = client.subscribe(subjects.all_events()).await.map_err(refused)?;
        let own = client.subscribe(subjects.of(&Topic::Node(subjects.node.clone()))).await.map_err(refused)?;
        let (tasks, handle) = abortable(join(
            receive(Arc::clone(&shared), events, own),
            send(Arc::clone(&shared), client.clone(), subjects),
        ));
        reactor.spawn(async move {
            // Aborted when the bus is dropped.
            let _ = tasks.await;
        });
        Ok(Self { shared, client, network: network.to_owned(), tasks: handle })
    }

    /// Whether these are URLs as [`connect`](Self::connect) takes them.
    #[must_use]
    pub fn can_connect_to(urls: &str) -> bool {
        parse(urls).is_ok()
    }

    /// Whether subjects can have the name of this network.
    #[must_use]
    pub fn can_have_network(network: &str) -> bool {
        NodeName::new(network).is_ok() && !network.contains('.')
    }

    /// Resolves when everything published before has been written to the server: for the end of a program. While there is no
    /// connection it waits for one, so limit its time.
    pub async fn flush(&self) {
        let (tell, told) = oneshot::channel();
        if self.shared.outbox.push(Outgoing::Flush(tell), 0) {
            // It ends without an answer when the bus does.
            let _ = told.await;
        }
    }

    /// The name of the network.
    pub(in crate::cluster) fn network(&self) -> &str {
        &self.network
    }

    /// How often it has connected, and when it does again.
    pub(in crate::cluster) fn connections(&self) -> watch::Receiver<u64> {
        self.shared.connections.subscribe()
    }

    /// The connection, for what else NATS has.
    pub(in crate::cluster) fn client(&self) -> &Client {
        &self.client
    }
}

impl Bus for Nats {
    fn publish(&self, topic: &Topic, message: Bytes) {
        if !self.shared.is_up.load(Ordering::Relaxed) {
            return;
        }
        let bytes = message.len();
        if !self.shared.outbox.push(Outgoing::Message(topic.clone(), message), bytes)
            && !self.shared.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("messages to other nodes are dropped, since the NATS server takes them too slowly");
        }
    }

    fn poll_event(&self, context: &mut Context<'_>) -> Poll<BusEvent> {
        self.shared.inbox.poll(context)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Shared {
    fn told(&self, event: Event, servers: &str) {
        match event {
            Event::Connected => {
                self.is_up.store(true, Ordering::Relaxed);
                self.has_warned.store(false, Ordering::Relaxed);
                tracing::info!("connected to NATS at {servers}");
                self.connections.send_modify(|count| *count += 1);
                self.inbox.push(BusEvent::Up);
            }
            Event::Disconnected | Event::Closed => {
                if self.is_up.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the connection to NATS at {servers} is lost; it is made again");
                    self.inbox.push(BusEvent::Down);
                }
            }
            Event::SlowConsumer(_) => self.inbox.push(BusEvent::Gap),
            Event::ServerError(error) => tracing::warn!("the NATS server says: {}", escaped(&error.to_string())),
            // Failed attempts to connect are told by `attempt`.
            Event::ClientError(_) | Event::Draining | Event::LameDuckMode => {}
        }
    }

    /// Before an attempt to connect: tells once why the attempts before it have failed.
    fn attempt(&self, servers: &[Server]) {
        let failed = servers.iter().find_map(|server| Some((server, server.last_error.as_ref()?)));
        if let Some((server, error)) = failed
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            let (server, error) = (without_password(&server.addr), escaped(error));
            tracing::warn!("cannot connect to NATS at {server}: {error}; it is tried again until it works");
        }
    }
}

impl Subjects {
    fn all_events(&self) -> String {
        format!("irc.{}.events.>", self.network)
    }

    fn of(&self, topic: &Topic) -> String {
        match topic {
            Topic::Everyone => format!("irc.{}.events.{}", self.network, self.node),
            Topic::Node(node) => format!("irc.{}.to.{node}", self.network),
        }
    }
}

fn refused(error: impl Into<async_nats::Error>) -> NatsError {
    NatsError::Client(error.into())
}

/// Reads the list of servers.
fn parse(urls: &str) -> Result<Vec<ServerAddr>, NatsError> {
    let parse = |url: &str| {
        let server: ServerAddr = url.trim().parse().map_err(NatsError::Url)?;
        if server.host().is_empty() || server.is_websocket() {
            return Err(NatsError::Url(io::Error::other("it has no host, or is for a web socket")));
        }
        Ok(server)
    };
    urls.split(',').map(parse).collect()
}

fn options(shared: &Arc<Shared>, servers: &[ServerAddr], node: &NodeName) -> ConnectOptions {
    let names = servers.iter().map(without_password).collect::<Vec<_>>().join(", ");
    let (told, tries) = (Arc::clone(shared), Arc::clone(shared));
    let options = ConnectOptions::new()
        .name(node)
        .no_echo()
        .ping_interval(PING_INTERVAL)
        .retry_on_initial_connect()
        .event_callback(move |event| {
            told.told(event, &names);
            ready(())
        })
        .reconnect_to_server_callback(move |servers, _| {
            tries.attempt(&servers);
            ready(None)
        });
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    match servers.iter().find_map(|server| Some((server.username()?, server.password()))) {
        Some((user, Some(password))) => options.user_and_password(decoded(user), decoded(password)),
        Some((token, None)) => options.token(decoded(token)),
        None => options,
    }
}

/// The URL of a server as it may be shown.
fn without_password(server: &ServerAddr) -> String {
    format!("{}://{}:{}", server.scheme(), server.host(), server.port())
}

/// Puts what comes into the inbox at once: what the node does not take in time is lost there, and it is told.
async fn receive(shared: Arc<Shared>, events: Subscriber, own: Subscriber) {
    let mut messages = select(events, own);
    while let Some(message) = messages.next().await {
        shared.inbox.push(BusEvent::Message(message.payload));
    }
}

async fn send(shared: Arc<Shared>, client: Client, subjects: Subjects) {
    loop {
        match poll_fn(|context| shared.outbox.poll(context)).await {
            Outgoing::Message(topic, message) => {
                if let Err(error) = client.publish(subjects.of(&topic), message).await {
                    tracing::warn!("a message to other nodes is dropped: {error}");
                }
            }
            Outgoing::Flush(done) => {
                if let Err(error) = client.flush().await {
                    tracing::warn!("messages to other nodes may be lost: {error}");
                }
                // Nobody may wait any more.
                let _ = done.send(());
            }
        }
    }
}

/// Why no bus over NATS can be made.
#[derive(Debug)]
pub enum NatsError {
    /// A server's URL is malformed. The text is not repeated, since it may have a password.
    Url(io::Error),
    /// No subject can have this name of a network.
    Network(String),
    /// The client refuses.
    Client(async_nats::Error),
}

impl fmt::Display for NatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("the cluster needs URLs such as nats://HOST:4222, with commas between"),
            Self::Network(name) => {
                let name = escaped(name);
                write!(
                    f,
                    "the network \"{name}\" needs another name in a cluster: letters of ASCII, digits, '-' and '_' alone"
                )
            }
            Self::Client(_) => f.write_str("the client of NATS cannot be started"),
        }
    }
}

impl Error for NatsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Network(_) => None,
            Self::Client(error) => Some(error.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_read_and_shown_without_their_passwords() {
        let servers = parse("nats://user:secret@one:4223, tls://two,three").unwrap();
        let shown: Vec<_> = servers.iter().map(without_password).collect();
        assert_eq!(shown, ["nats://one:4223", "tls://two:4222", "nats://three:4222"]);
    }

    #[test]
    fn what_is_no_url_of_a_server_is_told_without_its_text() {
        for url in ["", "http://host", "ws://host", "nats://", "nats://secret@:1"] {
            let error = parse(url).unwrap_err();
            assert!(error.to_string().contains("nats://HOST"), "{url}: {error}");
            assert!(!format!("{error:?}").contains("secret"), "{url}: {error:?}");
        }
    }
}
