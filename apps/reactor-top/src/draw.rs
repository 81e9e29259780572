//! How it looks.

mod table;

use protocols::console::{StatsRow, short_name};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, RenderDirection, Sparkline, Wrap};
use reactor::text::escaped;

use crate::dashboard::{Dashboard, Link, Prompt, View};
use crate::history::Trend;
use crate::unit::{amount, duration};

const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const QUIET: Style = Style::new().fg(Color::DarkGray);
const TITLE: Style = Style::new().add_modifier(Modifier::REVERSED);
const TREND: Style = Style::new().fg(Color::Cyan);

/// Draws everything.
pub(crate) fn draw(dashboard: &Dashboard, frame: &mut Frame<'_>) {
    let trends = if frame.area().width < NARROW { 4 } else { 2 };
    let details = if dashboard.details && dashboard.view == View::Connections { 5 } else { 0 };
    let [title, above, numbers, tabs, body, below, last] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(trends),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(details),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_title(dashboard, frame, title);
    draw_trends(dashboard, frame, above);
    frame.render_widget(numbers_of(dashboard), numbers);
    frame.render_widget(tabs_of(dashboard), tabs);
    match dashboard.view {
        View::Connections => table::connections(dashboard, frame, body),
        View::Slow => table::slow(dashboard, frame, body),
        View::Ports => table::ports(dashboard, frame, body),
        View::Trace => draw_trace(dashboard, frame, body),
    }
    if details > 0 {
        draw_details(dashboard, frame, below);
    }
    draw_last_line(dashboard, frame, last);
    if dashboard.help {
        draw_help(frame);
    }
}

/// Below this width things stand under each other.
const NARROW: u16 = 70;

/// Text of others, in which nothing can reach the terminal.
fn shown(text: &str) -> String {
    escaped(text).to_string()
}

/// Of a time as RFC 3339 has it.
fn time_of_day(time: &str) -> &str {
    time.get(11..23).unwrap_or(time)
}

fn draw_title(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let threads = dashboard.stats.len();
    let (state, style) = match &dashboard.link {
        Link::Down(why) => (format!("not connected: {why}"), BAD.add_modifier(Modifier::REVERSED)),
        Link::Silent(seconds) => {
            (format!("no answer for {seconds} s: a callback may hang"), BAD.add_modifier(Modifier::REVERSED))
        }
        Link::Up if dashboard.paused => ("paused: p goes on".to_owned(), TITLE),
        Link::Up if threads > 1 => (format!("{threads} threads"), TITLE),
        Link::Up => (String::new(), TITLE),
    };
    let left = format!(" reactor-top  {}", shown(&dashboard.console));
    let right = format!("{} ", shown(&state));
    let room = usize::from(area.width).saturating_sub(Line::raw(&*right).width());
    let line = Line::from(vec![Span::styled(format!("{left:<room$.room$}"), TITLE), Span::styled(right, style)]);
    frame.render_widget(line, area);
}

fn draw_trends(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let history = &dashboard.history;
    let last = |trend: &Trend| trend.back().copied().unwrap_or(0);
    let busy = last(&history.busy);
    let all = [
        ("busy", format!("{}.{} %", busy / 10, busy % 10), &history.busy, Some(1000)),
        ("connections", amount(last(&history.open)), &history.open, None),
        ("opened", format!("{}/s", amount(last(&history.opened))), &history.opened, None),
        ("turns", format!("{}/s", amount(last(&history.turns))), &history.turns, None),
    ];
    let cells = if area.width < NARROW {
        Layout::vertical([Constraint::Length(1); 4]).areas::<4>(area)
    } else {
        let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).spacing(2).areas(area);
        let [first, third] = Layout::vertical([Constraint::Length(1); 2]).areas(left);
        let [second, fourth] = Layout::vertical([Constraint::Length(1); 2]).areas(right);
        [first, second, third, fourth]
    };
    for ((name, value, trend, greatest), cell) in all.into_iter().zip(cells) {
        let [label, line] = Layout::horizontal([Constraint::Length(22), Constraint::Fill(1)]).areas(cell);
        let text = vec![Span::styled(format!(" {name:<12}"), QUIET), Span::raw(format!("{value:>8} "))];
        frame.render_widget(Line::from(text), label);
        // The newest stands at the right edge.
        let newest_first: Vec<u64> = trend.iter().rev().copied().collect();
        let mut sparkline =
            Sparkline::default().data(newest_first).direction(RenderDirection::RightToLeft).style(TREND);
        if let Some(greatest) = greatest {
            sparkline = sparkline.max(greatest);
        }
        frame.render_widget(sparkline, line);
    }
}

