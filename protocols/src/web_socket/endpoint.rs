//! The `web:` endpoint, around other endpoints.

use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use reactor::endpoint::{Argument, Arguments, ClientEndpoint, EndpointError, ServerEndpoint};
use reactor::{ConnectError, Factory, Port, Reactor, Transport};

use crate::web_socket::WebSocket;
use crate::web_socket::handshake::answer;

pub(crate) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let inside = arguments.rest()?.server_endpoint(reactor)?;
    let path = path(arguments)?;
    let hosts = arguments.optional("hosts")?.map(|list| list.list()).unwrap_or_default();
    let origins = arguments.optional("origins")?.map(|list| list.list()).unwrap_or_default();
    let settings = Settings::of(arguments)?;
    Ok(Box::new(WebSocketServer { arguments: arguments.clone(), inside, path, hosts, origins, settings }))
}

fn path(arguments: &mut Arguments) -> Result<Option<String>, EndpointError> {
    let Some(path) = arguments.optional("path")? else { return Ok(None) };
    if !path.as_str().starts_with('/') {
        return Err(path.error("is not a path: a path begins with a slash"));
    }
    Ok(Some(path.to_string()))
}

/// The settings of both ends.
struct Settings {
    text: bool,
    max_message: Option<u32>,
    handshake: Option<Duration>,
    /// `Some(None)` turns pings off.
    ping: Option<Option<Duration>>,
    pong: Option<Duration>,
}

impl Settings {
    fn of(arguments: &mut Arguments) -> Result<Self, EndpointError> {
        let seconds = |argument: Argument| argument.seconds();
        let ping = |argument: Argument| match argument.is_on() {
            Ok(false) => Ok(None),
            _ => argument.seconds().map(Some),
        };
        Ok(Self {
            text: arguments.optional("text")?.map_or(Ok(false), |text| text.is_on())?,
            max_message: arguments.optional("max-message")?.map(|bytes| bytes.count()).transpose()?,
            handshake: arguments.optional("handshake")?.map(seconds).transpose()?,
            ping: arguments.optional("ping")?.map(ping).transpose()?,
            pong: arguments.optional("pong")?.map(seconds).transpose()?,
        })
    }

    fn apply(&self, mut socket: WebSocket) -> WebSocket {
        if self.text {
            socket = socket.text();
        }
        if let Some(bytes) = self.max_message {
            socket = socket.max_message(bytes as usize);
        }
        if let Some(timeout) = self.handshake {
            socket = socket.handshake_timeout(timeout);
        }
        if let Some(silence) = self.ping {
            socket = socket.ping_interval(silence);
        }
        if let Some(timeout) = self.pong {
            socket = socket.pong_timeout(timeout);
        }
        socket
    }
}

struct WebSocketServer {
    arguments: Arguments,
    inside: Box<dyn ServerEndpoint>,
    path: Option<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
    settings: Settings,
}

#[async_trait(?Send)]
impl ServerEndpoint for WebSocketServer {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        let mut factory = self.settings.apply(WebSocket::around(factory));
        if let Some(path) = &self.path {
            factory = factory.path(path);
        }
        factory = self.hosts.iter().fold(factory, |factory, host| factory.host(host));
        factory = self.origins.iter().fold(factory, |factory, origin| factory.origin(origin));
        self.inside.listen(Box::new(factory)).await
    }

    async fn reload(&self) -> io::Result<()> {
        self.inside.reload().await
    }
}

impl fmt::Display for WebSocketServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

pub(crate) fn client(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ClientEndpoint>, EndpointError> {
    let rest = arguments.rest()?;
    let target = target(&rest);
    let inside = rest.client_endpoint(reactor)?;
    let host = arguments.optional("host")?.map(|host| host.to_string());
    let host = host.or(target).unwrap_or_else(|| "localhost".to_owned());
    let url = format!("ws://{host}{}", path(arguments)?.as_deref().unwrap_or("/"));
    if let Err(why) = answer::parse(&url) {
        return Err(arguments.error(why));
    }
    let settings = Settings::of(arguments)?;
    Ok(Box::new(WebSocketClient { arguments: arguments.clone(), inside, url, settings }))
}

/// The host and port of an endpoint in the form of a URL, if its kind has them.
fn target(endpoint: &Arguments) -> Option<String> {
    let mut endpoint = endpoint.clone();
    let usual_port = match endpoint.scheme() {
        "tcp" | "sim" => 80,
        "tls" => 443,
        _ => return None,
    };
    let host = endpoint.required("host").ok()?;
    let port = endpoint.required("port").as_ref().ok().map(Argument::port)?.ok()?;
    let host = if host.as_str().contains(':') { format!("[{host}]") } else { host.to_string() };
    Some(if port == usual_port { host } else { format!("{host}:{port}") })
}

struct WebSocketClient {
    arguments: Arguments,
    inside: Box<dyn ClientEndpoint>,
    url: String,
    settings: Settings,
}

#[async_trait(?Send)]
impl ClientEndpoint for WebSocketClient {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        self.inside.connect(Box::new(self.settings.apply(WebSocket::client(&self.url, factory)))).await
    }
}

impl fmt::Display for WebSocketClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}
