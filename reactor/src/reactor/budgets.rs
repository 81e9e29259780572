//! Limits that all connections of a reactor share.

use crate::reactor::Reactor;

impl Reactor {
    /// How many connections the reactor may have in total, accepted and outgoing, including those whose sockets still
    /// linger. When the budget is used up, new clients are closed as soon as they are accepted, and counted
    /// ([`Refusals::budget`](crate::port::Refusals::budget)); connections that the program makes are not refused.
    ///
    /// The initial value is the soft limit of open files (`RLIMIT_NOFILE`), less a reserve of a 64th of it, at least
    /// 16, for ports and for files that the program opens, so that these keep working under any load. Reactors of
    /// [`run_on_threads`](crate::run_on_threads) share one budget; other reactors of the same process do not know of
    /// each other. There is no limit in a simulation.
    ///
    /// ```
    /// let reactor = reactor::Reactor::new()?;
    /// // Every connection of this program also has a file open.
    /// reactor.set_connection_budget(reactor.connection_budget() / 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connection_budget(&self) -> usize {
        self.0.hub.connection_budget.limit()
    }

    /// Sets how many connections the reactor may have in total: fewer if the program opens many files, say, or more if
    /// it has raised the limit of open files. A client refused by the budget costs less than one for which no
    /// descriptor is left.
    pub fn set_connection_budget(&self, connections: usize) {
        self.0.hub.connection_budget.set_limit(connections);
    }

    /// The number of bytes that the program may hold because of the peers of all connections together: unsent output,
    /// incomplete messages in receivers, input in layers, and what else protocols
    /// [charge](crate::Transport::charge_memory). What layers hold counts for the connection that they are around.
    ///
    /// By default it is a quarter of what the process may use: of the least of `memory.max` of its control groups
    /// (version 2), the limit of its address space (`RLIMIT_AS`) and the machine's memory. Buffers and allocators may take
    /// twice the memory of what is in them; the rest is for the program. Reactors of
    /// [`run_on_threads`](crate::run_on_threads) share one budget; other reactors of a process have one each. A simulation
    /// has no limit unless one is set.
    ///
    /// When there is no room, the connection that holds most ends, with a reset and
    /// [`CloseReason::Evicted`](crate::CloseReason::Evicted), then the next one, until there is room. If the connection that
    /// asks for room would hold most, it is the one that ends. So peers that do not read, or do not complete their
    /// messages, cannot take the memory that the others need, however many they are. Of several reactors, the one that
    /// holds most makes room in its next turn; until then up to an eighth more is held.
    ///
    /// **A connection that holds up to 4 KiB is never ended for it**, so clients with short messages are served in any case.
    /// These bytes come on top of the budget: up to 4 KiB for each of the connections that there may be
    /// ([`connection_budget`](Self::connection_budget)). Memory that the program keeps for its own purposes is not counted,
    /// nor what a future keeps that reads a [`TokioStream`](crate::io::TokioStream).
    ///
    /// ```
    /// let reactor = reactor::Reactor::new()?;
    /// // A cache takes most of this program's memory.
    /// reactor.set_memory_budget(reactor.memory_budget() / 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn memory_budget(&self) -> usize {
        self.0.hub.memory.budget().limit()
    }

    /// Sets the [memory budget](Self::memory_budget); [`usize::MAX`] switches it off. If more is held already, connections
    /// end when the next bytes are to be held. [`set_output_limit`](crate::Transport::set_output_limit) limits the output of
    /// each connection alone.
    pub fn set_memory_budget(&self, bytes: usize) {
        self.0.hub.memory.set_limit(bytes);
    }

    /// The number of bytes that this reactor's connections hold, as they count in the [memory budget](Self::memory_budget).
    pub fn held_bytes(&self) -> usize {
        self.0.hub.memory.held_bytes()
    }

    /// How many connections were ended because the [memory budget](Self::memory_budget) had no room, in all reactors that
    /// share it.
    pub fn evicted(&self) -> u64 {
        self.0.hub.memory.budget().evicted()
    }
}
