use std::error::Error as _;
use std::pin::pin;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, mpsc};

use futures_util::future::{Either, join, join_all, select};
use tokio::runtime;

use super::*;

#[test]
fn address_literals_are_answered_without_a_thread() {
    let resolver = SystemResolver::new();
    for (host, expected) in [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7"), ("fe80::1%3", "[fe80::1%3]:7")] {
        let answer = resolver.resolve(host, 7).now_or_never();
        assert_eq!(answer.unwrap().unwrap(), [expected.parse().unwrap()]);
    }
}

#[test]
fn localhost_and_names_below_it_are_loopback_addresses_with_the_port_asked_for_and_nobody_is_asked() {
    let resolver = SystemResolver::asking(|name| panic!("{name} was asked for"));
    for host in ["localhost", "LOCALHOST.", "a.b.localhost"] {
        let addresses = block_on(resolver.resolve(host, 7)).unwrap();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 7));
    }
}

#[test]
fn names_under_invalid_are_not_known_and_nobody_is_asked() {
    for host in ["nowhere.invalid", "nowhere.INVALID.", "invalid"] {
        let error = SystemResolver::new().resolve(host, 7).now_or_never().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "name not known");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    assert!(!last_label_is("invalid.example", "invalid"));
    assert!(!last_label_is("notinvalid", "invalid"));
}

#[test]
fn what_the_system_says_is_the_source_of_our_sentence() {
    for (text, expected) in [
        ("Name or service not known", "name not known"),
        ("No address associated with hostname", "name not known"),
        ("Name does not resolve", "name not known"),
        ("Name has no usable address", "name not known"),
        ("nodename nor servname provided, or not known", "name not known"),
        ("Temporary failure in name resolution", "name lookup failed"),
        ("Try again", "name lookup failed"),
    ] {
        let text = format!("failed to lookup address information: {text}");
        let error = explain(io::Error::other(text.clone()));
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.source().unwrap().to_string(), text);
    }
}

#[test]
fn a_name_the_system_cannot_take_is_an_error() {
    let error = block_on(SystemResolver::new().resolve("local\0host", 7)).unwrap_err();
    assert_eq!(error.to_string(), "name lookup failed");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

/// A name server that is silent until the sender is dropped, and then says that every name is 192.0.2.1; with the names
/// that it was asked for.
fn silent() -> (SystemResolver, Sender<()>, Arc<Mutex<Vec<String>>>) {
    let (key, lock) = mpsc::channel::<()>();
    let (lock, asked) = (Mutex::new(lock), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&asked);
    let resolver = SystemResolver::asking(move |name| {
        seen.lock().unwrap().push(name.to_owned());
        // Only the thread with the lock learns that the key is gone; the others do next.
        let _ = lock.lock().unwrap().recv();
        Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))])
    });
    (resolver, key, asked)
}

/// The output of `future`, as long as these lookups have none.
async fn before<T>(lookups: &mut (impl Future + Unpin), future: impl Future<Output = T>) -> T {
    match select(lookups, pin!(future)).await {
        Either::Left(_) => unreachable!("the server is silent"),
        Either::Right((output, _)) => output,
    }
}

/// Polls until `condition` holds, with whatever the futures wait for going on meanwhile.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn equal_questions_under_way_are_one_and_localhost_waits_for_none() {
    block_on(async {
        let (resolver, key, asked) = silent();
        let names: Vec<_> = (0..2 * THREADS).map(|number| format!("name{number}.example")).collect();
        let mut slow = join_all(names.iter().map(|name| resolver.resolve(name, 1)));
        let mut equal = join_all((1..=3).map(|port| resolver.resolve("Name0.Example", port)));
        let mut waiting = join(&mut slow, &mut equal);
        before(&mut waiting, until(|| asked.lock().unwrap().len() == THREADS)).await;
        assert!(resolver.resolve("localhost", 7).await.is_ok());
        drop(key);
        let ports: Vec<_> = equal.await.into_iter().map(|answer| answer.unwrap()[0].port()).collect();
        assert_eq!(ports, [1, 2, 3]);
        assert!(slow.await.iter().all(Result::is_ok));
        assert_eq!(asked.lock().unwrap().len(), 2 * THREADS, "each name once");
    });
}

#[test]
fn a_question_that_nobody_waits_for_any_more_is_not_asked_and_keeps_no_other_waiting() {
    block_on(async {
        let (resolver, key, asked) = silent();
        let stuck: Vec<_> = (0..THREADS).map(|number| format!("stuck{number}.example")).collect();
        let mut stuck = join_all(stuck.iter().map(|name| resolver.resolve(name, 1)));
        before(&mut stuck, until(|| asked.lock().unwrap().len() == THREADS)).await;
        let mut given_up = resolver.resolve("given.up.example", 1);
        assert!(before(&mut given_up, resolver.resolve("localhost", 1)).await.is_ok());
        drop(given_up);
        drop(key);
        assert!(resolver.resolve("wanted.example", 1).await.is_ok());
        let asked = asked.lock().unwrap();
        assert!(asked.contains(&"wanted.example".to_owned()) && !asked.contains(&"given.up.example".to_owned()));
    });
}

fn block_on<F: Future>(future: F) -> F::Output {
    runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
