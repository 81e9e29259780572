use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdUnixDatagram};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use std::{env, io};

use futures_util::future::{Either, select};
use sd_notify::NotifyState;
use tokio::net::UnixDatagram;

use crate::time::timers::{Sleep, Timers};

/// The service manager that started the program and wants to know its state, by systemd's protocol: `sd_notify(3)`.
///
/// `sd_notify::notify` would do except for two things: it blocks, and the reactor with it, while the manager does not
/// read; and it does not support abstract names.
pub(crate) struct ServiceManager(UnixDatagram);

impl ServiceManager {
    /// The service manager named by the environment, if there is one. Needs Tokio's runtime.
    pub(crate) fn from_environment() -> Option<Self> {
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        let connect = || {
            let address = match name.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
                _ => SocketAddr::from_pathname(&name)?,
            };
            let socket = StdUnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            socket.set_nonblocking(true)?;
            UnixDatagram::from_std(socket)
        };
        match connect() {
            Ok(socket) => Some(Self(socket)),
            Err(error) => {
                tracing::warn!(%error, socket = ?name, "cannot reach the service manager");
                None
            }
        }
    }

    /// Sends these states in one message, and waits a little if the manager does not read.
    pub(crate) async fn tell(&self, timers: &Rc<Timers>, states: &[NotifyState<'_>]) {
        let text = text(states);
        let sent = match select(pin!(self.0.send(text.as_bytes())), Sleep::new(timers, PATIENCE)).await {
            Either::Left((sent, _)) => sent.map(drop),
            Either::Right(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if let Err(error) = sent {
            tracing::warn!(%error, ?text, "cannot notify the service manager");
        }
    }

    /// Sends a watchdog message, if the manager reads.
    pub(crate) fn tell_of_life(&self) {
        // A manager that misses it treats the program as stuck, so an error need not be handled.
        let _ = self.0.try_send(text(&[NotifyState::Watchdog]).as_bytes());
    }
}

fn text(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{state}\n")).collect()
}

/// How long a manager that does not read may hold up the program.
const PATIENCE: Duration = Duration::from_secs(1);
