//! What all connections of one reactor share.

pub(crate) mod connection_budget;
pub(crate) mod output_budget;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};

use slab::Slab;

use crate::hub::connection_budget::ConnectionBudget;
use crate::hub::output_budget::OutputBudget;
use crate::time::calls::CallTarget;
use crate::time::clock::Clock;
use crate::time::timers::Timers;
use crate::transport::Transport;
use crate::transport::state::State;
use crate::util::log_limit::LogLimit;

/// The clock, the timers and the buffers of one reactor.
pub(crate) struct Hub {
    pub(crate) clock: Rc<Clock>,
    pub(crate) timers: Rc<Timers>,
    /// The reactor itself, as the floors above know it.
    pub(crate) reactor: OnceCell<Weak<dyn Any>>,
    /// The live connections.
    connections: RefCell<Slab<Transport>>,
    pub(crate) connection_budget: Arc<ConnectionBudget>,
    pub(crate) output_budget: OutputBudget,
    /// Those of which there are handles for other threads, by their ids.
    remotes: RefCell<HashMap<u64, Weak<State>>>,
    /// Sockets that only wait for the peer to take the rest and go.
    lingering: Cell<usize>,
    /// The reactor is closing everything.
    stopping: Cell<bool>,
    cut_off: Cell<CutOffSum>,
    /// Of panics in callbacks.
    panic_log: LogLimit,
    /// Woken when a connection has ended or a socket has stopped lingering.
    changed: RefCell<Option<Waker>>,
    next_id: Cell<u64>,
    read_buffer: ReadBuffer,
    /// Made with the first batch of datagrams. The system gives a process only those pages of it that are written to.
    batch_buffer: Cell<Option<Box<[u8]>>>,
    scratch: Cell<String>,
    /// The kinds of protocols there are, each once.
    targets: RefCell<Vec<Rc<CallTarget>>>,
    /// Empty output buffers that kept their memory.
    spare: RefCell<Vec<Vec<u8>>>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct CutOffSum {
    pub(crate) connections: u64,
    /// How many bytes were not handed to the system.
    pub(crate) unsent: u64,
}

impl Hub {
    /// For connections that need no descriptors.
    pub(crate) fn new(clock: Rc<Clock>, read_buffer: ReadBuffer) -> Rc<Self> {
        Self::within(Arc::new(ConnectionBudget::unlimited()), clock, read_buffer)
    }

    pub(crate) fn within(budget: Arc<ConnectionBudget>, clock: Rc<Clock>, read_buffer: ReadBuffer) -> Rc<Self> {
        Rc::new(Self {
            timers: Rc::new(Timers::new(Rc::clone(&clock))),
            clock,
            reactor: OnceCell::new(),
            connections: RefCell::default(),
            connection_budget: budget,
            output_budget: OutputBudget::default(),
            remotes: RefCell::default(),
            lingering: Cell::new(0),
            stopping: Cell::new(false),
            cut_off: Cell::default(),
            panic_log: LogLimit::default(),
            changed: RefCell::new(None),
            next_id: Cell::new(1),
            read_buffer,
            batch_buffer: Cell::default(),
            scratch: Cell::default(),
            targets: RefCell::default(),
            spare: RefCell::new(Vec::with_capacity(SPARE_BUFFERS)),
        })
    }

    /// A number that no other connection of this reactor has.
    pub(crate) fn take_id(&self) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        id
    }

    pub(crate) fn add_connection(&self, transport: Transport) -> usize {
        self.connection_budget.take(transport.0.peer().source());
        self.connections.borrow_mut().insert(transport)
    }

