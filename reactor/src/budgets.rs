//! What all connections of a reactor share.

use crate::reactor::Reactor;

impl Reactor {
    /// How many connections it may have in all, accepted or made, those included whose sockets still linger. Clients
    /// that come while there are as many are closed as soon as they are accepted, and counted
    /// ([`Refusals::budget`](crate::Refusals::budget)); connections that the program makes are not refused.
    ///
    /// When the reactor is made, this is what the soft limit of open files leaves (`RLIMIT_NOFILE`), less a reserve of a
    /// 64th of it, at least 16, for ports and for the files that the program opens. So these go on working under any
    /// load. Reactors of [`run_on_threads`](crate::run_on_threads) have one budget together; others of the same process
    /// do not know of each other. There is no limit in a simulation.
    pub fn connection_budget(&self) -> usize {
        self.0.hub.connection_budget.limit()
    }

    /// Sets how many connections it may have in all: fewer where the program opens many files, say, or where it has
    /// raised the limit. Clients that are turned away by it cost less than those for whom no descriptor is left.
    pub fn set_connection_budget(&self, connections: usize) {
        self.0.hub.connection_budget.set_limit(connections);
    }
}
