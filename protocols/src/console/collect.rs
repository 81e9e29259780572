//! What a reactor says of itself, as rows.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use reactor::Port;
use reactor::inspect::{ConnectionInfo, PendingCall, SlowCallback, Stats};
use reactor::port::Refusals;

use crate::console::row::{
    BusyRow, ConnectionId, ConnectionRow, JobsRow, PortRow, RefusedRow, SlowRow, StatsRow, TimerRow,
};
use crate::policies::traffic_log::timestamp;

pub(crate) fn connection_row(thread: usize, info: ConnectionInfo) -> ConnectionRow {
    ConnectionRow {
        id: ConnectionId { thread, number: info.id },
        port: info.port.map(|port| port.to_string()),
        host: info.host.to_string(),
        peer: info.peer.to_string(),
        peer_process: info.peer_credentials.and_then(|peer| peer.process),
        peer_user: info.peer_credentials.map(|peer| peer.user),
        protocols: info.protocols.into_iter().map(Cow::Borrowed).collect(),
        age_ms: milliseconds(info.age),
        idle_ms: milliseconds(info.idle),
        bytes_in: info.bytes_in,
        bytes_out: info.bytes_out,
        reads: info.reads,
        unsent_bytes: info.unsent_bytes as u64,
        deferred_calls: info.deferred_calls as u64,
        reading: info.reading,
    }
}

/// Those that did most since they had these sums, the busiest first.
pub(crate) fn busy_rows(
    connections: Vec<ConnectionRow>,
    before: &HashMap<ConnectionId, (u64, u64, u64)>,
    time: Duration,
) -> Vec<BusyRow> {
    let rate = |now: u64, before: u64| {
        let micros = time.as_micros().max(1);
        u64::try_from(u128::from(now.saturating_sub(before)) * 1_000_000 / micros).unwrap_or(u64::MAX)
    };
    let busy = connections.into_iter().filter_map(|connection| {
        let (bytes_in, bytes_out, reads) = before.get(&connection.id).copied().unwrap_or_default();
        let bytes_in_per_s = rate(connection.bytes_in, bytes_in);
        let bytes_out_per_s = rate(connection.bytes_out, bytes_out);
        let reads_per_s = rate(connection.reads, reads);
        let any = bytes_in_per_s + bytes_out_per_s > 0;
        any.then_some(BusyRow { connection, bytes_in_per_s, bytes_out_per_s, reads_per_s })
    });
    let mut busy: Vec<_> = busy.collect();
    busy.sort_by_key(|row| Reverse(row.bytes_in_per_s + row.bytes_out_per_s));
    busy.truncate(MOST_BUSY);
    busy
}

pub(crate) fn stats_row(thread: usize, stats: &Stats, clock: Duration) -> StatsRow {
    StatsRow {
        thread: thread as u64,
        clock_ms: milliseconds(clock),
        connections: stats.connections as u64,
        opened: stats.opened,
        lingering: stats.lingering as u64,
        connectors: stats.connectors as u64,
        ports: stats.ports as u64,
        refused: stats.refusals.total(),
        evicted: stats.evicted,
        unsent_bytes: stats.unsent_bytes as u64,
        timed_calls: stats.timed_calls as u64,
        deferred_calls: stats.deferred_calls as u64,
        jobs_running: stats.jobs_running as u64,
        jobs_waiting: stats.jobs_waiting as u64,
        turns: stats.turns,
        busy_us: u64::try_from(stats.busy.as_micros()).unwrap_or(u64::MAX),
        slow_callbacks: stats.slow_callbacks,
        panics: stats.panics,
    }
}

pub(crate) fn jobs_row(thread: usize, stats: &Stats) -> JobsRow {
    JobsRow {
        thread: thread as u64,
        running: stats.jobs_running as u64,
        waiting: stats.jobs_waiting as u64,
        deferred_calls: stats.deferred_calls as u64,
    }
}

pub(crate) fn slow_row(slow: SlowCallback) -> SlowRow {
    SlowRow {
        number: slow.number,
        time: timestamp(slow.began),
        thread: slow.thread as u64,
        callback: slow.callback.into(),
        name: slow.name.map(Cow::Borrowed),
        connection: slow.connection.map(|number| ConnectionId { thread: slow.thread, number }),
        took_ms: milliseconds(slow.took),
        running: slow.running,
    }
}

pub(crate) fn timer_row(thread: usize, call: PendingCall) -> TimerRow {
    TimerRow {
        thread: thread as u64,
        due_in_ms: milliseconds(call.due_in),
        connection: call.connection.map(|number| ConnectionId { thread, number }),
        name: call.name.into(),
    }
}

/// A port, before those that it has turned away on all threads are known.
pub(crate) struct PortSum {
    row: PortRow,
    refusals: Refusals,
}

/// The ports of one thread.
pub(crate) fn port_sums(ports: &[Port]) -> Vec<PortSum> {
    let state = |port: &Port| match (port.is_listening(), port.is_paused()) {
        (false, _) => "draining",
        (true, true) => "paused",
        (true, false) => "listening",
    };
    let row = |port: &Port| PortRow {
        host: port.host().to_string(),
        kind: if port.is_for_datagrams() { "datagram" } else { "stream" }.to_owned(),
        state: state(port).to_owned(),
        connections: port.connection_count() as u64,
        pending: port.pending_count() as u64,
        waits: port.accept_wait_count(),
        refused: RefusedRow::default(),
    };
    ports.iter().map(|port| PortSum { row: row(port), refusals: port.refusals() }).collect()
}

fn refused_row(refusals: Refusals) -> RefusedRow {
    RefusedRow {
        no_descriptor: refusals.no_descriptor,
        connections: refusals.connections,
        per_peer: refusals.per_peer,
        pending: refusals.pending,
        pending_per_peer: refusals.pending_per_peer,
        budget: refusals.budget,
        displaced: refusals.displaced,
    }
}

impl PortSum {
    /// Adds what another thread says of a port to the sums of all.
    pub(crate) fn add_to(self, sums: &mut Vec<Self>) {
        let same = |sum: &&mut Self| {
            let (sum, other) = (&sum.row, &self.row);
            (&sum.host, &sum.kind, &sum.state) == (&other.host, &other.kind, &other.state)
        };
        let Some(sum) = sums.iter_mut().find(same) else { return sums.push(self) };
        sum.row.connections += self.row.connections;
        sum.row.pending += self.row.pending;
        sum.row.waits += self.row.waits;
        sum.refusals += self.refusals;
    }

    pub(crate) fn into_row(self) -> PortRow {
        PortRow { refused: refused_row(self.refusals), ..self.row }
    }
}

impl RefusedRow {
    /// The sum of all reasons.
    pub fn total(&self) -> u64 {
        let Self { no_descriptor, connections, per_peer, pending, pending_per_peer, budget, displaced } = self;
        no_descriptor + connections + per_peer + pending + pending_per_peer + budget + displaced
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

const MOST_BUSY: usize = 20;
