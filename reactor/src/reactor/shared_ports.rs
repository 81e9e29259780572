//! Ports that several reactors share.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::unix::file::NamedSocket;

/// What the reactors of a group listen on, in the order in which each is set up.
pub(crate) struct SharedPorts {
    ports: GroupPorts,
    next: Cell<usize>,
}

/// Shared by the reactors of one group.
pub(crate) type GroupPorts = Arc<Mutex<Vec<SharedPort>>>;

pub(crate) enum SharedPort {
    Inet(SocketAddr),
    /// Dropped when all ports on it have closed.
    Unix(Weak<NamedSocket>),
}

impl SharedPorts {
    pub(crate) fn new(ports: &GroupPorts) -> Self {
        Self { ports: Arc::clone(ports), next: Cell::new(0) }
    }

    /// Binds a socket that shares its port with those of the other reactors. `bind` is told whether to share it.
    pub(crate) fn bind<T>(
        &self,
        wanted: SocketAddr,
        bind: impl Fn(SocketAddr, bool) -> io::Result<T>,
        host: impl Fn(&T) -> SocketAddr,
    ) -> io::Result<T> {
        let index = self.next.replace(self.next.get() + 1);
        let known = match lock(&self.ports).get(index) {
            Some(SharedPort::Inet(address)) => Some(*address),
            Some(SharedPort::Unix(_)) => return Err(other_order()),
            None => None,
        };
        if let Some(address) = known {
            return bind(address, true);
        }
        // Only a socket that does not share the port shows whether another process has it.
        let address = host(&bind(wanted, false)?);
        let socket = bind(address, true)?;
        lock(&self.ports).push(SharedPort::Inet(address));
        Ok(socket)
    }

    /// The UNIX socket bound by the first reactor; binds it if this is the first.
    pub(crate) fn bind_unix(&self, bind: impl FnOnce() -> io::Result<NamedSocket>) -> io::Result<Arc<NamedSocket>> {
        let index = self.next.replace(self.next.get() + 1);
        let mut ports = lock(&self.ports);
        match ports.get(index) {
            Some(SharedPort::Unix(named)) => {
                if let Some(named) = named.upgrade() {
                    return Ok(named);
                }
            }
            Some(SharedPort::Inet(_)) => return Err(other_order()),
            None => {}
        }
        let named = Arc::new(bind()?);
        let shared = SharedPort::Unix(Arc::downgrade(&named));
        match ports.get_mut(index) {
            Some(closed) => *closed = shared,
            None => ports.push(shared),
        }
        Ok(named)
    }
}

fn other_order() -> io::Error {
    io::Error::other("each of several reactors must listen on the same addresses in the same order")
}

/// Nothing that can panic runs while one of these is locked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
