use std::cell::RefCell;

use irc_server::cluster::bus::Nats;
use irc_server::cluster::{Bucket, BucketEntry, NodeName};
use reactor::Reactor;

use crate::node::run;
use crate::server::Server;

async fn connect(reactor: &Reactor, url: &str) -> Nats {
    let node = NodeName::new("a").expect("it is a name");
    Nats::connect(reactor, url, "Test", node).await.expect("the URL is right")
}

fn entry(key: &str, revision: u64, value: Option<&'static str>) -> BucketEntry {
    BucketEntry { key: key.to_owned(), revision, value: value.map(Into::into) }
}

#[test]
fn who_changes_a_key_first_wins() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let [one, two] = [connect(&reactor, &server.url()).await, connect(&reactor, &server.url()).await];
        let one = Bucket::new(&one, 1).open().await.unwrap();
        let two = Bucket::new(&two, 1).open().await.unwrap();
        assert_eq!(one.created(), two.created());
        assert_eq!(one.get("a.1").await.unwrap(), entry("a.1", 0, None));
        assert_eq!(one.set("a.1", 0, Some("one".into())).await.unwrap(), Some(1));
        assert_eq!(two.set("a.1", 0, Some("two".into())).await.unwrap(), None);
        assert_eq!(two.get("a.1").await.unwrap(), entry("a.1", 1, Some("one")));
        assert_eq!(two.set("a.1", 1, None).await.unwrap(), Some(2));
        assert_eq!(one.set("a.1", 1, Some("late".into())).await.unwrap(), None);
        assert_eq!(one.get("a.1").await.unwrap(), entry("a.1", 2, None));
        assert_eq!(one.set("a.1", 2, Some("again".into())).await.unwrap(), Some(3));
    });
}

#[test]
fn who_watches_is_told_all_that_is_there_and_then_each_change() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let nats = connect(&reactor, &server.url()).await;
        let bucket = Bucket::new(&nats, 1).open().await.unwrap();
        bucket.put("a", "before".into()).await.unwrap();
        bucket.put("b", "kept".into()).await.unwrap();
        bucket.put("a", "after".into()).await.unwrap();
        let mut watch = bucket.watch().await.unwrap();
        assert_eq!(watch.next().await.unwrap(), entry("b", 2, Some("kept")));
        assert_eq!(watch.next().await.unwrap(), entry("a", 3, Some("after")));
        bucket.set("b", 2, None).await.unwrap();
        assert_eq!(watch.next().await.unwrap(), entry("b", 4, None));
        // What was forgotten is not told, to nobody, and is as if it had never been.
        bucket.forget("b", 4).await.unwrap();
        bucket.forget("a", 2).await.unwrap();
        assert_eq!(bucket.get("b").await.unwrap(), entry("b", 0, None));
        assert_eq!(bucket.get("a").await.unwrap(), entry("a", 3, Some("after")));
        bucket.put("c", "last".into()).await.unwrap();
        assert_eq!(watch.next().await.unwrap(), entry("c", 5, Some("last")));
    });
}

#[test]
fn what_was_set_outlives_a_server_that_is_killed_and_what_was_open_is_opened_anew() {
    let Some(server) = Server::start(&[]) else { return };
    let url = server.url();
    let server = RefCell::new(server);
    run(async |reactor| {
        let nats = connect(&reactor, &url).await;
        let bucket = Bucket::new(&nats, 1);
        let open = bucket.open().await.unwrap();
        open.put("a", "one".into()).await.unwrap();
        let mut watch = open.watch().await.unwrap();
        assert_eq!(watch.next().await.unwrap(), entry("a", 1, Some("one")));
        server.borrow_mut().kill();
        server.borrow_mut().start_again();
        assert!(watch.next().await.is_err());
        assert!(open.get("a").await.is_err() && open.set("a", 1, None).await.is_err());
        let again = bucket.open().await.unwrap();
        assert_eq!(again.created(), open.created());
        assert!(again.is_there().await.unwrap());
    });
}
