//! The numbers that `time-server` has for Prometheus.

use std::io::Write as _;
use std::process::Command;

use crate::apps::net;
use crate::apps::peers::script;
use crate::apps::program::Program;
use crate::apps::tools::is_there;

#[test]
fn prometheus_reads_what_all_threads_have_counted() {
    let test = "prometheus_reads_what_all_threads_have_counted";
    let import = ["-c", "import prometheus_client"];
    if !is_there("Prometheus's client for Python", Command::new("python3").args(import), test) {
        return;
    }
    let options = ["--threads", "2", "--tcp", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let mut server = Program::app("time-server", options);
    let address = server.line_after("waiting for connection... tcp ").parse().unwrap();
    let url = server.line_after("waiting for connection... metrics ");
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/metrics"), "{url}");
    let mut clients: Vec<_> = (0..4).map(|_| net::connect(address)).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
        net::read(client, 1);
    }
    let names = ["time_server_messages_total", "time_server_received_bytes_total", "reactor_connections"];
    let ended = Program::start(script("metrics.py").arg(&url).args(names)).finish().with_code(0);
    for format in ["application/openmetrics-text", "text/plain"] {
        for sample in ["time_server_messages_total 4", "time_server_received_bytes_total 20"] {
            assert!(ended.stdout.contains(&format!("{format} {sample}\n")), "{}", ended.stdout);
        }
        let threads =
            ended.stdout.lines().filter_map(|line| line.strip_prefix(&format!("{format} reactor_connections thread=")));
        // The four, and the one that asks.
        let count: f64 = threads.map(|line| line.split_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
        assert_eq!(count, 5., "{}", ended.stdout);
    }
}