fn numbers_of(dashboard: &Dashboard) -> Line<'static> {
    let sum = |field: fn(&StatsRow) -> u64| dashboard.stats.iter().map(field).sum::<u64>();
    let evicted = dashboard.stats.iter().map(|stats| stats.evicted).max().unwrap_or(0);
    let numbers = [
        ("unsent", sum(|stats| stats.unsent_bytes), false),
        ("timers", sum(|stats| stats.timed_calls), false),
        ("deferred", sum(|stats| stats.deferred_calls), false),
        ("jobs", sum(|stats| stats.jobs_running), false),
        ("waiting", sum(|stats| stats.jobs_waiting), false),
        ("refused", sum(|stats| stats.refused), true),
        ("evicted", evicted, true),
        ("slow", sum(|stats| stats.slow_callbacks), true),
        ("panics", sum(|stats| stats.panics), true),
    ];
    let mut spans = Vec::new();
    for (name, number, is_bad) in numbers {
        let style = if is_bad && number > 0 { BAD } else { Style::new() };
        spans.extend([Span::styled(format!(" {name} "), QUIET), Span::styled(amount(number), style), Span::raw(" ")]);
    }
    Line::from(spans)
}

fn tabs_of(dashboard: &Dashboard) -> Line<'static> {
    let mut tabs = vec![
        (View::Connections, format!("1 Connections {}", dashboard.connections.len())),
        (View::Slow, format!("2 Slow {}", dashboard.slow.len())),
        (View::Ports, format!("3 Ports {}", dashboard.ports.len())),
    ];
    if let Some(trace) = &dashboard.trace {
        tabs.push((View::Trace, format!("4 Trace {}", trace.id)));
    }
    let mut spans = Vec::new();
    for (view, name) in tabs {
        let style = if view == dashboard.view {
            Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        } else {
            QUIET
        };
        spans.extend([Span::raw(" "), Span::styled(name, style), Span::raw(" ")]);
    }
    if dashboard.view == View::Connections {
        spans.push(Span::styled(format!("  by {}", dashboard.order.name()), QUIET));
        if !dashboard.filter.is_empty() {
            spans.push(Span::raw(format!("  only {}", shown(&dashboard.filter))));
        }
    }
    Line::from(spans)
}

fn draw_details(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let Some(row) = dashboard.selected() else { return };
    let protocols: Vec<_> = row.protocols.iter().map(|name| shown(&short_name(name))).collect();
    let mut whose = row
        .port
        .as_ref()
        .map_or_else(|| "connected by this side".to_owned(), |port| format!("accepted at {}", shown(port)));
    if let (Some(process), Some(user)) = (row.peer_process, row.peer_user) {
        whose.push_str(&format!(", from process {process} of user {user}"));
    }
    let lines = vec![
        Line::raw(format!(" protocols  {}", protocols.join(" › "))),
        Line::raw(format!(" between    {} and {}, {whose}", shown(&row.host), shown(&row.peer))),
        Line::raw(format!(
            " so far     {} bytes in by {} reads, {} bytes out, {} unsent, {} deferred calls, for {}",
            row.bytes_in,
            row.reads,
            row.bytes_out,
            row.unsent_bytes,
            row.deferred_calls,
            duration(row.age_ms)
        )),
    ];
    let title = Block::bordered().title(format!(" {} ", row.id)).border_style(QUIET);
    frame.render_widget(Paragraph::new(lines).block(title), area);
}

