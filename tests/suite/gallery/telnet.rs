use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::apps::peers::{script, twisted};
use crate::apps::program::Program;
use crate::apps::terminal::Terminal;
use crate::apps::tools::is_there;
use crate::gallery::serve;

/// A terminal on which Debian's telnet client is connected to the console.
fn telnet(address: SocketAddr, test: &str) -> Option<Terminal> {
    // It prints its version since 2.0, and exits.
    is_there("telnet (of inetutils)", Command::new("telnet").arg("--version"), test)
        .then(|| Terminal::run(&format!("stty columns 90 rows 30; telnet {} {}", address.ip(), address.port())))
}

#[test]
fn a_telnet_client_logs_in_with_a_password_that_is_not_shown() {
    let (_console, address) = serve("telnet_console", &[]);
    let Some(mut telnet) = telnet(address, "a_telnet_client_logs_in_with_a_password_that_is_not_shown") else { return };
    telnet.expect("login: ");
    telnet.type_in("guest\r");
    assert_eq!(telnet.expect("Password: "), "guest\r\n");
    telnet.type_in("welcome\r");
    assert_eq!(telnet.expect("Welcome. Commands: terminal, window, quit"), "\r\n");
    telnet.expect("> ");
    telnet.type_in("window\r");
    telnet.expect("window\r\n90 columns, 30 rows\r\n> ");
    telnet.type_in("terminal\r");
    telnet.expect("terminal\r\nXTERM\r\n> ");
    // Urgent data in the middle, with which a client has the server skip what is waiting.
    telnet.type_in("\x1d");
    telnet.expect("telnet> ");
    telnet.type_in("send synch\r");
    telnet.type_in("window\r");
    telnet.expect("90 columns, 30 rows\r\n> ");
    // Its user edits the line before it is sent.
    telnet.type_in("quiet\x7f\x7f\x7fit\r");
    telnet.expect("Bye.");
    telnet.expect("Connection closed by foreign host.");
}

#[test]
fn a_telnet_client_that_sends_each_character_is_understood_and_three_wrong_passwords_are_the_end() {
    let test = "a_telnet_client_that_sends_each_character_is_understood_and_three_wrong_passwords_are_the_end";
    let (_console, address) = serve("telnet_console", &[]);
    let Some(mut telnet) = telnet(address, test) else { return };
    telnet.expect("login: ");
    telnet.type_in("\x1d");
    telnet.expect("telnet> ");
    // It asks for SUPPRESS-GO-AHEAD on both sides, is refused one of them, and goes on with characters all the same.
    telnet.type_in("mode character\r");
    for attempt in 1..=3 {
        telnet.type_in("gues\x7fst\r");
        telnet.expect("Password: ");
        telnet.type_in("wrong\r");
        telnet.expect("Login incorrect");
        if attempt < 3 {
            telnet.expect("login: ");
        }
    }
    telnet.expect("Connection closed by foreign host.");
}

#[test]
fn twisteds_client_logs_in() {
    if !twisted("twisteds_client_logs_in") {
        return;
    }
    let (_console, address) = serve("telnet_console", &[]);
    let mut client = script("twisted_telnet_client.py");
    client.args([address.ip().to_string(), address.port().to_string()]).stdin(Stdio::null());
    let ended = Program::start(&mut client).finish().with_code(0);
    let expected = "echo is on\necho is off\n\nWelcome. Commands: terminal, window, quit\n255 columns, 50 rows\nBye.\n";
    assert_eq!(ended.stdout.replace('\r', ""), expected);
}
