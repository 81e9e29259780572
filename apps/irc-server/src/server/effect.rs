//! What the core wants done: it does nothing itself.

use std::time::Duration;

use bytes::Bytes;

use crate::server::ServerBan;
use crate::server::event::Event;
use crate::server::request::{Record, Request};
use crate::server::values::ids::ClientId;
use crate::server::values::names::Name;

/// What is to be done outside, in this order.
#[derive(Debug)]
pub enum Effect {
    /// These bytes, whole lines, go to a client.
    Send(ClientId, Bytes),
    /// A connection is closed once what was sent before has left.
    Close(ClientId),
    /// No line of this client is delivered for a while: it has sent faster than it may.
    Pause(ClientId, Duration),
    /// A client waits: none of its lines is delivered before [`Server::answered`](super::Server::answered) is called.
    Ask(ClientId, Request),
    /// Into the history. If a client is named, it waits for that as after [`Ask`](Self::Ask), for
    /// [`Answer::Kept`](crate::server::request::Answer::Kept).
    Keep(Vec<Record>, Option<ClientId>),
    /// Other nodes are told.
    Publish(Event),
    /// A ban is kept in the file.
    Ban(Box<ServerBan>),
    /// The ban of this mask is no longer kept.
    Unban(Name),
    /// The settings are read again.
    Reload,
}

impl Effect {
    /// The client that it concerns, if any.
    #[must_use]
    pub fn client(&self) -> Option<ClientId> {
        match self {
            Self::Send(id, _) | Self::Close(id) | Self::Pause(id, _) | Self::Ask(id, _) => Some(*id),
            Self::Keep(..) | Self::Publish(_) | Self::Ban(_) | Self::Unban(_) | Self::Reload => None,
        }
    }
}
