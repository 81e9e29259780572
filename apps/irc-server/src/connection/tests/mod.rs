//! Clients of a server in the simulated network, with a store in memory.

mod accounts;
mod conversations;
mod turns;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use protocols::irc::IrcReceiver;
use reactor::Reactor;
use reactor::service::Service as _;
use reactor::testing::{Client, Simulation};

use crate::connection::{Hub, Node, Session, Upkeep};
use crate::server::Timestamp;
use crate::settings::{Listen, Settings, SettingsError};
use crate::store::Store;

/// A server on the host `server`, and its clients.
struct World {
    sim: Simulation,
    node: Node,
    /// What the settings will be when they are read again.
    next: Arc<Mutex<Option<Settings>>>,
    _upkeep: Rc<Upkeep>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let sim = Simulation::new(1);
        let reactor = sim.host("server");
        let next: Arc<Mutex<Option<Settings>>> = Arc::default();
        let node = node(&reactor, settings, Arc::clone(&next));
        let hub = Hub::new(&node, &reactor);
        let upkeep = Rc::new(Upkeep::new(&hub));
        let started = Rc::new(RefCell::new(false));
        let (starting, telling) = (Rc::clone(&upkeep), Rc::clone(&started));
        reactor.spawn(async move {
            starting.start().await.unwrap();
            telling.replace(true);
        });
        assert!(sim.run_until(|| *started.borrow()));
        reactor.listen_tcp(8080, hub.web(&Listen::default())).unwrap();
        reactor.listen_tcp(6667, IrcReceiver::factory(move |irc| Session::new(&hub, irc))).unwrap();
        Self { sim, node, next, _upkeep: upkeep }
    }

    /// A client on another host, which has said nothing yet.
    fn connect(&self) -> Talk<'_> {
        Talk { sim: &self.sim, client: self.sim.open("client", "server:6667") }
    }

    /// One on the server's own machine.
    fn connect_locally(&self) -> Talk<'_> {
        Talk { sim: &self.sim, client: self.sim.open("server", "localhost:6667") }
    }

    /// A client that has registered with these capabilities.
    fn user(&self, nick: &str, capabilities: &str) -> Talk<'_> {
        let talk = self.connect();
        talk.send(&format!("CAP REQ :{capabilities}"));
        talk.send(&format!("NICK {nick}"));
        talk.send(&format!("USER {nick} 0 * :{nick}"));
        talk.send("CAP END");
        talk.until(" 376 ");
        talk
    }
}

fn node(reactor: &Reactor, settings: Settings, next: Arc<Mutex<Option<Settings>>>) -> Node {
    let store = Store::open(reactor, None, settings.history.clone()).unwrap();
    let read_again = move || -> Result<Settings, SettingsError> { Ok(next.lock().unwrap().take().unwrap()) };
    Node::new(Arc::new(settings), store, read_again, Timestamp::of(reactor.time_of_day()))
}

/// A client, line by line.
struct Talk<'a> {
    sim: &'a Simulation,
    client: Client,
}

impl Talk<'_> {
    fn send(&self, line: &str) {
        self.client.send(format!("{line}\r\n"));
    }

    /// What comes up to a line that has this text.
    #[track_caller]
    fn until(&self, text: &str) -> Vec<String> {
        let has_come = || self.client.received_text().lines().any(|line| line.contains(text));
        let came = self.sim.run_until(|| has_come() || self.client.close_reason().is_some() && !has_come());
        assert!(came && has_come(), "no {text:?} in {}", self.client.received_text());
        self.client.take_received_text().lines().map(str::to_owned).collect()
    }

    /// The same, the line alone.
    #[track_caller]
    fn line(&self, text: &str) -> String {
        self.until(text).into_iter().find(|line| line.contains(text)).unwrap()
    }

    /// What comes within a while.
    fn within(&self, time: Duration) -> String {
        self.sim.run_for(time);
        self.client.take_received_text()
    }
}
