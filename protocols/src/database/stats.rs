/// The numbers of a [`ConnectionPool`](crate::database::ConnectionPool), by
/// [`stats`](crate::database::ConnectionPool::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// The connections that there are.
    pub connections: usize,
    /// The interactions that run.
    pub running: usize,
    /// The interactions that wait for a connection.
    pub waiting: usize,
    /// The interactions that have returned a value, and were committed.
    pub succeeded: u64,
    /// The interactions that have no value: those that failed, and those that never ran.
    pub failed: u64,
    /// How often an interaction was tried again, because its connection was lost.
    pub repeated: u64,
    /// The connections that were given up: because they were lost, or because it was uncertain what was left in them.
    pub discarded: u64,
}
