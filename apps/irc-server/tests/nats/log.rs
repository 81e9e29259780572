use std::time::Duration;

use irc_server::cluster::bus::Nats;
use irc_server::cluster::{Log, LogEntry, LogLimits, NodeName};
use reactor::Reactor;

use crate::node::run;
use crate::server::Server;

const LIMITS: LogLimits = LogLimits { age: Duration::from_secs(3600), bytes: 1 << 20, replicas: 1 };

async fn connect(reactor: &Reactor, url: &str) -> Nats {
    let node = NodeName::new("a").expect("it is a name");
    Nats::connect(reactor, url, "Test", node).await.expect("the URL is right")
}

fn record(number: u64, text: &'static str) -> LogEntry {
    LogEntry::Record { number, record: text.into() }
}

#[test]
fn what_was_appended_is_read_in_order_from_any_place() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let nats = connect(&reactor, &server.url()).await;
        let log = Log::new(&nats, LIMITS);
        let mut early = log.read_after(0);
        assert_eq!(log.append("1", "one".into()).await.unwrap(), 1);
        assert_eq!(log.append("2", "two".into()).await.unwrap(), 2);
        let mut late = log.read_after(1);
        assert_eq!(early.next().await, record(1, "one"));
        assert_eq!(early.next().await, record(2, "two"));
        assert_eq!(late.next().await, record(2, "two"));
        assert_eq!(log.append("3", "three".into()).await.unwrap(), 3);
        assert_eq!(late.next().await, record(3, "three"));
    });
}

#[test]
fn a_record_appended_twice_is_there_once() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let nats = connect(&reactor, &server.url()).await;
        let log = Log::new(&nats, LIMITS);
        for _ in 0..3 {
            assert_eq!(log.append("same", "text".into()).await.unwrap(), 1);
        }
        assert_eq!(log.append("other", "text".into()).await.unwrap(), 2);
    });
}

#[test]
fn what_was_acknowledged_outlives_a_server_that_is_killed() {
    let Some(mut server) = Server::start(&[]) else { return };
    let url = server.url();
    run(async |reactor| {
        let nats = connect(&reactor, &url).await;
        let log = Log::new(&nats, LIMITS);
        let mut reader = log.read_after(0);
        for number in 1..=20 {
            assert_eq!(log.append(&number.to_string(), "text".into()).await.unwrap(), number);
        }
        assert_eq!(reader.next().await, record(1, "text"));
        server.kill();
        server.start_again();
        assert_eq!(log.append("21", "text".into()).await.unwrap(), 21);
        for number in 2..=21 {
            assert_eq!(reader.next().await, record(number, "text"));
        }
    });
}

#[test]
fn a_log_that_was_cut_off_is_told() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let nats = connect(&reactor, &server.url()).await;
        let log = Log::new(&nats, LogLimits { bytes: 1000, ..LIMITS });
        for number in 1..=50 {
            assert_eq!(log.append(&number.to_string(), vec![b'x'; 100].into()).await.unwrap(), number);
        }
        let mut reader = log.read_after(3);
        let LogEntry::CutOff { oldest } = reader.next().await else { panic!("most of it was cut off") };
        assert!((40..=50).contains(&oldest), "{oldest}");
        for expected in oldest..=50 {
            assert_eq!(reader.next().await, LogEntry::Record { number: expected, record: vec![b'x'; 100].into() });
        }
    });
}

#[test]
fn a_log_that_was_deleted_begins_anew() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let nats = connect(&reactor, &server.url()).await;
        let log = Log::new(&nats, LIMITS);
        assert_eq!(log.append("1", "one".into()).await.unwrap(), 1);
        let mut reader = log.read_after(100);
        assert_eq!(reader.next().await, LogEntry::BeganAnew);
        assert_eq!(reader.next().await, record(1, "one"));
    });
}
