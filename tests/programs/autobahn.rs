//! The two sides that Autobahn's test suite needs; `tests/autobahn.sh` runs it.
//!
//! `autobahn serve PORT` sends every message back. `autobahn ask PORT` is tested by a fuzzing server: it does the same
//! in each test case, one after another, and then requests the reports.

use std::cell::RefCell;
use std::env;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use protocols::web_socket::{WebSocket, WebSocketHandle, WebSocketHandler};
use reactor::{ConnectError, Reactor};

/// The suite sends messages of 16 MiB.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

struct Echo {
    socket: WebSocketHandle,
    /// The last text received, for requests that return a number.
    last: Rc<RefCell<String>>,
}

impl WebSocketHandler for Echo {
    fn text_received(&mut self, text: &str) {
        self.socket.send_text(text);
        text.clone_into(&mut self.last.borrow_mut());
    }

    fn bytes_received(&mut self, data: &[u8]) {
        self.socket.send_bytes(data);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [role, port] = &arguments[..] else { return Err("usage: autobahn serve|ask PORT".into()) };
    let (reactor, port): (_, u16) = (Reactor::new()?, port.parse()?);
    match role.as_str() {
        "serve" => {
            let echo = WebSocket::messages(|socket, _| Echo { socket, last: Rc::default() }).max_message(MAX_MESSAGE);
            reactor.listen_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), echo)?;
            reactor.run()?;
        }
        "ask" => ask(&reactor, port)?,
        _ => return Err(format!("{role} is neither serve nor ask").into()),
    }
    Ok(())
}

fn ask(reactor: &Reactor, port: u16) -> Result<(), Box<dyn Error>> {
    let asking = {
        let reactor = reactor.clone();
        async move {
            let cases: u32 = visit(&reactor, port, "/getCaseCount").await?.parse()?;
            for case in 1..=cases {
                visit(&reactor, port, &format!("/runCase?case={case}&agent=reactor")).await?;
            }
            visit(&reactor, port, "/updateReports?agent=reactor").await?;
            Ok(())
        }
    };
    reactor.run_until(asking)?
}

/// Connects, sends everything back until the server closes, and returns the last text.
async fn visit(reactor: &Reactor, port: u16, path: &str) -> Result<String, ConnectError> {
    let last = Rc::<RefCell<String>>::default();
    let kept = Rc::clone(&last);
    let url = format!("ws://127.0.0.1:{port}{path}");
    let client = WebSocket::client_messages(&url, move |socket, _| Echo { socket, last: Rc::clone(&kept) });
    // The suite judges how it ends.
    reactor.connect_tcp(("127.0.0.1", port), client.max_message(MAX_MESSAGE)).finished().await?;
    Ok(last.take())
}
