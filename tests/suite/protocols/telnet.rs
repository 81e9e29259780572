//! A telnet client, with Twisted's conch on the other side.

use protocols::telnet::{Side, Telnet, TelnetHandler, TelnetOption, TelnetReceiver};
use reactor::CloseReason;

use crate::apps::peers;
use crate::support::{Log, in_time, test_reactor};

/// Answers each prompt, and does not show what is typed while the server echoes.
struct Client {
    telnet: Telnet,
    log: Log,
    received: Vec<u8>,
}

impl TelnetHandler for Client {
    fn line_received(&mut self, _line: &[u8]) {}

    fn raw_data_received(&mut self, data: &[u8]) {
        self.received.extend_from_slice(data);
        for (prompt, answer) in [(&b"name: "[..], "root"), (b"password: ", "secret")] {
            if self.received.ends_with(prompt) {
                self.log.add(String::from_utf8_lossy(&self.received));
                self.received.clear();
                self.telnet.send_line(answer);
            }
        }
    }

    fn accept_option(&mut self, side: Side, option: TelnetOption) -> bool {
        (side, option) == (Side::Remote, TelnetOption::ECHO)
    }

    fn option_negotiated(&mut self, side: Side, option: TelnetOption, enabled: bool) {
        self.log.add(format!("{side:?} {option} {enabled}"));
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.add(format!("{} {reason}", self.received.escape_ascii()));
    }
}

#[test]
fn a_server_of_twisteds_conch_is_logged_in_to() {
    if !peers::twisted("a_server_of_twisteds_conch_is_logged_in_to") {
        return;
    }
    let (_server, address) = peers::serve("twisted_telnet_server.py");
    in_time(move || {
        let reactor = test_reactor();
        let log = Log::default();
        let told = log.clone();
        let factory = TelnetReceiver::factory(move |telnet| Client { telnet, log: told.clone(), received: Vec::new() });
        let client = reactor.connect_tcp(address, factory.window_size(255, 50).raw_mode());
        reactor.run_until(client.finished()).unwrap().unwrap();
        let expected = [
            "Local NAWS true",
            "name: ",
            "Remote ECHO true",
            "password: ",
            "Remote ECHO false",
            "\\r\\nroot secret 255 50 \\xff\\r\\n connection closed cleanly",
        ];
        assert_eq!(log.lines(), expected);
    });
}
