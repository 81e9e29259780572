//! The sockets that the ports of a reactor, or of several that run as one, listen on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use socket2::Socket;
use tokio::net::UdpSocket;

use crate::port::Port;
use crate::port::seats::{Load, Seats};
use crate::unix::file::NamedSocket;
use crate::util::lock::lock;

/// The sockets by the words with which they were requested, shared by the reactors of a group.
#[derive(Default)]
pub(crate) struct PortRegistry {
    sockets: Mutex<BTreeMap<PortKey, Entry>>,
    /// Those that the previous process has left and that nobody has asked for yet.
    inherited: Mutex<Vec<(String, OwnedFd)>>,
    /// While the previous process may still be accepting, nobody is accepted here.
    is_taking_over: AtomicBool,
}

/// Identifies a socket: the words, such as `tcp 127.0.0.1:0`, and a number, because one reactor may have asked for it
/// several times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PortKey {
    pub(crate) name: String,
    pub(crate) number: usize,
}

/// A socket that is open as long as a port listens on it.
#[derive(Clone)]
pub(crate) enum PortSocket {
    Tcp(Weak<Socket>, Weak<Seats>),
    Unix(Weak<NamedSocket>, Weak<Seats>),
    UnixDatagram(Weak<NamedSocket>),
    /// Each reactor has a socket of its own, and the system spreads the datagrams by the address of the peer.
    Udp(SocketAddr, Vec<Weak<UdpSocket>>),
    /// Something that only one reactor can have; open while it has it.
    #[cfg_attr(not(feature = "service"), expect(dead_code, reason = "only an endpoint is one"))]
    Single(Weak<()>),
}

struct Entry {
    socket: PortSocket,
    /// Opened while the group was set up, so that every reactor has one of these.
    of_setup: bool,
    /// Whether the next process can have it.
    inheritable: bool,
}

impl PortSocket {
    fn is_open(&self) -> bool {
        match self {
            Self::Tcp(socket, _) => socket.strong_count() > 0,
            Self::Unix(socket, _) | Self::UnixDatagram(socket) => socket.strong_count() > 0,
            Self::Udp(_, sockets) => sockets.iter().any(|socket| socket.strong_count() > 0),
            Self::Single(held) => held.strong_count() > 0,
        }
    }

    fn datagram_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Udp(address, _) => Some(*address),
            Self::Tcp(..) | Self::Unix(..) | Self::UnixDatagram(_) | Self::Single(_) => None,
        }
    }

    /// The reactors that accept from it.
    pub(crate) fn seats(&self) -> Option<Arc<Seats>> {
        match self {
            Self::Tcp(_, seats) | Self::Unix(_, seats) => seats.upgrade(),
            Self::UnixDatagram(_) | Self::Udp(..) | Self::Single(_) => None,
        }
    }

    /// The UNIX socket with its file.
    pub(crate) fn named(&self) -> Option<Arc<NamedSocket>> {
        match self {
            Self::Unix(socket, _) | Self::UnixDatagram(socket) => socket.upgrade(),
            Self::Tcp(..) | Self::Udp(..) | Self::Single(_) => None,
        }
    }

    /// Further descriptors of it, one for each socket.
    pub(crate) fn descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        match self {
            Self::Tcp(socket, _) => socket.upgrade().iter().map(|socket| socket.as_fd().try_clone_to_owned()).collect(),
            Self::Unix(socket, _) | Self::UnixDatagram(socket) => {
                socket.upgrade().iter().map(|socket| socket.as_fd().try_clone_to_owned()).collect()
            }
            Self::Udp(_, sockets) => {
                let sockets = sockets.iter().filter_map(Weak::upgrade);
                sockets.map(|socket| socket.as_fd().try_clone_to_owned()).collect()
            }
            Self::Single(_) => Ok(Vec::new()),
        }
    }
}

impl PortRegistry {
    /// The open sockets that the next process can have.
    pub(crate) fn inheritable(&self) -> Vec<(PortKey, PortSocket)> {
        let sockets = lock(&self.sockets);
        let open = sockets.iter().filter(|(_, entry)| entry.inheritable && entry.socket.is_open());
        open.map(|(key, entry)| (key.clone(), entry.socket.clone())).collect()
    }

