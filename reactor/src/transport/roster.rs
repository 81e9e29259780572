//! The connections of a reactor.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use slab::Slab;

use crate::hub::Hub;
use crate::transport::Transport;
use crate::transport::state::State;

/// The live connections, and the number of sockets that linger after theirs.
pub(crate) struct Roster {
    pub(crate) hub: Rc<Hub>,
    connections: RefCell<Slab<Transport>>,
    /// How many there ever were.
    opened: Cell<u64>,
    /// The connections that other threads have handles for, by id, and how many connections they are inside of.
    remotes: RefCell<HashMap<(u64, usize), Weak<State>>>,
    /// Sockets that only wait for the peer to take the rest and close.
    lingering: Cell<usize>,
    /// Woken when a connection has ended or a socket has stopped lingering.
    changed: RefCell<Option<Waker>>,
}

impl Roster {
    pub(crate) fn new(hub: Rc<Hub>) -> Rc<Self> {
        Rc::new(Self {
            hub,
            connections: RefCell::default(),
            opened: Cell::new(0),
            remotes: RefCell::default(),
            lingering: Cell::new(0),
            changed: RefCell::new(None),
        })
    }

    /// Adds a connection; the key is for [`remove`](Self::remove).
    pub(crate) fn add(&self, transport: Transport) -> usize {
        self.hub.connection_budget.take(transport.0.peer().source());
        self.opened.set(self.opened.get() + 1);
        self.connections.borrow_mut().insert(transport)
    }

    pub(crate) fn remove(&self, key: usize) {
        let removed = self.connections.borrow_mut().try_remove(key);
        if let Some(transport) = &removed {
            self.hub.connection_budget.give_back(transport.0.peer().source());
        }
        drop(removed);
        self.wake_watcher();
    }

    /// The live connections, oldest first.
    pub(crate) fn connections(&self) -> Vec<Transport> {
        let mut all: Vec<_> = self.connections.borrow().iter().map(|(_, transport)| transport.clone()).collect();
        all.sort_by_key(|transport| transport.0.id);
        all
    }

    /// The live connection with this number.
    pub(crate) fn find(&self, id: u64) -> Option<Transport> {
        let connections = self.connections.borrow();
        connections.iter().map(|(_, transport)| transport).find(|transport| transport.0.id == id).cloned()
    }

    /// Looks at each live connection. No user code may run meanwhile.
    pub(crate) fn for_each(&self, look: impl FnMut(&Transport)) {
        self.connections.borrow().iter().map(|(_, transport)| transport).for_each(look);
    }

    pub(crate) fn opened(&self) -> u64 {
        self.opened.get()
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    pub(crate) fn add_remote(&self, transport: &Transport) {
        let mut remotes = self.remotes.borrow_mut();
        if remotes.len() == remotes.capacity() {
            remotes.retain(|_, state| state.strong_count() > 0);
        }
        remotes.insert((transport.0.id, transport.0.depth()), Rc::downgrade(&transport.0));
    }

    pub(crate) fn remote(&self, id: u64, depth: usize) -> Option<Transport> {
        self.remotes.borrow().get(&(id, depth))?.upgrade().map(Transport)
    }

    pub(crate) fn lingering(&self) -> usize {
        self.lingering.get()
    }

    pub(crate) fn begin_lingering(&self, source: Option<IpAddr>) {
        self.hub.connection_budget.take(source);
        self.lingering.set(self.lingering.get() + 1);
    }

    pub(crate) fn end_lingering(&self, source: Option<IpAddr>) {
        self.hub.connection_budget.give_back(source);
        self.lingering.set(self.lingering.get() - 1);
        self.wake_watcher();
    }

    /// Waits until `condition` holds, checking whenever a connection has ended or a socket has stopped lingering.
    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            self.changed.replace(Some(cx.waker().clone()));
            if condition(self) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn wake_watcher(&self) {
        let waker = self.changed.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
