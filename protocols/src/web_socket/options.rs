use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use reactor::{Protocol, SharedFactory, Transport};

use crate::web_socket::frame::Keys;
use crate::web_socket::handshake::opening::Opening;
use crate::web_socket::link::MessageLink;

/// Shared by all connections of a factory.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) inside: Inside,
    pub(super) role: Role,
    /// For servers.
    pub(super) otherwise: Option<SharedFactory>,
    pub(super) path: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) origins: Vec<String>,
    pub(super) any_origin: bool,
    pub(super) subprotocols: Vec<String>,
    /// For clients: additional fields of the request.
    pub(super) fields: Vec<(String, String)>,
    pub(super) text: bool,
    pub(super) max_message: usize,
    pub(super) handshake_timeout: Duration,
    pub(super) ping_interval: Option<Duration>,
    pub(super) pong_timeout: Duration,
}

#[derive(Clone)]
pub(super) enum Role {
    Server,
    /// The client's URL, and the keys for masking frames.
    Client(String, Rc<Keys>),
}

/// Built after the handshake.
#[derive(Clone)]
pub(super) enum Inside {
    Stream(SharedFactory),
    Messages(Rc<RefCell<Build>>),
}

/// Builds a protocol for messages, or refuses.
pub(super) type Build = dyn FnMut(Transport, &Rc<MessageLink>, &Opening) -> Result<Box<dyn Protocol>, StatusCode>;

impl Options {
    pub(super) fn new(role: Role, inside: Inside) -> Self {
        Self {
            inside,
            role,
            otherwise: None,
            path: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            any_origin: false,
            subprotocols: Vec::new(),
            fields: Vec::new(),
            text: false,
            max_message: 65_536,
            handshake_timeout: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(20)),
            pong_timeout: Duration::from_secs(20),
        }
    }

    pub(super) fn keys(&self) -> Option<&Rc<Keys>> {
        match &self.role {
            Role::Server => None,
            Role::Client(_, keys) => Some(keys),
        }
    }
}

impl Role {
    pub(super) fn client(url: &str) -> Self {
        Self::Client(url.to_owned(), Rc::new(Keys::new()))
    }
}
