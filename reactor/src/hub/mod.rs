//! The state that all connections of one reactor share.

pub(crate) mod buffers;
pub(crate) mod connection_budget;
pub(crate) mod intake;
pub(crate) mod memory_budget;
pub(crate) mod memory_ledger;
pub(crate) mod output;
pub(crate) mod process_memory;

use std::any::{Any, TypeId};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::hub::buffers::{Buffers, ReadBuffer};
use crate::hub::connection_budget::ConnectionBudget;
use crate::hub::memory_budget::MemoryBudget;
use crate::hub::memory_ledger::MemoryLedger;
use crate::hub::output::Stock;
use crate::time::calls::CallTarget;
use crate::time::clock::Clock;
use crate::time::pulse::number_of;
use crate::time::timers::Timers;
use crate::time::turn_clock::TurnClock;
use crate::util::wakers::Wakers;

/// The clock, the timers, the buffers and the budgets of one reactor.
pub(crate) struct Hub {
    pub(crate) clock: Rc<Clock>,
    pub(crate) turn_clock: TurnClock,
    pub(crate) timers: Rc<Timers>,
    /// The reactor itself, whose type later folders know.
    pub(crate) reactor: OnceCell<Weak<dyn Any>>,
    pub(crate) connection_budget: Arc<ConnectionBudget>,
    pub(crate) memory: MemoryLedger,
    pub(crate) buffers: Buffers,
    pub(crate) stock: Stock,
    /// How long connections may take to finish when the reactor stops.
    pub(crate) shutdown_deadline: Cell<Duration>,
    /// Since when they are asked to.
    finishing_since: Cell<Option<Instant>>,
    /// Whether the reactor is closing everything.
    stopping: Cell<bool>,
    /// Whether ports wait before they accept anything.
    holds_clients: Cell<bool>,
    /// Wakes the ports that wait.
    released: Wakers,
    cut_off: Cell<CutOffSum>,
    next_id: Cell<u64>,
    /// How many watch the traffic of a connection.
    pub(crate) taps: Rc<Cell<usize>>,
    /// The types of protocols, each once.
    targets: RefCell<Vec<Rc<CallTarget>>>,
}

/// The budgets of one reactor, or of several that run together.
#[derive(Clone)]
pub(crate) struct Budgets {
    pub(crate) connections: Arc<ConnectionBudget>,
    pub(crate) memory: Arc<MemoryBudget>,
}

impl Budgets {
    /// What the system allows this process.
    pub(crate) fn of_process() -> Self {
        Self { connections: Arc::new(ConnectionBudget::of_process()), memory: MemoryBudget::of_process() }
    }

    fn unlimited() -> Self {
        Self { connections: Arc::new(ConnectionBudget::unlimited()), memory: MemoryBudget::unlimited() }
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct CutOffSum {
    pub(crate) connections: u64,
    /// The number of bytes not handed to the system.
    pub(crate) unsent: u64,
}

impl Hub {
    /// For connections that need no descriptors, and do not depend on the machine.
    pub(crate) fn new(clock: Rc<Clock>, read_buffer: ReadBuffer) -> Rc<Self> {
        Self::within(Budgets::unlimited(), clock, read_buffer)
    }

    pub(crate) fn within(budgets: Budgets, clock: Rc<Clock>, read_buffer: ReadBuffer) -> Rc<Self> {
        Rc::new(Self {
            timers: Rc::new(Timers::new(Rc::clone(&clock))),
            turn_clock: TurnClock::new(Rc::clone(&clock)),
            clock,
            reactor: OnceCell::new(),
            connection_budget: budgets.connections,
            memory: MemoryLedger::new(budgets.memory),
            buffers: Buffers::new(read_buffer),
            stock: Stock::default(),
            shutdown_deadline: Cell::new(Duration::from_secs(8)),
            finishing_since: Cell::new(None),
            stopping: Cell::new(false),
            holds_clients: Cell::new(false),
            released: Wakers::default(),
            cut_off: Cell::default(),
            next_id: Cell::new(1),
            taps: Rc::default(),
            targets: RefCell::default(),
        })
    }

    /// A number that is unique among the connections of this reactor.
    pub(crate) fn take_id(&self) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        id
    }

    /// Has all ports wait until [`release_clients`](Self::release_clients).
    #[cfg(feature = "service")]
    pub(crate) fn hold_clients(&self) {
        self.holds_clients.set(true);
    }

    #[cfg(feature = "service")]
    pub(crate) fn release_clients(&self) {
        self.holds_clients.set(false);
        self.released.wake_all();
    }

    /// Whether a port has to wait; its task is woken when that is over.
    pub(crate) fn holds_clients(&self, waker: &Waker) -> bool {
        if self.holds_clients.get() {
            self.released.add(waker);
        }
        self.holds_clients.get()
    }

    /// Begins the time that all connections together have to finish, because the reactor stops.
    pub(crate) fn begin_to_finish(&self) {
        self.finishing_since.set(Some(self.timers.now()));
    }

    /// How long connections that are asked to finish now may take.
    pub(crate) fn time_to_finish(&self) -> Duration {
        let elapsed = self.finishing_since.get().map(|since| self.timers.now().saturating_duration_since(since));
        self.shutdown_deadline.get().saturating_sub(elapsed.unwrap_or_default())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(crate) fn set_stopping(&self) {
        self.stopping.set(true);
    }

    /// The connections that were aborted because they did not end in time.
    #[cfg(feature = "service")]
    pub(crate) fn cut_off(&self) -> CutOffSum {
        self.cut_off.get()
    }

    pub(crate) fn count_cut_off(&self, unsent: usize) {
        let CutOffSum { connections, unsent: before } = self.cut_off.get();
        self.cut_off.set(CutOffSum { connections: connections + 1, unsent: before + unsent as u64 });
    }

    /// The target that all protocols of a type share.
    pub(crate) fn share_target(&self, protocol: TypeId, handler: Option<TypeId>, name: &'static str) -> Rc<CallTarget> {
        let mut targets = self.targets.borrow_mut();
        let is_it = |known: &&Rc<CallTarget>| (known.protocol, known.handler, known.name) == (protocol, handler, name);
        if let Some(known) = targets.iter().find(is_it) {
            return Rc::clone(known);
        }
        let target = Rc::new(CallTarget { protocol, handler, name, number: number_of(name) });
        targets.push(Rc::clone(&target));
        target
    }
}
