use std::time::{Duration, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use reactor::CloseReason;
use reactor::testing::{Simulation, StringTransport, every_cut};

use super::*;
use crate::remote_end::RemoteEnd;
use crate::wire::Echo;

/// The metrics of a program that has counted to 7.
fn metrics() -> Metrics {
    let mut registry = Registry::default();
    let orders = Counter::<u64>::default();
    registry.register("orders", "The \"orders\"", orders.clone());
    orders.inc_by(7);
    Metrics::new(registry)
}

/// The answer of a server that has another port, and one client there.
fn ask(request: &str) -> (String, String) {
    let sim = Simulation::new(1);
    let (server, client) = (sim.host("server"), RemoteEnd::default());
    server.listen_tcp(7, Echo::new).unwrap();
    server.listen_tcp(9100, metrics()).unwrap();
    sim.host("echoed").connect_tcp("server:7", RemoteEnd::default().factory());
    sim.run_for(Duration::from_secs(1));
    sim.host("client").connect_tcp("server:9100", client.factory());
    sim.run_until(|| client.is_connected());
    client.transport().write(request);
    sim.run_for(Duration::from_secs(1));
    assert!(client.has_eof(), "each connection has one answer");
    let answer = String::from_utf8(client.received()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert!(body.is_empty() || length == body.len().to_string(), "{answer}");
    (head.to_owned(), body.to_owned())
}

fn get(target: &str, fields: &str) -> (String, String) {
    ask(&format!("GET {target} HTTP/1.1\r\nHost: here\r\n{fields}\r\n"))
}

#[test]
fn one_that_asks_for_openmetrics_gets_it_with_types_units_and_an_end() {
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2\r\n";
    let (head, body) = get("/metrics", accept);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0"), "{head}");
    for lines in [
        "# HELP reactor_connections Connections that are open.\n# TYPE reactor_connections gauge\n\
         reactor_connections{thread=\"0\"} 2\n",
        "# TYPE reactor_connections_opened counter\nreactor_connections_opened_total{thread=\"0\"} 2\n",
        "# TYPE reactor_busy_seconds counter\n# UNIT reactor_busy_seconds seconds\n\
         reactor_busy_seconds_total{thread=\"0\"} 0.0\n",
        "# TYPE reactor_unsent_bytes gauge\n# UNIT reactor_unsent_bytes bytes\n",
        "reactor_refusals_total{thread=\"0\",reason=\"per_peer\"} 0\n",
        "reactor_jobs{thread=\"0\",state=\"waiting\"} 0\n",
        "# TYPE reactor_evictions counter\nreactor_evictions_total 0\n",
        "# TYPE reactor_build info\nreactor_build_info{version=\"0.1.0\"} 1\n",
        "# TYPE orders counter\norders_total 7\n# EOF\n",
    ] {
        assert!(body.contains(lines), "{lines}\n{body}");
    }
    assert_eq!(body.matches("# EOF").count(), 1);
    assert!(body.ends_with("# EOF\n"));
}

#[test]
fn others_get_the_text_format_of_prometheus() {
    for fields in ["", "Accept: */*\r\n", "Accept: text/html, text/plain\r\n"] {
        let (head, body) = get("/metrics?all", fields);
        assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
        assert!(body.contains("# TYPE orders_total counter\norders_total 7\n") && !body.contains("EOF"), "{body}");
        assert!(body.contains("# TYPE reactor_build_info gauge\n"), "{body}");
    }
}

#[test]
fn the_start_of_the_process_is_a_little_before_now() {
    let mut wire = StringTransport::connect(metrics());
    wire.receive("GET /metrics HTTP/1.1\r\n\r\n");
    let page = wire.written_text();
    let started = page.lines().find_map(|line| line.strip_prefix("process_start_time_seconds ")).unwrap();
    let now = wire.reactor().time_of_day().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    // The tests have not run for a day.
    assert!((now - 86_400. ..=now).contains(&started.parse().unwrap()), "{started} {now}");
}

#[test]
fn a_request_by_head_has_the_length_and_no_body_and_others_are_refused() {
    let (head, body) = ask("HEAD /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("Content-Length: 0"), "{head}");
    assert_eq!(body, "");
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "405 Method Not Allowed"),
        ("GET /metrics\r\n\r\n", "400 Bad Request"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", "400 Bad Request"),
        (&format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65)), "431 "),
        (&format!("GET /metrics HTTP/1.1\r\nA: {}", "x".repeat(9_000)), "431 "),
    ] {
        let (head, body) = ask(request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {head}");
        assert!(body.len() > 10 && body.ends_with('\n'), "{body}");
        assert_eq!(head.contains("\r\nAllow: GET, HEAD\r\n"), status.starts_with("405"), "{head}");
    }
}

#[test]
fn the_answer_does_not_depend_on_how_the_request_is_cut() {
    every_cut("GET /no HTTP/1.1\r\nHost: here\r\n\r\nmore", |pieces| {
        let mut wire = StringTransport::connect(metrics());
        for piece in pieces {
            wire.receive(piece);
        }
        (wire.take_written(), wire.close_reason().is_some_and(|reason| reason.is_clean()))
    });
}

#[test]
fn a_client_that_does_not_ask_or_does_not_take_its_answer_in_time_is_reset() {
    for (request, patience) in [("GET /metrics HTTP/1.1\r\n", 10), ("GET /no HTTP/1.1\r\n\r\n", 60)] {
        let mut wire = StringTransport::connect(metrics());
        wire.stall(true);
        wire.receive(request);
        wire.advance(Duration::from_secs(patience - 1));
        assert!(wire.close_reason().is_none(), "{request}");
        wire.advance(Duration::from_secs(1));
        assert!(wire.was_reset() && matches!(wire.close_reason(), Some(CloseReason::TimedOut)), "{request}");
    }
}
