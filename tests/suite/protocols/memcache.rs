//! The memcache client with a real memcached.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use futures_util::future::join_all;
use protocols::memcache::{MemcacheClient, MemcacheError};

use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::support::{PATIENCE, in_time, test_reactor};

fn memcached(test: &str) -> bool {
    is_there("memcached", Command::new("memcached").arg("-V"), test)
}

/// A server at a port that the system has chosen.
#[track_caller]
fn serve() -> (Program, SocketAddr) {
    let directory = tempfile::tempdir().unwrap();
    let told = directory.path().join("port");
    let mut command = Command::new("memcached");
    command.args(["-vv", "-u", "root", "-l", "127.0.0.1", "-p", "-1"]).env("MEMCACHED_PORT_FILENAME", &told);
    let mut server = Program::start(&mut command);
    server.stderr_line_with("server listening");
    // It does not report the port that it chooses.
    let deadline = rig::now() + PATIENCE;
    while !told.exists() {
        assert!(rig::now() < deadline, "memcached does not tell its port");
        thread::yield_now();
    }
    let text = fs::read_to_string(told).unwrap();
    let port = text.trim().strip_prefix("TCP INET: ").and_then(|port| port.parse().ok()).expect(&text);
    (server, SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Connects to a server of the test's own, talks, and closes.
#[track_caller]
fn talk(talk: impl AsyncFnOnce(MemcacheClient, Program) + Send + 'static) {
    let (server, address) = serve();
    in_time(move || {
        let reactor = test_reactor();
        let connector = reactor.connect_tcp(address, MemcacheClient::factory(|_| {}));
        let talked = async move {
            let connected = connector.connected().await.expect("to connect");
            let client: MemcacheClient = connected.handle().expect("a client of memcache");
            talk(client.clone(), server).await;
            client.lose_connection();
            connector.finished().await.expect("it was connected");
        };
        reactor.run_until(talked).unwrap();
    });
}

async fn value(memcache: &MemcacheClient, key: &str) -> Option<Vec<u8>> {
    memcache.get(key).await.unwrap().map(|item| item.value.to_vec())
}

#[test]
fn values_are_stored_found_changed_and_deleted() {
    if !memcached("values_are_stored_found_changed_and_deleted") {
        return;
    }
    talk(async |memcache: MemcacheClient, _server| {
        assert_eq!(memcache.get("k").await.unwrap(), None);
        assert!(!memcache.replace("k", b"v", 0, None).await.unwrap());
        assert!(!memcache.append("k", b"v").await.unwrap());
        assert!(memcache.add("k", b"v", 42, None).await.unwrap());
        assert!(!memcache.add("k", b"w", 0, None).await.unwrap());
        let item = memcache.get("k").await.unwrap().unwrap();
        assert_eq!((&item.value[..], item.flags), (&b"v"[..], 42));

        assert!(memcache.append("k", b">").await.unwrap());
        assert!(memcache.prepend("k", b"<").await.unwrap());
        assert_eq!(value(&memcache, "k").await.unwrap(), b"<v>");
        assert!(!memcache.check_and_set("k", b"late", item.cas, 0, None).await.unwrap());
        let item = memcache.get("k").await.unwrap().unwrap();
        assert!(memcache.check_and_set("k", b"in time", item.cas, 0, None).await.unwrap());
        assert!(!memcache.check_and_set("none", b"", item.cas, 0, None).await.unwrap());
        assert_eq!(value(&memcache, "k").await.unwrap(), b"in time");

        let long = "k".repeat(250);
        let anything: Vec<u8> = (0..=255).cycle().take(1_000_000).chain(*b"\r\nEND\r\n").collect();
        assert!(memcache.set(&long, &anything, u32::MAX, None).await.unwrap());
        assert!(memcache.set("empty", b"", 0, None).await.unwrap());
        let found = memcache.get_multiple(&["k", &long, "none", "empty", "k"]).await.unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["empty", "k", &long]);
        assert!(found[&long].value == anything && found[&long].flags == u32::MAX);
        assert!(found["empty"].value.is_empty());

        assert!(memcache.delete("k").await.unwrap());
        assert!(!memcache.delete("k").await.unwrap());
        assert!(memcache.flush_all().await.unwrap());
        assert_eq!(memcache.get(&long).await.unwrap(), None);
    });
}

#[test]
fn numbers_are_counted_up_and_down() {
    if !memcached("numbers_are_counted_up_and_down") {
        return;
    }
    talk(async |memcache: MemcacheClient, _server| {
        assert_eq!(memcache.increment("n", 1).await.unwrap(), None);
        memcache.set("n", b"9", 0, None).await.unwrap();
        assert_eq!(memcache.increment("n", 3).await.unwrap(), Some(12));
        assert_eq!(memcache.decrement("n", 5).await.unwrap(), Some(7));
        assert_eq!(memcache.decrement("n", 100).await.unwrap(), Some(0));
        assert_eq!(memcache.increment("n", u64::MAX).await.unwrap(), Some(u64::MAX));
        assert_eq!(memcache.increment("n", 2).await.unwrap(), Some(1));
        memcache.set("n", b"nine", 0, None).await.unwrap();
        let error = memcache.increment("n", 1).await.unwrap_err();
        assert!(matches!(&error, MemcacheError::ClientError(text) if text.contains("non-numeric")), "{error}");
        assert_eq!(value(&memcache, "n").await.unwrap(), b"nine");
    });
}

#[test]
fn items_expire_when_they_are_to() {
    if !memcached("items_expire_when_they_are_to") {
        return;
    }
    talk(async |memcache: MemcacheClient, _server| {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        let at_once = Some(Duration::ZERO);
        for (expires, is_there) in [(None, true), (at_once, false), (days(30), true), (days(31), true)] {
            memcache.set("k", b"v", 0, expires).await.unwrap();
            assert_eq!(value(&memcache, "k").await.is_some(), is_there, "{expires:?}");
        }
        memcache.set("k", b"v", 0, Some(Duration::MAX)).await.unwrap();
        assert_eq!(value(&memcache, "k").await.unwrap(), b"v");
        assert!(memcache.touch("k", days(1)).await.unwrap());
        assert_eq!(value(&memcache, "k").await.unwrap(), b"v");
        assert!(memcache.touch("k", at_once).await.unwrap());
        assert_eq!(value(&memcache, "k").await, None);
        assert!(!memcache.touch("k", None).await.unwrap());
    });
}

#[test]
fn requests_that_are_sent_at_once_are_answered_each() {
    if !memcached("requests_that_are_sent_at_once_are_answered_each") {
        return;
    }
    talk(async |memcache: MemcacheClient, _server| {
        let keys: Vec<_> = (0..1000).map(|n| format!("key-{n}")).collect();
        let stored = keys.iter().map(|key| memcache.set(key, key.as_bytes(), 0, None)).collect::<Vec<_>>();
        let found = keys.iter().map(|key| memcache.get(key)).collect::<Vec<_>>();
        let all = memcache.get_multiple(&keys.iter().map(|key| &**key).collect::<Vec<_>>());
        assert!(join_all(stored).await.into_iter().all(Result::unwrap));
        for (key, item) in keys.iter().zip(join_all(found).await) {
            assert_eq!(item.unwrap().unwrap().value, key.as_bytes());
        }
        assert_eq!(all.await.unwrap().len(), 1000);
    });
}

#[test]
fn the_server_tells_about_itself() {
    if !memcached("the_server_tells_about_itself") {
        return;
    }
    talk(async |memcache: MemcacheClient, _server| {
        let (stats, version) = (memcache.stats().await.unwrap(), memcache.version().await.unwrap());
        assert_eq!(stats["version"], version);
        assert_eq!(stats["curr_items"], "0");
    });
}

#[test]
fn what_the_server_refuses_leaves_the_others_alone() {
    if !memcached("what_the_server_refuses_leaves_the_others_alone") {
        return;
    }
    talk(async |memcache: MemcacheClient, _server| {
        let large = memcache.set("large", &vec![b'\n'; 1 << 20], 0, None);
        let version = memcache.version();
        let error = large.await.unwrap_err();
        assert!(matches!(&error, MemcacheError::ServerError(text) if text.contains("too large")), "{error}");
        assert!(!version.await.unwrap().is_empty());
    });
}

#[test]
fn a_server_that_goes_away_fails_what_it_was_asked() {
    if !memcached("a_server_that_goes_away_fails_what_it_was_asked") {
        return;
    }
    talk(async |memcache: MemcacheClient, server| {
        memcache.version().await.unwrap();
        drop(server);
        let error = memcache.version().await.unwrap_err();
        assert!(matches!(error, MemcacheError::ConnectionLost(_)), "{error}");
        let error = memcache.get("k").await.unwrap_err();
        assert!(matches!(error, MemcacheError::ConnectionLost(_)), "{error}");
    });
}
