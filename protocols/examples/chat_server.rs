//! Sends every line to all clients: `chat_server [ENDPOINT]`.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::CloseReason;
use reactor::endpoint::server_from_string;
use reactor::service::{EndpointService, Runner};

type Clients = Rc<RefCell<Vec<Lines>>>;

struct Chat {
    lines: Lines,
    clients: Clients,
}

impl LineHandler for Chat {
    fn connection_made(&mut self) {
        println!("Got new client!");
        self.clients.borrow_mut().push(self.lines.clone());
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        println!("Lost a client!");
        self.clients.borrow_mut().retain(|client| !client.is_closing());
    }

    fn line_received(&mut self, line: &[u8]) {
        println!("received {}", line.escape_ascii());
        self.clients.borrow().iter().for_each(|client| client.send_line(line));
    }
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let endpoint = env::args().nth(1).unwrap_or_else(|| "tcp:1025:interface=127.0.0.1".to_owned());
    let clients = Clients::default();
    Runner::new("chat_server").run(|reactor| {
        let factory = LineReceiver::factory(move |lines| Chat { lines, clients: Rc::clone(&clients) });
        Ok(EndpointService::new(server_from_string(reactor, &endpoint)?, factory))
    })
}
