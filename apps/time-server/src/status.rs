//! What the server does, for a page that shows it: totals, and nobody's address.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocols::web_socket::http::StatusCode;
use protocols::web_socket::{WebSocket, WebSocketHandle, WebSocketHandler};
use reactor::Reactor;
use reactor::inspect::Stats;

use crate::journal::Journal;

/// Web sockets that tell the numbers every second, up to 100 at a time on a thread.
pub(crate) fn web_socket(journal: &Arc<Journal>) -> WebSocket {
    let (journal, seat) = (Arc::clone(journal), Rc::new(()));
    WebSocket::messages(move |socket, _| {
        if Rc::strong_count(&seat) > MOST_PAGES {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        Ok(Reporter { began: socket.reactor().now(), socket, journal: Arc::clone(&journal), _seat: Rc::clone(&seat) })
    })
}

struct Reporter {
    socket: WebSocketHandle,
    journal: Arc<Journal>,
    began: Instant,
    _seat: Rc<()>,
}

impl WebSocketHandler for Reporter {
    fn connection_made(&mut self) {
        let tell = |this: &mut Self, tick| {
            let reactor = this.socket.reactor();
            // No second one meanwhile: a thread may hang.
            this.socket.defer(ask_all(reactor), move |this: &mut Self, numbers| {
                // A page that does not read is told when it does.
                if !this.socket.transport().is_full() {
                    this.socket.send_text(this.report(&numbers));
                }
                drop(tick);
            });
        };
        self.socket.call_every(Duration::from_secs(1), tell).now();
    }

    fn text_received(&mut self, _text: &str) {}

    fn bytes_received(&mut self, _data: &[u8]) {}
}

impl Reporter {
    /// An object in JSON.
    fn report(&self, Numbers { threads, sum, wait, at }: &Numbers) -> String {
        let Stats { connections, opened, ports, unsent_bytes, timed_calls, turns, slow_callbacks, panics, .. } = sum;
        let at = at.saturating_duration_since(self.began);
        let (at, busy, wait) = (at.as_secs_f64(), sum.busy.as_secs_f64(), wait.as_secs_f64());
        let (messages, bytes) = (self.journal.received.messages.get(), self.journal.received.bytes.get());
        let (refused, evicted) = (sum.refusals.total(), sum.evicted);
        format!(
            "{{\"at\":{at:.3},\"threads\":{threads},\"connections\":{connections},\"opened\":{opened},\"ports\":{ports},\
             \"refused\":{refused},\"evicted\":{evicted},\"unsent\":{unsent_bytes},\"timers\":{timed_calls},\
             \"turns\":{turns},\"busy\":{busy:.6},\"wait\":{wait:.6},\"slow\":{slow_callbacks},\"panics\":{panics},\
             \"messages\":{messages},\"bytes\":{bytes}}}"
        )
    }
}

/// Of all threads, at one moment.
struct Numbers {
    threads: usize,
    sum: Stats,
    /// The longest that a thread took until it answered: what any client would have waited.
    wait: Duration,
    at: Instant,
}

async fn ask_all(reactor: Reactor) -> Numbers {
    let mut numbers = Numbers { threads: 0, sum: Stats::default(), wait: Duration::ZERO, at: reactor.now() };
    for (_, thread) in reactor.threads() {
        let asked = reactor.now();
        if let Some((stats, answered)) = thread.ask(|reactor| (reactor.stats(), reactor.now())).await {
            numbers.threads += 1;
            numbers.sum += stats;
            numbers.wait = numbers.wait.max(answered.saturating_duration_since(asked));
        }
    }
    numbers
}

/// Each has every thread look at all its connections once a second.
const MOST_PAGES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    use reactor::share;
    use reactor::testing::StringTransport;

    use crate::arguments::Format;

    const REQUEST: &str = "GET /status/socket HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[test]
    fn totals_are_told_at_once_and_every_second_to_a_hundred_and_no_address() {
        let journal = Arc::new(Journal::open(false, Format::Text).unwrap());
        let factory = share(web_socket(&journal));
        let mut pages: Vec<_> = (0..MOST_PAGES).map(|_| StringTransport::connect(factory.clone())).collect();
        for page in &mut pages {
            page.receive(REQUEST);
            let answer = page.take_written();
            assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", answer.escape_ascii());
        }
        let mut one_more = StringTransport::connect(factory.clone());
        one_more.receive(REQUEST);
        assert!(one_more.take_written().starts_with(b"HTTP/1.1 503 "));
        // Its place is free again.
        pages.pop();
        one_more = StringTransport::connect(factory);
        one_more.receive(REQUEST);
        journal.received(&one_more.transport().peer(), b"hello");
        one_more.take_written();
        for _ in 0..3 {
            one_more.advance(Duration::from_secs(1));
            let told = one_more.take_written();
            let told = String::from_utf8_lossy(&told[2..]).into_owned();
            let told = &told[told.find('{').unwrap()..];
            let report: serde_json::Value = serde_json::from_str(told).unwrap();
            assert_eq!((&report["messages"], &report["bytes"]), (&1.into(), &5.into()));
            assert!(report.as_object().unwrap().values().all(serde_json::Value::is_number), "{told}");
        }
    }
}
