use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::Transport;

use crate::auth::{SaslClient, Secret};

/// What the methods of an [`IrcClientFactory`](crate::irc::IrcClientFactory) set.
#[derive(Clone)]
pub(crate) struct ClientSettings {
    pub(crate) nick: Vec<u8>,
    pub(crate) user_name: Vec<u8>,
    pub(crate) real_name: Vec<u8>,
    pub(crate) password: Option<Secret>,
    pub(crate) capabilities: Vec<Vec<u8>>,
    pub(crate) sasl: Option<ChooseSasl>,
    pub(crate) line_rate: Option<Duration>,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) version: Option<Vec<u8>>,
}

/// Chooses among the mechanisms that the server offers.
pub(crate) type ChooseSasl = Rc<dyn Fn(&[&str], &Transport) -> Option<SaslClient>>;

impl ClientSettings {
    pub(crate) fn new(nick: Vec<u8>) -> Self {
        Self {
            user_name: nick.clone(),
            real_name: nick.clone(),
            nick,
            password: None,
            capabilities: Vec::new(),
            sasl: None,
            line_rate: None,
            heartbeat: Some(HEARTBEAT),
            version: None,
        }
    }
}

/// The same as Twisted's.
const HEARTBEAT: Duration = Duration::from_secs(120);

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings").field("nick", &self.nick.escape_ascii().to_string()).finish_non_exhaustive()
    }
}
