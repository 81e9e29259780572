//! Rates, from numbers that only grow, and how they went.

use std::collections::{HashMap, VecDeque};

use protocols::console::{ConnectionId, ConnectionRow, StatsRow};

/// How many rates are kept of each thing.
const LENGTH: usize = 120;

/// The last rates of one thing, the newest last.
pub(crate) type Trend = VecDeque<u64>;

/// The rates of the connections, and of the program.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The program's clock when its connections were listed last.
    clock_ms: u64,
    connections: HashMap<ConnectionId, Trail>,
    totals: Option<Totals>,
    /// The time in which the threads did not wait, in thousandths of all.
    pub(crate) busy: Trend,
    /// Waits of the loops a second.
    pub(crate) turns: Trend,
    /// New connections a second.
    pub(crate) opened: Trend,
    /// Open connections.
    pub(crate) open: Trend,
}

/// What one connection did.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    bytes_in: u64,
    bytes_out: u64,
    /// Bytes received a second.
    pub(crate) in_rate: u64,
    /// Bytes sent a second.
    pub(crate) out_rate: u64,
    /// Bytes a second in both directions.
    pub(crate) trend: Trend,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    clock_ms: u64,
    turns: u64,
    busy_us: u64,
    opened: u64,
}

impl History {
    /// The numbers of all threads; the connections listed next are of the same moment.
    pub(crate) fn add_stats(&mut self, threads: &[StatsRow]) {
        let Some(first) = threads.first() else { return };
        let mut now = Totals { clock_ms: first.clock_ms, ..Totals::default() };
        for thread in threads {
            now.turns += thread.turns;
            now.busy_us += thread.busy_us;
            now.opened += thread.opened;
        }
        self.push_totals(now, threads.len() as u64);
        push(&mut self.open, threads.iter().map(|thread| thread.connections).sum());
    }

    fn push_totals(&mut self, now: Totals, threads: u64) {
        let before = self.totals.replace(now);
        // Another program answers now: its clock began anew.
        let Some(before) = before.filter(|before| before.clock_ms < now.clock_ms) else { return };
        let elapsed = now.clock_ms - before.clock_ms;
        push(&mut self.busy, now.busy_us.saturating_sub(before.busy_us) / (elapsed * threads));
        push(&mut self.turns, a_second(now.turns, before.turns, elapsed));
        push(&mut self.opened, a_second(now.opened, before.opened, elapsed));
    }

    /// The connections that there are now; what the others did is forgotten.
    pub(crate) fn add_connections(&mut self, rows: &[ConnectionRow]) {
        let now = self.totals.map_or(0, |totals| totals.clock_ms);
        let elapsed = now.saturating_sub(std::mem::replace(&mut self.clock_ms, now));
        let mut before = std::mem::take(&mut self.connections);
        for row in rows {
            let known = before.remove(&row.id).filter(|trail| elapsed > 0 && trail.bytes_in <= row.bytes_in);
            let mut trail = known.map_or_else(Trail::default, |mut trail| {
                trail.in_rate = a_second(row.bytes_in, trail.bytes_in, elapsed);
                trail.out_rate = a_second(row.bytes_out, trail.bytes_out, elapsed);
                push(&mut trail.trend, trail.in_rate + trail.out_rate);
                trail
            });
            (trail.bytes_in, trail.bytes_out) = (row.bytes_in, row.bytes_out);
            self.connections.insert(row.id, trail);
        }
    }

    /// What a connection did.
    pub(crate) fn of(&self, id: ConnectionId) -> Option<&Trail> {
        self.connections.get(&id)
    }

    /// The bytes a second of a connection, in both directions.
    pub(crate) fn rate(&self, id: ConnectionId) -> u64 {
        self.of(id).map_or(0, |trail| trail.in_rate + trail.out_rate)
    }
}

fn push(trend: &mut Trend, value: u64) {
    if trend.len() == LENGTH {
        trend.pop_front();
    }
    trend.push_back(value);
}

fn a_second(now: u64, before: u64, elapsed_ms: u64) -> u64 {
    let rate = u128::from(now.saturating_sub(before)) * 1000 / u128::from(elapsed_ms);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use protocols::console::Row;

    use super::*;

    fn connection(number: u64, bytes: u64) -> ConnectionRow {
        let json = format!(
            "{{\"type\":\"connection\",\"id\":\"0.{number}\",\"port\":null,\"host\":\"\",\"peer\":\"\",\
             \"peer_process\":null,\"peer_user\":null,\"protocols\":[],\"age_ms\":0,\"idle_ms\":0,\
             \"bytes_in\":{bytes},\"bytes_out\":0,\"reads\":0,\"unsent_bytes\":0,\"deferred_calls\":0,\
             \"reading\":\"open\"}}"
        );
        match Row::from_json(&json).unwrap() {
            Row::Connection(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn id(number: u64) -> ConnectionId {
        connection(number, 0).id
    }

    fn stats(clock_ms: u64, busy_us: u64, opened: u64) -> StatsRow {
        let mut stats = StatsRow::default();
        (stats.clock_ms, stats.busy_us, stats.opened) = (clock_ms, busy_us, opened);
        stats
    }

    #[test]
    fn rates_are_differences_by_the_clock_of_the_program() {
        let mut history = History::default();
        for (clock, bytes) in [(1_000, 500), (1_500, 1_000), (3_500, 1_500)] {
            history.add_stats(&[stats(clock, clock * 500, clock / 100), stats(clock, 0, 0)]);
            history.add_connections(&[connection(1, bytes)]);
        }
        assert_eq!(history.of(id(1)).unwrap().trend, [1_000, 250]);
        assert_eq!(history.rate(id(1)), 250);
        assert_eq!(history.busy, [250, 250], "one of two threads is busy for half of the time");
        assert_eq!(history.opened, [10, 10]);
    }

    #[test]
    fn another_program_at_the_same_place_begins_anew() {
        let mut history = History::default();
        for (clock, bytes) in [(5_000, 5_000), (6_000, 6_000), (10, 20), (1_010, 40)] {
            history.add_stats(&[stats(clock, 0, bytes)]);
            history.add_connections(&[connection(1, bytes)]);
        }
        assert_eq!(history.of(id(1)).unwrap().trend, [20]);
        assert_eq!(history.opened, [1_000, 20]);
    }

    #[test]
    fn what_has_ended_is_forgotten_and_trends_have_an_end() {
        let mut history = History::default();
        for clock in 1..=200 {
            history.add_stats(&[stats(clock, 0, 0)]);
            history.add_connections(&[connection(clock, 0), connection(0, clock)]);
        }
        assert_eq!(history.connections.len(), 2);
        assert_eq!(history.of(id(0)).unwrap().trend.len(), LENGTH);
    }
}
