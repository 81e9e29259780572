use std::cell::Cell;
use std::io::Write as _;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use protocols::irc::IrcReceiver;
use reactor::Reactor;
use tokio::task::yield_now;

use super::node;
use crate::connection::{Hub, Session};
use crate::settings::Settings;

#[test]
fn a_client_that_sends_many_lines_at_once_lets_the_others_have_their_turn() {
    let reactor = Reactor::new().unwrap();
    let mut settings = Settings::default();
    settings.flood.interval = Duration::ZERO;
    let node = node(&reactor, settings, Arc::default());
    let hub = Hub::new(&node, &reactor);
    let port = reactor.listen_tcp("127.0.0.1:0", IrcReceiver::factory(move |irc| Session::new(&hub, irc))).unwrap();
    let mut client = TcpStream::connect(port.host().to_string()).unwrap();
    client.write_all("PING x\r\n".repeat(1_000).as_bytes()).unwrap();
    // Another that always has something to do.
    let (lines, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (counted, at_once, done) = (Rc::clone(&lines), Rc::clone(&most), reactor.clone());
    reactor.spawn(async move {
        while counted.get() < 1_000 {
            yield_now().await;
            let now = node.numbers().lines_received;
            at_once.set(at_once.get().max(now - counted.replace(now)));
        }
        done.stop();
    });
    let deadline = reactor.clone();
    reactor.call_later(Duration::from_secs(60), move || deadline.stop());
    reactor.run().unwrap();
    assert_eq!(lines.get(), 1_000, "all are carried out in the end");
    assert!(most.get() < 100, "{} were carried out while another waited", most.get());
}
