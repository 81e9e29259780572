//! `reactor-top` with a person at a terminal, and the time server's console.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::apps::DEADLINE;
use crate::apps::binaries::binary;
use crate::apps::program::Program;
use crate::apps::server::Server;
use crate::apps::terminal::Terminal;
use crate::support::fresh_path;

fn top(console: &str) -> Terminal {
    let path: &Path = binary("reactor-top");
    Terminal::run(&format!("'{}' {console}", path.display()))
}

#[test]
fn it_lists_filters_traces_and_closes_connections_and_leaves_the_terminal_as_it_was() {
    let (_directory, path) = fresh_path();
    let console = path.display().to_string();
    let server = Server::start(&format!("--tcp 127.0.0.1:0 --console unix:{console}:mode=600"));
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let own = client.local_addr().unwrap().to_string();
    let mut terminal = top(&console);
    terminal.expect_drawn(&own);
    terminal.type_in(format!("/{own}\r"));
    terminal.expect_drawn("1 Connections 1 ");
    terminal.type_in("t");
    terminal.expect_drawn("4 Trace ");
    // The trace begins when the console has read that.
    terminal.expect_drawn_by("hello\\x1b[2J", || client.write_all(b"hello\x1b[2J").unwrap());
    terminal.type_in("\x1b");
    terminal.expect_drawn("PEER");
    terminal.type_in("c");
    terminal.expect_drawn("y: when all is sent");
    terminal.type_in("y");
    client.read_to_end(&mut Vec::new()).unwrap();
    terminal.type_in("q");
    terminal.expect_exit(0);
}

#[test]
fn it_waits_for_a_console_that_is_not_there_and_says_so() {
    let mut terminal = top("/nobody/listens/here");
    terminal.expect_drawn("not connected: ");
    terminal.type_in("\x03");
    terminal.expect_exit(0);
}

#[test]
fn without_a_terminal_it_says_where_programs_can_ask() {
    let mut command = Command::new("setsid");
    let ended = Program::start(command.arg("--wait").arg(binary("reactor-top")).arg("/c")).finish().with_code(1);
    assert!(ended.stderr.starts_with("reactor-top: there is no terminal to draw on: "), "{ended:?}");
}