    pub(crate) fn remove_connection(&self, key: usize) {
        let removed = self.connections.borrow_mut().try_remove(key);
        if let Some(transport) = &removed {
            self.connection_budget.give_back(transport.0.peer().source());
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

    /// The connection that has the most to send.
    pub(crate) fn fullest(&self) -> Option<Transport> {
        let connections = self.connections.borrow();
        let fullest = connections.iter().max_by_key(|(_, transport)| transport.0.held.get());
        fullest.map(|(_, transport)| transport.clone())
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.connections.borrow().len()
    }

    pub(crate) fn add_remote(&self, transport: &Transport) {
        let mut remotes = self.remotes.borrow_mut();
        if remotes.len() == remotes.capacity() {
            remotes.retain(|_, state| state.strong_count() > 0);
        }
        remotes.insert(transport.0.id, Rc::downgrade(&transport.0));
    }

    pub(crate) fn remote_transport(&self, id: u64) -> Option<Transport> {
        self.remotes.borrow().get(&id)?.upgrade().map(Transport)
    }

    pub(crate) fn lingering(&self) -> usize {
        self.lingering.get()
    }

    pub(crate) fn begin_lingering(&self, source: Option<IpAddr>) {
        self.connection_budget.take(source);
        self.lingering.set(self.lingering.get() + 1);
    }

    pub(crate) fn end_lingering(&self, source: Option<IpAddr>) {
        self.connection_budget.give_back(source);
        self.lingering.set(self.lingering.get() - 1);
        self.wake_watcher();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(crate) fn set_stopping(&self) {
        self.stopping.set(true);
    }

    /// The connections that were aborted because they had not come to their end in time.
    pub(crate) fn cut_off(&self) -> CutOffSum {
        self.cut_off.get()
    }

    pub(crate) fn count_cut_off(&self, unsent: usize) {
        let CutOffSum { connections, unsent: before } = self.cut_off.get();
        self.cut_off.set(CutOffSum { connections: connections + 1, unsent: before + unsent as u64 });
    }

    /// Logs a panic that was caught, one in a while: a peer that knows how to bring one about may do so again and again.
    #[cold]
    pub(crate) fn log_panic(&self, panic: &str, what: &str) {
        if let Some(left_out) = self.panic_log.allows(self.timers.now()) {
            tracing::error!(panic, left_out, "{what}");
        }
    }

    /// Waits until `condition` holds, looking whenever a connection has ended or a socket has stopped lingering.
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

    /// The one value that stands for all targets equal to this.
    pub(crate) fn share_target(&self, target: CallTarget) -> Rc<CallTarget> {
        let mut targets = self.targets.borrow_mut();
        let known = targets.iter().find(|known| ***known == target).cloned();
        known.unwrap_or_else(|| {
            let target = Rc::new(target);
            targets.push(Rc::clone(&target));
            target
        })
    }

    /// Lends the read buffer. It is taken out of its place, not borrowed, since user code runs meanwhile.
    pub(crate) fn with_read_buffer<R>(&self, read: impl FnOnce(&mut [u8]) -> R) -> R {
        lend(&self.read_buffer, READ_BUFFER, read)
    }

    /// Lends the buffer for a batch of datagrams, likewise: so many slots of [`READ_BUFFER`] bytes.
    pub(crate) fn with_batch_buffer<R>(&self, read: impl FnOnce(&mut [u8]) -> R) -> R {
        lend(&self.batch_buffer, BATCH * READ_BUFFER, read)
    }

    /// Lends an empty string to format into.
    pub(crate) fn with_scratch<R>(&self, write: impl FnOnce(&mut String) -> R) -> R {
        let mut scratch = self.scratch.take();
        let result = write(&mut scratch);
        if scratch.capacity() <= LARGEST_SPARE {
            scratch.clear();
            self.scratch.set(scratch);
        }
        result
    }

    /// An empty buffer for output.
    pub(crate) fn take_buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn return_buffer(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 || buffer.capacity() > LARGEST_SPARE {
            return;
        }
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_BUFFERS {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

fn lend<R>(place: &Cell<Option<Box<[u8]>>>, len: usize, read: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = place.take().unwrap_or_else(|| vec![0; len].into());
    let result = read(&mut buffer);
    place.set(Some(buffer));
    result
}

/// The buffer that reads go to, made with the first of them. The hosts of a simulation have one between them.
pub(crate) type ReadBuffer = Rc<Cell<Option<Box<[u8]>>>>;

/// The most that one read takes in, as in Twisted; no UDP datagram is as long.
pub(crate) const READ_BUFFER: usize = 64 * 1024;

/// How many datagrams may be received at once.
pub(crate) const BATCH: usize = 16;

/// Buffers kept for the next writes: a turn uses one, forwarding two, a message to many a few at a time.
const SPARE_BUFFERS: usize = 16;

/// Keeps the memory of the spare buffers within 2 MiB.
const LARGEST_SPARE: usize = 128 * 1024;
