//! The conversation with a server over UDP.

use std::collections::VecDeque;
use std::io;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use reactor::address::Target;
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::{DelayedCall, Reactor};

use crate::console::{Console, Shown, Typed};
use crate::reply::is_whole_reply;

/// Prompts for lines and sends them to the first address of the target that does not refuse them, until they end.
pub(crate) async fn converse(reactor: &Reactor, target: &Target, console: &Rc<Console>) -> io::Result<()> {
    let cannot_reach = |error| io::Error::other(format!("cannot reach {target}: {error}"));
    let mut trouble = io::Error::from(ErrorKind::NotFound);
    let mut unsent = None;
    for address in reactor.resolve(target).await.map_err(cannot_reach)? {
        let (sender, ended) = oneshot::channel();
        let mut sender = Some(sender);
        let mut unsent_line = unsent.take();
        let console = Rc::clone(console);
        reactor.listen_udp(any_port_towards(address), move |transport| Conversation {
            transport,
            console: Rc::clone(&console),
            server: address,
            unsent: unsent_line.take(),
            waiting: None,
            earlier: VecDeque::new(),
            ended: sender.take(),
        })?;
        match ended.await {
            Ok(Ending::Finished) => return Ok(()),
            Ok(Ending::Failed(message)) => return Err(io::Error::other(message)),
            Ok(Ending::Unreachable { error, line }) => (trouble, unsent) = (error, line),
            Err(oneshot::Canceled) => return Err(io::Error::other("the port was closed")),
        }
    }
    Err(cannot_reach(trouble))
}

/// How the conversation with one address ended.
enum Ending {
    /// There are no more lines.
    Finished,
    Failed(String),
    /// Nothing can be sent to the address, for example this line.
    Unreachable {
        error: io::Error,
        line: Option<Vec<u8>>,
    },
}

/// Prompts for a line, sends it, shows the reply, and prompts for the next.
struct Conversation {
    transport: DatagramTransport,
    console: Rc<Console>,
    server: SocketAddr,
    /// A line typed earlier that another address refused.
    unsent: Option<Vec<u8>>,
    waiting: Option<SentLine>,
    /// Lines sent recently: their replies may be late, or come twice.
    earlier: VecDeque<Vec<u8>>,
    ended: Option<oneshot::Sender<Ending>>,
}

/// A line that was sent, until its reply arrives.
struct SentLine {
    line: Vec<u8>,
    patience: DelayedCall,
    sent: Instant,
}

const PATIENCE: Duration = Duration::from_secs(2);

/// The number of recent lines to remember.
const EARLIER: usize = 16;

impl Conversation {
    fn ask(&mut self) {
        self.transport.defer(self.console.ask(), |this: &mut Self, typed| match typed {
            // A newline is what can be told apart in a reply.
            Typed::Line(line) if line.is_empty() => this.send(vec![b'\n']),
            Typed::Line(line) => this.send(line),
            Typed::End => this.end(Ending::Finished),
            Typed::Failed(message) => this.end(Ending::Failed(message)),
        });
    }

    fn send(&mut self, line: Vec<u8>) {
        match self.transport.write_to_peer(&line) {
            Ok(()) => {
                let patience = self.transport.call_later(PATIENCE, Self::give_up);
                let sent = self.transport.reactor().now();
                self.waiting = Some(SentLine { line, patience, sent });
            }
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::WouldBlock) => {
                self.console.show(Shown::Notice(format!("cannot send the line: {error}")));
                self.ask();
            }
            Err(error) => self.end(Ending::Unreachable { error, line: Some(line) }),
        }
    }

    fn give_up(&mut self) {
        let notice = format!("no answer from {} within {} seconds", self.server, PATIENCE.as_secs());
        self.console.show(Shown::Notice(notice));
        self.next();
    }

    /// Finishes the last line and goes on.
    fn next(&mut self) {
        if let Some(SentLine { line, patience, .. }) = self.waiting.take() {
            patience.cancel();
            self.earlier.push_front(line);
            self.earlier.truncate(EARLIER);
        }
        self.ask();
    }

    fn end(&mut self, ending: Ending) {
        if let Some(ended) = self.ended.take() {
            // The receiver is gone if the program is ending anyway.
            let _ = ended.send(ending);
        }
        self.transport.stop_listening();
    }
}

impl DatagramProtocol for Conversation {
    fn start_protocol(&mut self) {
        let unsent = self.unsent.take();
        match (self.transport.connect(self.server), unsent) {
            (Err(error), line) => self.end(Ending::Unreachable { error, line }),
            (Ok(()), Some(line)) => self.send(line),
            (Ok(()), None) => {
                self.console.tell(format_args!("sending to {}", self.server));
                self.ask();
            }
        }
    }

    fn datagram_received(&mut self, data: &[u8], _peer: SocketAddr) {
        let Some(SentLine { line, sent, .. }) = &self.waiting else { return };
        if is_whole_reply(data, line) || !self.earlier.iter().any(|earlier| is_whole_reply(data, earlier)) {
            let reply = if line == b"\n" { data.strip_suffix(b"\n").unwrap_or(data) } else { data };
            self.console.show(Shown::Reply(reply.to_vec()));
            let took = self.transport.reactor().now().saturating_duration_since(*sent);
            self.console.tell(format_args!("that took {took:.2?}"));
            self.next();
        }
    }

    fn connection_refused(&mut self) {
        if let Some(SentLine { line, .. }) = self.waiting.take() {
            let error = io::Error::new(ErrorKind::ConnectionRefused, "connection refused");
            self.end(Ending::Unreachable { error, line: Some(line) });
        }
    }
}

fn any_port_towards(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
