//! The tables.

use protocols::console::{ConnectionRow, PortRow, SlowRow, short_name};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table, TableState};
use reactor::inspect::Reading;

use super::{BAD, QUIET, TREND, shown, time_of_day};
use crate::dashboard::Dashboard;
use crate::history::Trend;
use crate::unit::{amount, duration};

/// A column: its title, its width, and the cell of a row.
struct Column<T> {
    title: &'static str,
    width: Constraint,
    /// Whether it is one of numbers.
    is_right: bool,
    /// From which width of the screen on it is shown.
    from: u16,
    cell: fn(&Dashboard, &T) -> Cell<'static>,
}

/// A column of this width, which is shown if the screen is at least as wide as `from`.
fn column<T>(title: &'static str, width: u16, from: u16, cell: fn(&Dashboard, &T) -> Cell<'static>) -> Column<T> {
    Column { title, width: Constraint::Length(width), is_right: false, from, cell }
}

/// A column that shares what the others leave.
fn wide<T>(title: &'static str, from: u16, cell: fn(&Dashboard, &T) -> Cell<'static>) -> Column<T> {
    Column { title, width: Constraint::Fill(1), is_right: false, from, cell }
}

/// A column of numbers.
fn numbers<T>(title: &'static str, width: u16, from: u16, number: fn(&Dashboard, &T) -> Cell<'static>) -> Column<T> {
    Column { is_right: true, ..column(title, width, from, number) }
}

pub(super) fn connections(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let columns = [
        column("ID", 8, 0, |_, row: &ConnectionRow| Cell::from(row.id.to_string())),
        Column { width: Constraint::Fill(2), ..wide("PEER", 0, |_, row| Cell::from(peer(row))) },
        wide("PROTOCOL", 50, |_, row| Cell::from(protocol(row))),
        numbers("AGE", 6, 95, |_, row| right(duration(row.age_ms))),
        numbers("IDLE", 6, 60, |_, row| right(duration(row.idle_ms))),
        numbers("IN/s", 6, 0, |dashboard, row| right(rate(dashboard, row, true))),
        numbers("OUT/s", 6, 0, |dashboard, row| right(rate(dashboard, row, false))),
        column("TREND", TREND_WIDTH, 80, |dashboard, row| Cell::from(trend(dashboard, row))),
        numbers("IN", 6, 110, |_, row| right(amount(row.bytes_in))),
        numbers("OUT", 6, 110, |_, row| right(amount(row.bytes_out))),
        numbers("UNSENT", 6, 70, |_, row| right(amount(row.unsent_bytes))),
        column("READING", 7, 70, |_, row| Cell::from(reading(row.reading))),
    ];
    draw(dashboard, frame, area, &columns, &dashboard.connections, "there are no connections");
}

pub(super) fn slow(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let columns = [
        column("TIME", 12, 0, |_, row: &SlowRow| Cell::from(shown(time_of_day(&row.time)))),
        numbers("THREAD", 6, 70, |_, row| right(row.thread.to_string())),
        numbers("TOOK", 10, 0, |_, row| right(took(row))),
        column("CALLBACK", 20, 0, |_, row| Cell::from(shown(&row.callback))),
        wide("OF", 0, |_, row| Cell::from(row.name.as_deref().map(handler).unwrap_or_default())),
        column("CONNECTION", 10, 60, |_, row| Cell::from(row.connection.map(|id| id.to_string()).unwrap_or_default())),
    ];
    draw(dashboard, frame, area, &columns, &dashboard.slow, "no watchdog has found a slow callback");
}

pub(super) fn ports(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let columns = [
        Column { width: Constraint::Fill(2), ..wide("PORT", 0, |_, row: &PortRow| Cell::from(shown(&row.host))) },
        column("KIND", 8, 60, |_, row| Cell::from(shown(&row.kind))),
        column("STATE", 9, 0, |_, row| Cell::from(shown(&row.state))),
        numbers("OPEN", 5, 0, |_, row| right(amount(row.connections))),
        numbers("PENDING", 7, 60, |_, row| right(amount(row.pending))),
        wide("REFUSED", 50, |_, row| Cell::from(refused(row))),
    ];
    draw(dashboard, frame, area, &columns, &dashboard.ports, "nothing listens");
}

