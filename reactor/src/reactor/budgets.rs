//! What all connections of a reactor share.

use crate::reactor::Reactor;

impl Reactor {
    /// How many connections it may have in all, accepted or made, those included whose sockets still linger. Clients
    /// that come while there are as many are closed as soon as they are accepted, and counted
    /// ([`Refusals::budget`](crate::port::Refusals::budget)); connections that the program makes are not refused.
    ///
    /// When the reactor is made, this is what the soft limit of open files leaves (`RLIMIT_NOFILE`), less a reserve of a
    /// 64th of it, at least 16, for ports and for the files that the program opens. So these go on working under any
    /// load. Reactors of [`run_on_threads`](crate::run_on_threads) have one budget together; others of the same process
    /// do not know of each other. There is no limit in a simulation.
    ///
    /// ```
    /// let reactor = reactor::Reactor::new()?;
    /// // Every connection of this program has a file open, too.
    /// reactor.set_connection_budget(reactor.connection_budget() / 2);
    /// // And all that peers do not read is to take 64 MiB at the most.
    /// reactor.set_output_budget(64 << 20);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connection_budget(&self) -> usize {
        self.0.hub.connection_budget.limit()
    }

    /// Sets how many connections it may have in all: fewer where the program opens many files, say, or where it has
    /// raised the limit. Clients that are turned away by it cost less than those for whom no descriptor is left.
    pub fn set_connection_budget(&self, connections: usize) {
        self.0.hub.connection_budget.set_limit(connections);
    }

    /// Sets how many bytes all its connections together may have unsent (no limit). When a write would pass that, the
    /// connection that is furthest behind ends with [`CloseReason::Overflow`](crate::CloseReason::Overflow), and the next
    /// one, until there is room; it is the writer's own connection, if that would have the most unsent. So peers that
    /// do not read cannot take the memory that the others need, however many they are; what one alone may have is
    /// [`set_output_limit`](crate::Transport::set_output_limit)'s matter.
    ///
    /// What policies and layers hold back counts for the connection that they are around. Each reactor of
    /// [`run_on_threads`](crate::run_on_threads) has a budget of its own.
    pub fn set_output_budget(&self, bytes: usize) {
        self.0.hub.output_budget.set_limit(bytes);
    }

    /// How many bytes all its connections together have unsent.
    pub fn unsent_bytes(&self) -> usize {
        self.0.hub.output_budget.unsent_bytes()
    }
}
