use std::fs;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::apps::binaries::example;
use crate::apps::net::{accept, closed_port, listen};
use crate::apps::program::Program;
use crate::apps::terminal::Terminal;

#[test]
fn lines_are_echoed_over_pipes() {
    let mut program = Program::example("stdin_echo", [""; 0]);
    program.type_in("hello\n");
    assert_eq!(program.line(), ">>> Echo: hello");
    let ended = program.close_and_finish().with_code(0);
    assert_eq!(ended.stdout, ">>> ");
}

#[test]
fn lines_are_echoed_at_a_terminal_until_its_end() {
    let mut terminal = Terminal::run(&example("stdin_echo").display().to_string());
    terminal.expect(">>> ");
    terminal.type_in("hello\n");
    terminal.expect("Echo: hello");
    terminal.expect(">>> ");
    terminal.type_in("\x04");
    terminal.expect_exit(0);
}

#[test]
fn lines_are_echoed_into_a_file() {
    let directory = tempdir().unwrap();
    let output = directory.path().join("output");
    let mut program = Command::new(example("stdin_echo"))
        .stdin(Stdio::piped())
        .stdout(File::create(&output).unwrap())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    assert!(program.wait().unwrap().success());
    assert_eq!(fs::read_to_string(output).unwrap(), ">>> Echo: one\n>>> Echo: two\n>>> ");
}

#[test]
fn the_shell_knows_its_commands_by_name() {
    let mut shell = Program::example("command_shell", [""; 0]);
    assert_eq!(shell.line(), "Web checker console. Type 'help' for help.");
    shell.type_in("\nhelp\nhelp quit\nhelp me\ncheck\nwho am i\nquit\nhelp\n");
    let ended = shell.finish().with_code(0);
    let expected = "Valid commands: check help quit\n\
        quit: Quit this session\n\
        Error: no such command.\n\
        check <url>: Attempt to download the given web page\n\
        Error: no such command.\n\
        Goodbye.\n";
    assert_eq!(ended.stdout, expected);
}

#[test]
fn the_shell_checks_a_page_while_it_answers_other_commands() {
    let (listener, address) = listen();
    let mut shell = Program::example("command_shell", [""; 0]);
    shell.line();
    shell.type_in(format!("check http://{address}/page\n"));
    let mut page = BufReader::new(accept(&listener));
    let mut request = String::new();
    page.read_line(&mut request).unwrap();
    assert_eq!(request, "GET /page HTTP/1.0\r\n");
    shell.type_in("help help\n");
    assert_eq!(shell.line(), "help [command]: List commands, or show help on the given command");
    page.get_mut().write_all(b"HTTP/1.0 200 OK\r\n\r\ntwelve bytes").unwrap();
    drop(page);
    assert_eq!(shell.line(), "Success: got 12 bytes.");
    let (_socket, address) = closed_port();
    shell.type_in(format!("check http://{address}/\n"));
    assert_eq!(shell.line(), format!("Failure: cannot connect to {address}: connection refused"));
    shell.type_in("check gopher://here\n");
    assert_eq!(shell.line(), "Failure: only http:// is understood");
    shell.close_and_finish().with_code(0);
}
