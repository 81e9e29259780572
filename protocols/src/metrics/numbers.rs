//! The numbers of the reactors and the process, as metrics.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, fs};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;
use reactor::inspect::Stats;

/// What was read at one moment.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Of each thread, with its number.
    pub(super) threads: Vec<(usize, Stats)>,
    /// When the process was started.
    pub(super) started: Option<SystemTime>,
}

impl Collector for Numbers {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut metrics = Metrics { encoder, threads: &self.threads };
        for (name, help, value) in GAUGES {
            metrics.by_thread(name, help, None, |stats| ConstGauge::new(value(stats)))?;
        }
        let unsent = |stats: &Stats| ConstGauge::new(stats.unsent_bytes);
        metrics.by_thread("reactor_unsent", "Bytes that the system has not taken.", Some(&Unit::Bytes), unsent)?;
        let jobs = |stats: &Stats| [("running", stats.jobs_running), ("waiting", stats.jobs_waiting)];
        metrics.by_kind("reactor_jobs", "Jobs for threads.", "state", |stats| {
            jobs(stats).map(|(state, count)| (state, ConstGauge::new(count)))
        })?;
        for (name, help, value) in COUNTERS {
            metrics.by_thread(name, help, None, |stats| ConstCounter::new(value(stats)))?;
        }
        let busy = |stats: &Stats| ConstCounter::new(stats.busy.as_secs_f64());
        metrics.by_thread("reactor_busy", "Time in which the loop did not wait.", Some(&Unit::Seconds), busy)?;
        metrics.by_kind("reactor_refusals", "Clients that were turned away.", "reason", |stats| {
            stats.refusals.by_kind().map(|(reason, count)| (reason, ConstCounter::new(count)))
        })?;
        let evicted = self.threads.iter().map(|(_, stats)| stats.evicted).max().unwrap_or_default();
        let help = "Connections that ended because the memory budget was used up.";
        metrics.single("reactor_evictions", help, None, ConstCounter::new(evicted))?;
        if let Some(started) = self.started.and_then(|started| started.duration_since(UNIX_EPOCH).ok()) {
            let help = "When the process was started, since 1970.";
            metrics.single("process_start_time", help, Some(&Unit::Seconds), ConstGauge::new(started.as_secs_f64()))?;
        }
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        metrics.single("reactor_build", "The version of the crates.", None, build)
    }
}

type Row<T> = (&'static str, &'static str, fn(&Stats) -> T);

const GAUGES: [Row<usize>; 6] = [
    ("reactor_connections", "Connections that are open.", |stats| stats.connections),
    ("reactor_lingering_sockets", "Sockets whose peers have yet to take the rest.", |stats| stats.lingering),
    ("reactor_connectors", "Connectors that are connecting, connected or waiting.", |stats| stats.connectors),
    ("reactor_ports", "Ports that listen.", |stats| stats.ports),
    ("reactor_timed_calls", "Timed calls that wait.", |stats| stats.timed_calls),
    ("reactor_deferred_calls", "Deferred futures that are not ready.", |stats| stats.deferred_calls),
];

const COUNTERS: [Row<u64>; 4] = [
    ("reactor_connections_opened", "Connections that were ever open.", |stats| stats.opened),
    ("reactor_turns", "How often the loop has waited for the system.", |stats| stats.turns),
    ("reactor_slow_callbacks", "Callbacks that the watchdog has found slow.", |stats| stats.slow_callbacks),
    ("reactor_panics", "Panics that were caught.", |stats| stats.panics),
];

struct Metrics<'a, 'e> {
    encoder: DescriptorEncoder<'e>,
    threads: &'a [(usize, Stats)],
}

impl Metrics<'_, '_> {
    fn single(&mut self, name: &str, help: &str, unit: Option<&Unit>, metric: impl EncodeMetric) -> fmt::Result {
        metric.encode(self.encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
    }

    fn by_thread<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: impl Fn(&Stats) -> M,
    ) -> fmt::Result {
        let rows = self.threads.iter().map(|(number, stats)| ([("thread", number.to_string())], metric(stats)));
        family(&mut self.encoder, name, help, unit, rows.collect())
    }

    /// With one more label.
    fn by_kind<M: EncodeMetric, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        metrics: impl Fn(&Stats) -> [(&'static str, M); N],
    ) -> fmt::Result {
        let rows = self.threads.iter().flat_map(|(number, stats)| {
            let kinds = metrics(stats).into_iter();
            kinds.map(move |(kind, metric)| ([("thread", number.to_string()), (label, kind.to_owned())], metric))
        });
        family(&mut self.encoder, name, help, None, rows.collect())
    }
}

fn family<L: EncodeLabelSet, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    rows: Vec<(L, M)>,
) -> fmt::Result {
    let Some((_, first)) = rows.first() else { return Ok(()) };
    let mut encoder = encoder.encode_descriptor(name, help, unit, first.metric_type())?;
    rows.iter().try_for_each(|(labels, metric)| metric.encode(encoder.encode_family(labels)?))
}

/// How long ago this process was started; `None` without `/proc`.
pub(super) fn process_age() -> Option<Duration> {
    let number = |text: &str| text.split_ascii_whitespace().next()?.parse::<f64>().ok();
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field may have blanks, and ends with the last parenthesis; this is the 22nd.
    let begun = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19).and_then(number)? / TICKS_A_SECOND;
    let up = number(&fs::read_to_string("/proc/uptime").ok()?)?;
    Duration::try_from_secs_f64((up - begun).max(0.)).ok()
}

/// In which Linux tells programs the time, whatever its own ticks are.
const TICKS_A_SECOND: f64 = 100.;