fn draw_trace(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let Some(trace) = &dashboard.trace else { return };
    let mut lines = Vec::new();
    for row in &trace.rows {
        let (mark, style) = match &*row.event {
            "received" => ("◂", Style::new().fg(Color::Green)),
            "sent" => ("▸", Style::new().fg(Color::Yellow)),
            _ => ("·", QUIET),
        };
        let text = match (&row.data, row.events, &row.reason) {
            (Some(data), ..) => shown(data),
            (_, Some(events), _) => format!("{events} more came faster than they could be shown"),
            (_, _, Some(reason)) => format!("{}: {}", row.event.replace('_', " "), shown(reason)),
            _ => row.event.replace('_', " "),
        };
        let bytes = row.bytes.map_or_else(String::new, amount);
        lines.push(Line::from(vec![
            Span::styled(format!(" {} {bytes:>6} ", shown(time_of_day(&row.time))), QUIET),
            Span::styled(format!("{mark} {text}"), style),
        ]));
    }
    if let Some(why) = &trace.ended {
        lines.push(Line::styled(format!(" {}", shown(why)), BAD));
    } else if lines.is_empty() {
        lines.push(Line::styled(" nothing has been received or sent yet", QUIET));
    }
    let height = usize::from(area.height);
    let end = lines.len().saturating_sub(trace.back).max(height.min(lines.len()));
    let shown: Vec<_> = lines.drain(end.saturating_sub(height)..end).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

fn draw_last_line(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let line = match (&dashboard.prompt, &dashboard.message) {
        (Some(Prompt::Filter(text)), _) => {
            let line = Line::raw(format!(" show only: {}", shown(text)));
            let column = u16::try_from(line.width()).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
            frame.set_cursor_position((area.x + column, area.y));
            line
        }
        (Some(Prompt::Close(id)), _) => {
            Line::raw(format!(" close {id}? y: when all is sent; a: at once; other keys: no"))
        }
        (Some(Prompt::Drain(host)), _) => Line::raw(format!(" drain {}? y: yes; any other key: no", shown(host))),
        (None, Some(message)) => {
            Line::styled(format!(" {}", shown(&message.text)), if message.is_bad { BAD } else { Style::new() })
        }
        (None, None) => Line::styled(hint(dashboard.view), QUIET),
    };
    frame.render_widget(line, area);
}

fn hint(view: View) -> &'static str {
    match view {
        View::Connections => " ? keys  ⏎ details  t trace  c close  / filter  s order  p pause  q quit",
        View::Slow => " ? keys  ⏎ its connection  Tab next view  p pause  q quit",
        View::Ports => " ? keys  d drain  Tab next view  p pause  q quit",
        View::Trace => " ? keys  Esc end the trace  ↑↓ scroll  Tab next view  q quit",
    }
}

const HELP: &str = "\
1 2 3 4  connections, slow callbacks, ports, trace
↑ ↓      select a row (also j, k, Page Up, Home, ...)
Enter    details; of a slow callback: its connection
t c d    trace, close a connection; drain a port
s S      the next order, the one before
/        a filter: a word for the peer, or
         peer= host= port= protocol= id= reading=
         age_ms> idle_ms< bytes_in bytes_out reads
         unsent_bytes deferred_calls
Esc      no filter; no trace
p q      pause what is shown; quit (also Ctrl-C)";

fn draw_help(frame: &mut Frame<'_>) {
    let lines = u16::try_from(HELP.lines().count()).unwrap_or(u16::MAX);
    let area = frame.area();
    let area = area.centered(Constraint::Length(56), Constraint::Length(lines.saturating_add(2)));
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" Keys ");
    frame.render_widget(Paragraph::new(HELP).wrap(Wrap { trim: false }).block(block), area);
}

#[cfg(test)]
mod tests;
