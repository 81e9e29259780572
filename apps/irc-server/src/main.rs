//! An IRC server: one program that needs nothing else, on one machine or on many.

use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use irc_server::connection::{Hub, Node, Session};
use irc_server::server::Timestamp;
use irc_server::settings::Settings;
use protocols::irc::IrcReceiver;
use reactor::Reactor;

fn main() -> io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(6667);
    let mut settings = Settings { server_name: "My.Little.Server".into(), ..Settings::default() };
    settings.flood.interval = Duration::ZERO;
    settings.limits.clients_per_address = 1_000_000;
    let reactor = Reactor::new()?;
    let now = reactor.time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
    let output = settings.limits.output_bytes;
    let node = Node::new(Arc::new(settings), Timestamp(now.as_millis() as u64));
    let hub = Hub::new(&node, &reactor, output);
    reactor.listen_tcp(port, IrcReceiver::factory(move |irc| Session::new(&hub, irc)))?;
    reactor.run()
}
