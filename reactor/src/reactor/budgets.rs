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
    /// // Output that peers do not read may take up to 64 MiB in total.
    /// reactor.set_output_budget(64 << 20);
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

    /// Sets how many bytes all connections of the reactor together may have unsent (no limit by default). When a write
    /// would exceed this, the connection that is furthest behind ends with
    /// [`CloseReason::Overflow`](crate::CloseReason::Overflow), and the next one, until there is room; if the writing
    /// connection would have the most unsent, it is the one that ends. So peers that do not read cannot take the memory
    /// that the others need, however many they are. [`set_output_limit`](crate::Transport::set_output_limit) limits
    /// each connection alone.
    ///
    /// What policies and layers hold back counts for the connection that they are around. Each reactor of
    /// [`run_on_threads`](crate::run_on_threads) has a budget of its own.
    pub fn set_output_budget(&self, bytes: usize) {
        self.0.hub.output_budget.set_limit(bytes);
    }

    /// The number of bytes that all connections of the reactor together have unsent.
    pub fn unsent_bytes(&self) -> usize {
        self.0.hub.output_budget.unsent_bytes()
    }
}
