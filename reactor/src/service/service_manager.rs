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

/// Who has started the program and wants to know how it is, by systemd's protocol: `sd_notify(3)`.
///
/// `sd_notify::notify` would do, but for two things: it waits, and the reactor with it, while nobody reads what it
/// sends; and it knows no abstract names.
pub(crate) struct ServiceManager(UnixDatagram);

impl ServiceManager {
    /// The one that the environment names, if it names one. Tokio's runtime must be there.
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

    /// Tells it this, in one message, and waits a little if it does not read.
    pub(crate) async fn tell(&self, timers: &Rc<Timers>, states: &[NotifyState<'_>]) {
        let text = text(states);
        let sent = match select(pin!(self.0.send(text.as_bytes())), Sleep::new(timers, PATIENCE)).await {
            Either::Left((sent, _)) => sent.map(drop),
            Either::Right(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if let Err(error) = sent {
            tracing::warn!(%error, ?text, "cannot tell the service manager");
        }
    }

    /// Tells it that the program is alive, if it reads.
    pub(crate) fn tell_of_life(&self) {
        // One that does not hear it does what it does to programs that are stuck, and need not be told.
        let _ = self.0.try_send(text(&[NotifyState::Watchdog]).as_bytes());
    }
}

fn text(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{state}\n")).collect()
}

/// How long one that does not read may hold up the program.
const PATIENCE: Duration = Duration::from_secs(1);
