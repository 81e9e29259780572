//! Two ways to a guest book on one port: a line protocol to write to it, a web server to read it. The first line tells which
//! of them a client wants. With a file that has a certificate and its key, in PEM, all of it is over TLS, where browsers ask
//! for HTTP/2: `web_and_lines [ADDRESS [FILE]]`.
//!
//! ```console
//! $ cargo run -p protocols --example web_and_lines &
//! $ echo "I was here" | nc -N 127.0.0.1 8080
//! $ curl http://127.0.0.1:8080/
//! I was here
//! ```

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{env, io};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use protocols::policies::FirstMessageTimeout;
use protocols::tls::{Certificates, Server};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::io::TokioStream;
use reactor::{Factory, Protocol, Reactor, SharedFactory, Transport, share};

/// Everything runs on the reactor's thread, but axum requires types that could run on any. Among protocols this would
/// be `Rc<RefCell<…>>`.
type Guests = Arc<Mutex<Vec<String>>>;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let reactor = Reactor::new()?;
    let port = match env::args().nth(2) {
        Some(file) => {
            let certificates = Certificates::from_pem_files(&file, &file).map_err(io::Error::other)?;
            let tls = Server::new(certificates).alpn(&["h2", "http/1.1"]);
            reactor.listen_tcp(address, tls.around(guest_book(&reactor)))?
        }
        None => reactor.listen_tcp(address, guest_book(&reactor))?,
    };
    println!("listening on {}", port.host());
    reactor.run()
}

fn guest_book(reactor: &Reactor) -> impl Factory {
    let guests = Guests::default();
    let pages = Router::new().route("/", get(show)).with_state(Arc::clone(&guests));

    let lines = share(LineReceiver::factory(move |_: Lines| Write(Arc::clone(&guests))));
    let mut http = auto::Builder::new(OnReactor(reactor.clone()));
    http.http1().timer(Timer(reactor.timer())).header_read_timeout(LONGEST_WAIT).half_close(true);
    http.http2().timer(Timer(reactor.timer())).keep_alive_interval(LONGEST_WAIT);
    let web = share(TokioStream::factory(move |stream| {
        let pages = TowerToHyperService::new(pages.clone());
        let connection = http.serve_connection(TokioIo::new(stream), pages).into_owned();
        async { connection.await.map_err(io::Error::other) }
    }));
    let either = move |transport| FirstLine { transport, begun: Vec::new(), lines: lines.clone(), web: web.clone() };
    FirstMessageTimeout::around(LONGEST_WAIT, either)
}

/// Waits for the first line, or for what HTTP/2 has in place of one, and gives the connection to the protocol that understands it.
struct FirstLine {
    transport: Transport,
    begun: Vec<u8>,
    lines: SharedFactory,
    web: SharedFactory,
}

impl Protocol for FirstLine {
    fn data_received(&mut self, data: &[u8]) {
        self.begun.extend(data);
        let is_http2 = self.begun.starts_with(HTTP2);
        let line = self.begun.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_known = is_http2 || (line.ends_with(b"\n") && !HTTP2.starts_with(&self.begun));
        if is_known || self.begun.len() > LONGEST_LINE {
            let is_web = is_http2 || line.trim_ascii_end().ends_with(b" HTTP/1.1");
            let next = if is_web { &self.web } else { &self.lines };
            self.transport.note_message();
            self.transport.switch_to(next.clone(), &self.begun);
        }
    }
}

struct Write(Guests);

impl LineHandler for Write {
    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

async fn show(State(guests): State<Guests>) -> String {
    guests.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|line| format!("{line}\n")).collect()
}

/// Runs what hyper begins by itself.
#[derive(Clone)]
struct OnReactor(Reactor);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnReactor {
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// The reactor's clock, as hyper wants it.
struct Timer(reactor::io::Timer);

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep(self.0.sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep(self.0.sleep_until(deadline)))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}

struct Sleep(reactor::io::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl hyper::rt::Sleep for Sleep {}

/// What every connection of HTTP/2 begins with.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// No request of a browser begins with a longer line.
const LONGEST_LINE: usize = 4096;

/// How long a client may take for its first line, and a browser to ask for a page.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, SocketAddr, TcpStream};

    use reactor::CloseReason;
    use reactor::testing::Simulation;

    /// What the server answers until it closes.
    fn ask(address: SocketAddr, question: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(question.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_silent_client_is_not_waited_for_either() {
        let sim = Simulation::new(1);
        let server = sim.host("server");
        server.listen_tcp(8080, guest_book(&server)).unwrap();
        for begun in ["GET / HT", "PRI * HTTP/2.0\r\n\r\nSM"] {
            let silent = sim.open("client", "server:8080");
            silent.send(begun);
            sim.run_for(LONGEST_WAIT + Duration::from_secs(1));
            assert!(silent.close_reason().is_some(), "{begun}");
        }
    }

    #[test]
    fn what_is_written_by_lines_is_read_by_the_web() {
        let reactor = Reactor::new().unwrap();
        let port = reactor.listen_tcp("127.0.0.1:0", guest_book(&reactor)).unwrap();
        let address = port.host().socket_addr().unwrap();
        let asking = reactor.defer_to_thread(move || {
            assert_eq!(ask(address, "one\r\ntwo\r\n"), "");
            ask(address, "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        });
        let page = reactor.run_until(asking).unwrap().unwrap();
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("\r\n\r\none\ntwo\n"), "{page}");
    }

    struct Dribble(Transport);

    impl Protocol for Dribble {
        fn connection_made(&mut self) {
            self.0.write("GET / HTTP/1.1\r\n");
            self.0.call_every(Duration::from_secs(1), |this: &mut Self, _| this.0.write("x"));
        }

        fn data_received(&mut self, _data: &[u8]) {}

        fn connection_lost(&mut self, _reason: CloseReason) {
            self.0.reactor().stop();
        }
    }

    #[test]
    fn a_browser_that_never_asks_to_the_end_is_not_waited_for() {
        let sim = Simulation::new(1);
        let server = sim.host("server");
        server.listen_tcp(8080, guest_book(&server)).unwrap();
        let browser = sim.host("browser");
        browser.connect_tcp("server:8080", Dribble);
        sim.run_for(LONGEST_WAIT - Duration::from_secs(1));
        assert!(browser.is_running());
        sim.run_for(Duration::from_secs(2));
        assert!(!browser.is_running());
    }
}
