use protocols::console::Row;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::dashboard::{Action, Dashboard, Link};
use crate::draw::draw;
use crate::key::Key;

/// The screen as text.
fn screen(dashboard: &Dashboard, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(dashboard, frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    let lines = cells.chunks(columns.into());
    let lines =
        lines.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn connection(number: u64, peer: &str, bytes: u64) -> Row {
    let peer = peer.replace('\u{1b}', "\\u001b");
    Row::from_json(&format!(
        "{{\"type\":\"connection\",\"id\":\"0.{number}\",\"port\":\"127.0.0.1:7\",\"host\":\"127.0.0.1:7\",\
         \"peer\":\"{peer}\",\"peer_process\":null,\"peer_user\":null,\
         \"protocols\":[\"protocols::policies::IdleTimeout<app::Echo>\",\"protocols::receiver::protocol::Receiver<app::Echo, protocols::line::LineReceiver>\"],\"age_ms\":61000,\
         \"idle_ms\":250,\"bytes_in\":{bytes},\"bytes_out\":{bytes},\"reads\":3,\"unsent_bytes\":0,\
         \"deferred_calls\":0,\"reading\":\"owing\"}}"
    ))
    .unwrap()
}

fn stats(clock_ms: u64, slow: u64) -> Row {
    Row::from_json(&format!(
        "{{\"type\":\"stats\",\"thread\":0,\"clock_ms\":{clock_ms},\"connections\":2,\"opened\":{clock_ms},\"lingering\":0,\
         \"connectors\":0,\"ports\":1,\"refused\":0,\"evicted\":0,\"unsent_bytes\":0,\"timed_calls\":4,\
         \"deferred_calls\":0,\"jobs_running\":0,\"jobs_waiting\":0,\"turns\":{clock_ms},\"busy_us\":{},\
         \"slow_callbacks\":{slow},\"panics\":0}}",
        clock_ms * 500
    ))
    .unwrap()
}

fn slow(number: u64, running: bool) -> Row {
    Row::from_json(&format!(
        "{{\"type\":\"slow\",\"number\":{number},\"time\":\"2026-01-02T03:04:05.678Z\",\"thread\":0,\
         \"callback\":\"data_received\",\"name\":\"app::Echo\",\"connection\":\"0.2\",\"took_ms\":203,\
         \"running\":{running}}}"
    ))
    .unwrap()
}

fn end(command: &str) -> Row {
    Row::from_json(&format!("{{\"type\":\"end\",\"command\":\"{command}\"}}")).unwrap()
}

fn error(command: &str, error: &str) -> Row {
    Row::from_json(&format!("{{\"type\":\"error\",\"command\":\"{command}\",\"error\":\"{error}\"}}")).unwrap()
}

/// Two connections, of which the second does more, asked for twice.
fn dashboard() -> Dashboard {
    let mut dashboard = Dashboard::new("/run/app.sock".to_owned(), 100);
    dashboard.set_link(Link::Up);
    for time in [1_000, 2_000] {
        dashboard.answer(vec![stats(time, 0)], end("stats"));
        let rows = vec![connection(1, "10.0.0.1:40001", time), connection(2, "10.0.0.2:40002", time * 20)];
        dashboard.answer(rows, end("ps"));
        dashboard.answer(Vec::new(), end("slow"));
    }
    dashboard
}

fn press(dashboard: &mut Dashboard, keys: impl IntoIterator<Item = Key>) -> Option<Action> {
    keys.into_iter().map(|key| dashboard.key(key)).last().flatten()
}

fn typed(text: &str) -> Vec<Key> {
    text.chars().map(Key::Char).chain([Key::Enter]).collect()
}

#[test]
fn connections_are_listed_with_their_rates_and_those_that_do_most_first() {
    let shown = screen(&dashboard(), 120, 20);
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[0].starts_with(" reactor-top  /run/app.sock"), "{shown}");
    assert!(lines[1].contains("busy") && lines[1].contains("50.0 %"), "{shown}");
    assert!(lines[4].contains("1 Connections 2") && lines[4].contains("by bytes a second"), "{shown}");
    assert!(lines[6].starts_with("0.2") && lines[7].starts_with("0.1"), "{shown}");
    let fields: Vec<_> = lines[6].split_whitespace().collect();
    let expected = [
        "0.2",
        "10.0.0.2:40002",
        "Echo",
        "+1",
        "1m01s",
        "250ms",
        "20.0k",
        "20.0k",
        "█",
        "40.0k",
        "40.0k",
        "0",
        "owing",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn a_narrow_screen_leaves_columns_out_and_a_tiny_one_harms_nothing() {
    let shown = screen(&dashboard(), 40, 12);
    let line = shown.lines().find(|line| line.starts_with("0.2")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["0.2", "10.0.0.2:40002", "20.0k", "20.0k"]);
    let mut dashboard = dashboard();
    for key in [Key::Enter, Key::Char('2'), Key::Char('3'), Key::Char('?'), Key::Char('?'), Key::Char('1')] {
        for (columns, rows) in [(1, 1), (3, 2), (10, 5), (300, 3)] {
            screen(&dashboard, columns, rows);
        }
        dashboard.key(key);
    }
}

#[test]
fn names_of_others_are_shown_and_not_obeyed() {
    let mut dashboard = dashboard();
    dashboard.answer(vec![connection(9, "\u{1b}[2J\u{202e}x", 0)], end("ps"));
    dashboard.key(Key::Enter);
    let shown = screen(&dashboard, 120, 20);
    assert!(shown.contains("\\x1b[2J\\u{202e}x"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn a_connection_stays_selected_when_the_order_changes_and_its_details_are_shown() {
    let mut dashboard = dashboard();
    press(&mut dashboard, [Key::Down, Key::Enter]);
    assert!(screen(&dashboard, 100, 20).contains(" 0.1 "));
    dashboard.answer(vec![stats(3_000, 0)], end("stats"));
    dashboard.answer(vec![connection(2, "b", 40_000), connection(1, "a", 90_000)], end("ps"));
    let shown = screen(&dashboard, 100, 20);
    assert_eq!(dashboard.selected_row(), Some(0));
    assert!(shown.contains("IdleTimeout<Echo> › Receiver<Echo, LineReceiver>"), "{shown}");
    assert!(shown.contains("accepted at 127.0.0.1:7"), "{shown}");
}

#[test]
fn the_selected_row_is_always_on_the_screen() {
    let mut dashboard = dashboard();
    dashboard.answer((1..=100).map(|number| connection(number, "peer", 0)).collect(), end("ps"));
    for key in [Key::End, Key::Up, Key::PageUp, Key::Home, Key::PageDown, Key::Down] {
        dashboard.key(key);
        let id = format!("{} ", dashboard.selected().unwrap().id);
        let shown = screen(&dashboard, 100, 20);
        assert!(shown.lines().any(|line| line.starts_with(&id)), "{id} after {key:?}: {shown}");
    }
}

#[test]
fn filters_and_orders_are_the_consoles() {
    let mut dashboard = dashboard();
    press(&mut dashboard, [Key::Char('/')]);
    let action = press(&mut dashboard, typed("10.0.0 idle_ms>5"));
    assert_eq!(action, Some(Action::Poll));
    assert_eq!(dashboard.questions()[1], "ps peer=10.0.0 idle_ms>5 sort=bytes_out limit=100");
    assert!(screen(&dashboard, 100, 20).contains("only peer=10.0.0 idle_ms>5"));
    assert_eq!(dashboard.key(Key::Char('s')), Some(Action::Poll));
    assert!(dashboard.questions()[1].contains("sort=bytes_in"));
    dashboard.answer(Vec::new(), error("ps", "idle_ms: expected a number"));
    assert!(screen(&dashboard, 100, 20).contains("ps: idle_ms: expected a number"));
    assert_eq!(dashboard.connections.len(), 2, "what was known stays");
    assert_eq!(dashboard.key(Key::Escape), Some(Action::Poll));
    assert_eq!(dashboard.questions()[1], "ps  sort=bytes_in limit=100");
}

#[test]
fn a_slow_callback_is_told_when_it_comes_and_leads_to_its_connection() {
    let mut dashboard = dashboard();
    dashboard.answer(vec![slow(1, true)], end("slow"));
    let shown = screen(&dashboard, 100, 20);
    assert!(shown.contains("data_received of Echo, connection 0.2, has run for 203 ms"), "{shown}");
    press(&mut dashboard, [Key::Char('2')]);
    assert!(screen(&dashboard, 100, 20).contains("203 ms…"));
    dashboard.answer(vec![slow(1, false)], end("slow"));
    assert_eq!(dashboard.message, None, "the same one is not told again");
    press(&mut dashboard, [Key::Char('1'), Key::Down, Key::Char('2'), Key::Enter]);
    assert_eq!(dashboard.selected().unwrap().id.to_string(), "0.2");
}

#[test]
fn what_was_slow_before_is_not_told() {
    let mut dashboard = Dashboard::new(String::new(), 1);
    dashboard.answer(vec![slow(5, false)], end("slow"));
    assert_eq!(dashboard.message, None);
    dashboard.set_link(Link::Down("gone".to_owned()));
    dashboard.answer(vec![slow(1, false)], end("slow"));
    dashboard.answer(vec![slow(1, false), slow(2, false)], end("slow"));
    assert!(dashboard.message.unwrap().text.contains("took 203 ms"));
}

#[test]
fn closing_and_draining_are_asked_about() {
    let mut dashboard = dashboard();
    press(&mut dashboard, [Key::Char('c')]);
    assert!(screen(&dashboard, 100, 20).contains("close 0.2?"));
    assert_eq!(press(&mut dashboard, [Key::Char('n')]), None);
    assert_eq!(press(&mut dashboard, [Key::Char('c'), Key::Char('y')]), Some(Action::Send("close 0.2".to_owned())));
    assert_eq!(press(&mut dashboard, [Key::Char('c'), Key::Char('a')]), Some(Action::Send("close 0.2 now".to_owned())));
    let port = "{\"type\":\"port\",\"host\":\"127.0.0.1:7\",\"kind\":\"stream\",\"state\":\"listening\",\"connections\":2,\
                \"pending\":0,\"waits\":0,\"refused\":{\"no_descriptor\":0,\"connections\":3,\"per_peer\":0,\"pending\":0,\
                \"pending_per_peer\":0,\"budget\":0,\"displaced\":1}}";
    dashboard.answer(vec![Row::from_json(port).unwrap()], end("ports"));
    press(&mut dashboard, [Key::Char('3')]);
    assert!(screen(&dashboard, 100, 20).contains("3 full, 1 displaced"));
    let action = press(&mut dashboard, [Key::Char('d'), Key::Char('y')]);
    assert_eq!(action, Some(Action::Send("drain 127.0.0.1:7".to_owned())));
}

#[test]
fn a_trace_shows_both_directions_and_why_it_has_ended() {
    let mut dashboard = dashboard();
    assert!(matches!(dashboard.key(Key::Char('t')), Some(Action::Trace(_))));
    for (event, rest) in [
        ("received", ",\"data\":\"hi\\\\r\\\\n\",\"bytes\":4"),
        ("sent", ",\"data\":\"ho\",\"bytes\":2"),
        ("left_out", ",\"events\":7"),
        ("lost", ",\"reason\":\"the peer closed the connection\""),
    ] {
        let row = format!(
            "{{\"type\":\"traffic\",\"time\":\"2026-01-02T03:04:05.678Z\",\"connection\":\"0.2\",\"event\":\"{event}\"{rest}}}"
        );
        dashboard.traced(Some(Row::from_json(&row).unwrap()));
    }
    dashboard.traced(Some(end("trace")));
    let shown = screen(&dashboard, 100, 20);
    for text in ["03:04:05.678", "◂ hi\\r\\n", "▸ ho", "7 more came faster", "lost: the peer closed", "has ended"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert_eq!(dashboard.key(Key::Escape), Some(Action::EndTrace));
    assert!(dashboard.trace.is_none());
}

#[test]
fn a_console_that_is_away_or_silent_is_said_and_what_was_shown_stays() {
    let mut dashboard = dashboard();
    dashboard.set_link(Link::Silent(3));
    assert!(screen(&dashboard, 100, 20).contains("no answer for 3 s"));
    dashboard.set_link(Link::Down("no such file".to_owned()));
    let shown = screen(&dashboard, 100, 20);
    assert!(shown.contains("not connected: no such file") && shown.contains("10.0.0.2:40002"), "{shown}");
}
