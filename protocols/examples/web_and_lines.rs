//! Two ways to a guest book in one reactor: a line protocol to write to it, a web server to read it.
//!
//! ```console
//! $ cargo run -p protocols --example web_and_lines &
//! $ echo "I was here" | nc -N 127.0.0.1 8123
//! $ curl http://127.0.0.1:8080/
//! I was here
//! ```

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::io::{Incoming, TokioStream};
use reactor::{Address, Port, Reactor};

/// Everything runs on the reactor's thread, but axum requires types that could run on any. Among protocols this would
/// be `Rc<RefCell<…>>`.
type Guests = Arc<Mutex<Vec<String>>>;

fn main() -> io::Result<()> {
    let reactor = Reactor::new()?;
    serve(&reactor, "127.0.0.1:8123", "127.0.0.1:8080")?;
    reactor.run()
}

fn serve(reactor: &Reactor, lines: &str, web: &str) -> io::Result<[Port; 2]> {
    let guests = Guests::default();
    let pages = Router::new().route("/", get(show)).with_state(Arc::clone(&guests));

    let lines = reactor.listen_tcp(lines, LineReceiver::factory(move |_: Lines| Write(Arc::clone(&guests))))?;
    let (factory, incoming) = TokioStream::incoming();
    let web = reactor.listen_tcp(web, factory)?;
    let listener = Listener { incoming, host: web.host() };
    reactor.spawn(async move {
        if let Err(error) = axum::serve(listener, pages).await {
            eprintln!("the web server has ended: {error}");
        }
    });
    Ok([lines, web])
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

/// A port of the reactor, as an axum listener.
struct Listener {
    incoming: Incoming,
    host: Address,
}

impl axum::serve::Listener for Listener {
    type Io = TokioStream;
    type Addr = Address;

    async fn accept(&mut self) -> (TokioStream, Address) {
        match self.incoming.accept().await {
            Some(stream) => {
                let peer = stream.peer().clone();
                (stream, peer)
            }
            // The port was stopped; connections already accepted are still served.
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Address> {
        Ok(self.host.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, SocketAddr, TcpStream};
    use std::time::Duration;

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
    fn what_is_written_by_lines_is_read_by_the_web() {
        let reactor = Reactor::new().unwrap();
        let ports = serve(&reactor, "127.0.0.1:0", "127.0.0.1:0").unwrap();
        let [lines, web] = ports.map(|port| port.host().socket_addr().unwrap());
        let asking = reactor.defer_to_thread(move || {
            assert_eq!(ask(lines, "one\r\ntwo\r\n"), "");
            ask(web, "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        });
        let page = reactor.run_until(asking).unwrap().unwrap();
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("\r\n\r\none\ntwo\n"), "{page}");
    }
}
