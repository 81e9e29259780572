//! `web:`, around other endpoints.

use std::{fmt, io};

use async_trait::async_trait;
use reactor::connect::ConnectErrorKind;
use reactor::endpoint::{Argument, Arguments, ClientEndpoint, EndpointError, FirstConnection, ServerEndpoint};
use reactor::{ConnectError, Factory, Port, Reactor, Transport};

use crate::web_socket::{WebSocket, answer};

pub(crate) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let inside = arguments.rest()?.server_endpoint(reactor)?;
    let path = path(arguments)?;
    let text = is_text(arguments)?;
    Ok(Box::new(Server { arguments: arguments.clone(), inside, path, text }))
}

fn path(arguments: &mut Arguments) -> Result<Option<String>, EndpointError> {
    let Some(path) = arguments.optional("path")? else { return Ok(None) };
    if !path.as_str().starts_with('/') {
        return Err(path.error("is not a path: a path begins with a slash"));
    }
    Ok(Some(path.to_string()))
}

fn is_text(arguments: &mut Arguments) -> Result<bool, EndpointError> {
    arguments.optional("text")?.map_or(Ok(false), |text| text.is_on())
}

struct Server {
    arguments: Arguments,
    inside: Box<dyn ServerEndpoint>,
    path: Option<String>,
    text: bool,
}

#[async_trait(?Send)]
impl ServerEndpoint for Server {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        let mut factory = WebSocket::around(factory);
        if let Some(path) = &self.path {
            factory = factory.path(path);
        }
        if self.text {
            factory = factory.text();
        }
        self.inside.listen(Box::new(factory)).await
    }
}

impl fmt::Display for Server {
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
    if let Err(error) = answer::request(&url, &[]) {
        return Err(arguments.error(format_args!("{url} cannot be asked for: {error}")));
    }
    let text = is_text(arguments)?;
    Ok(Box::new(Client { arguments: arguments.clone(), inside, url, text }))
}

/// The host and the port that an endpoint leads to, as they stand in a URL, if it is of a kind that has such.
fn target(endpoint: &Arguments) -> Option<String> {
    let mut endpoint = endpoint.clone();
    if !matches!(endpoint.scheme(), "tcp" | "sim") {
        return None;
    }
    let host = endpoint.required("host").ok()?;
    let port = endpoint.required("port").as_ref().ok().map(Argument::port)?.ok()?;
    let host = if host.as_str().contains(':') { format!("[{host}]") } else { host.to_string() };
    Some(if port == 80 { host } else { format!("{host}:{port}") })
}

struct Client {
    arguments: Arguments,
    inside: Box<dyn ClientEndpoint>,
    url: String,
    text: bool,
}

#[async_trait(?Send)]
impl ClientEndpoint for Client {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        let (factory, made) = FirstConnection::around(factory, &self.url);
        let web_socket = WebSocket::client(&self.url, factory);
        let web_socket = if self.text { web_socket.text() } else { web_socket };
        let mut around = AbortOnDrop(Some(self.inside.connect(Box::new(web_socket)).await?));
        let finished = around.0.as_ref().map(Transport::finished);
        // Its end, before there is anything inside, is the reason.
        let ended = async {
            let reason = io::Error::from(finished?.await?);
            Some(ConnectError::new(&self.url, ConnectErrorKind::Other, Some(reason)))
        };
        let made = made.unless(ended).await;
        around.0 = None;
        made
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

/// A connection whose opening handshake nobody may be waiting for any more.
struct AbortOnDrop(Option<Transport>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            transport.abort_connection();
        }
    }
}