    /// Nobody is accepted until [`end_taking_over`](Self::end_taking_over).
    pub(crate) fn begin_taking_over(&self, sockets: Vec<(String, OwnedFd)>) {
        *lock(&self.inherited) = sockets;
        self.is_taking_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end_taking_over(&self) {
        let sockets = lock(&self.sockets);
        self.is_taking_over.store(false, Ordering::Relaxed);
        sockets.values().filter_map(|entry| entry.socket.seats()).for_each(|seats| seats.set_resting(false));
    }

    /// The inherited sockets that nobody has asked for.
    pub(crate) fn take_inherited(&self) -> Vec<(String, OwnedFd)> {
        std::mem::take(&mut lock(&self.inherited))
    }

    /// The first inherited socket of this name that `fits`.
    pub(crate) fn inherit(&self, name: &str, fits: impl Fn(&OwnedFd) -> bool) -> Option<OwnedFd> {
        let mut inherited = lock(&self.inherited);
        let index = inherited.iter().position(|(other, socket)| other == name && fits(socket))?;
        Some(inherited.remove(index).1)
    }
}

/// A reactor's view of the registry.
pub(crate) struct ReactorPorts {
    pub(crate) registry: Arc<PortRegistry>,
    /// Its number among the reactors of the group.
    pub(crate) number: usize,
    /// How many connections its ports have accepted and still have.
    pub(crate) load: Load,
    /// Whether the group is being set up: ports that the system chooses are shared then.
    setting_up: Cell<bool>,
    held: RefCell<Vec<(PortKey, Port)>>,
}

/// How a port is requested.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The words.
    pub(crate) name: &'a str,
    /// Whether they can mean one socket only, whatever reactor uses them: not so if the system chooses the port.
    pub(crate) is_definite: bool,
    /// Whether the next process can have the socket.
    pub(crate) is_inheritable: bool,
}

impl<'a> Request<'a> {
    /// A socket at an internet address with this port.
    pub(crate) fn of_port(name: &'a str, port: u16) -> Self {
        Self { name, is_definite: port != 0, is_inheritable: true }
    }

    /// A UNIX socket, which may have a name or not.
    pub(crate) fn of_name(name: &'a str, is_named: bool) -> Self {
        Self { name, is_definite: is_named, is_inheritable: true }
    }

    /// Something that the process was started with.
    #[cfg(feature = "service")]
    pub(crate) fn of_process(name: &'a str) -> Self {
        Self { name, is_definite: true, is_inheritable: false }
    }
}

impl ReactorPorts {
    /// Those of a reactor by itself.
    pub(crate) fn alone() -> Self {
        Self::of_group(Arc::default(), 0)
    }

    /// Those of a reactor of a group that is being set up.
    pub(crate) fn of_group(registry: Arc<PortRegistry>, number: usize) -> Self {
        Self { registry, number, load: Load::default(), setting_up: Cell::new(true), held: RefCell::default() }
    }

    /// From here on, each reactor that lets the system choose a port gets one of its own.
    pub(crate) fn set_up(&self) {
        self.setting_up.set(false);
    }

    /// Opens what `request` asks for: joins what another reactor has opened by the same request, or opens it as the first.
    /// `open` is told the addresses of sockets for datagrams that are open by the same words. Both keep the registry locked.
    pub(crate) fn open<T>(
        &self,
        request: Request<'_>,
        join: impl FnOnce(&mut PortSocket) -> io::Result<Option<T>>,
        open: impl FnOnce(&[SocketAddr]) -> io::Result<(T, PortSocket)>,
    ) -> io::Result<(T, PortKey)> {
        let mut sockets = lock(&self.registry.sockets);
        let mut key = PortKey { name: request.name.to_owned(), number: 0 };
        let shares = request.is_definite || self.setting_up.get();
        loop {
            let entry = sockets.get_mut(&key).filter(|entry| entry.socket.is_open());
            match entry {
                _ if self.port(&key).is_some() => {}
                Some(entry) if shares || entry.of_setup => match join(&mut entry.socket)? {
                    Some(joined) => return Ok((joined, key)),
                    // It was closed at this moment.
                    None => break,
                },
                Some(_) => {}
                None => break,
            }
            key.number += 1;
        }
        let of_this_name = sockets.iter().filter(|(other, entry)| other.name == key.name && entry.socket.is_open());
        let known: Vec<_> = of_this_name.filter_map(|(_, entry)| entry.socket.datagram_address()).collect();
        let (opened, socket) = open(&known)?;
        if self.registry.is_taking_over.load(Ordering::Relaxed)
            && let Some(seats) = socket.seats()
        {
            seats.set_resting(true);
        }
        let entry = Entry { socket, of_setup: self.setting_up.get(), inheritable: request.is_inheritable };
        sockets.insert(key.clone(), entry);
        Ok((opened, key))
    }

    /// Records which port listens on it.
    pub(crate) fn hold(&self, key: PortKey, port: &Port) {
        let mut held = self.held.borrow_mut();
        held.retain(|(_, port)| !port.has_closed());
        held.push((key, port.clone()));
    }

    /// The open port with this key.
    pub(crate) fn port(&self, key: &PortKey) -> Option<Port> {
        let held = self.held.borrow();
        held.iter().find_map(|(other, port)| (other == key && !port.has_closed()).then(|| port.clone()))
    }

    /// The open ports with their keys.
    pub(crate) fn held(&self) -> Vec<(PortKey, Port)> {
        self.held.borrow().iter().filter(|(_, port)| !port.has_closed()).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let held = self.held.take();
        drop(held);
    }
}