fn draw<T>(
    dashboard: &Dashboard,
    frame: &mut Frame<'_>,
    area: Rect,
    columns: &[Column<T>],
    rows: &[T],
    otherwise: &'static str,
) {
    if rows.is_empty() {
        let otherwise = if dashboard.stats.is_empty() { "nothing is known yet" } else { otherwise };
        return frame.render_widget(Line::styled(format!(" {otherwise}"), QUIET), area);
    }
    let columns: Vec<_> = columns.iter().filter(|column| column.from <= area.width).collect();
    // Only those that can be seen are made.
    let height = usize::from(area.height).saturating_sub(1).max(1);
    let selected = dashboard.selected_row().unwrap_or(0);
    let offset = dashboard.offset.get().min(selected).max((selected + 1).saturating_sub(height));
    let offset = offset.min(rows.len().saturating_sub(height));
    dashboard.offset.set(offset);
    let seen = rows.iter().skip(offset).take(height);
    let seen = seen.map(|row| Row::new(columns.iter().map(|column| (column.cell)(dashboard, row))));
    let title = |column: &&Column<T>| {
        let title = Line::raw(column.title);
        if column.is_right { title.right_aligned() } else { title }
    };
    let header = Row::new(columns.iter().map(title)).style(QUIET);
    let table = Table::new(seen, columns.iter().map(|column| column.width))
        .header(header)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(selected - offset));
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::raw(text).right_aligned())
}

fn peer(row: &ConnectionRow) -> String {
    match (row.peer_process, row.peer_user) {
        (Some(process), Some(user)) if row.peer == "(unnamed)" => format!("pid {process} uid {user}"),
        _ => shown(&row.peer),
    }
}

/// The innermost protocol, and how many layers are around it.
fn protocol(row: &ConnectionRow) -> String {
    let Some((inner, layers)) = row.protocols.split_last() else { return String::new() };
    let name = handler(inner);
    if layers.is_empty() { name } else { format!("{name} +{}", layers.len()) }
}

/// The name of a protocol; for one behind a receiver, that of its handler.
fn handler(name: &str) -> String {
    let name = shown(&short_name(name));
    let inside = name.strip_prefix("Receiver<").and_then(|rest| rest.rsplit_once(", "));
    inside.map_or_else(|| name.clone(), |(handler, _)| handler.to_owned())
}

fn rate(dashboard: &Dashboard, row: &ConnectionRow, inwards: bool) -> String {
    match dashboard.history.of(row.id) {
        Some(trail) if !trail.trend.is_empty() => amount(if inwards { trail.in_rate } else { trail.out_rate }),
        _ => String::new(),
    }
}

const TREND_WIDTH: u16 = 10;

fn trend(dashboard: &Dashboard, row: &ConnectionRow) -> Span<'static> {
    Span::styled(dashboard.history.of(row.id).map(|trail| bars(&trail.trend)).unwrap_or_default(), TREND)
}

fn bars(trend: &Trend) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let seen = || trend.iter().skip(trend.len().saturating_sub(TREND_WIDTH.into()));
    let greatest = seen().max().copied().unwrap_or(0);
    let bar = |value: &u64| {
        let eighths = (*value as f64 * 7.0 / greatest as f64).ceil() as usize;
        if *value == 0 { ' ' } else { BARS[eighths.min(7)] }
    };
    seen().map(bar).collect()
}

fn took(row: &SlowRow) -> String {
    if row.running { format!("{} ms…", row.took_ms) } else { format!("{} ms", row.took_ms) }
}

fn reading(reading: Reading) -> Span<'static> {
    match reading {
        Reading::Open => Span::styled("", QUIET),
        Reading::Paused => Span::raw("paused"),
        Reading::Held => Span::raw("held"),
        Reading::Owing => Span::styled("owing", BAD),
        Reading::Closing => Span::styled("closing", QUIET),
        _ => Span::raw("other"),
    }
}

fn refused(row: &PortRow) -> String {
    let refused = &row.refused;
    let reasons = [
        ("no descriptor", refused.no_descriptor),
        ("full", refused.connections),
        ("per peer", refused.per_peer),
        ("pending", refused.pending),
        ("pending per peer", refused.pending_per_peer),
        ("budget", refused.budget),
        ("displaced", refused.displaced),
    ];
    let reasons = reasons.into_iter().filter(|(_, number)| *number > 0);
    reasons.map(|(name, number)| format!("{} {name}", amount(number))).collect::<Vec<_>>().join(", ")
}
