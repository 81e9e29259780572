use std::fs;

use tempfile::tempdir;

use crate::apps::program::Program;
use crate::gallery::{Client, listening, serve};

/// What a quote server with these options sends.
#[track_caller]
fn quote(options: &[&str]) -> String {
    let mut server = Program::example("quote_of_the_day", ["--address", "127.0.0.1:0"].iter().chain(options));
    Client::connect(listening(&mut server)).hear_to_the_end()
}

#[test]
fn the_source_of_the_quotes_is_chosen_by_an_option() {
    assert_eq!(quote(&[]), "An apple a day keeps the doctor away.\r\n");
    assert_eq!(quote(&["--static", "Plan to throw one away."]), "Plan to throw one away.\r\n");
    let directory = tempdir().unwrap();
    let file = directory.path().join("fortunes");
    fs::write(&file, "one\n%\ntwo\nlines\n%\nthree\n").unwrap();
    let quote = quote(&["--file", file.to_str().unwrap()]);
    assert!(["one\r\n", "two\nlines\r\n", "three\r\n"].contains(&&*quote), "{quote:?}");
}

#[test]
fn the_fortune_server_sends_what_a_program_prints() {
    let (_server, address) = serve("fortune_server", &["uname"]);
    assert_eq!(Client::connect(address).hear_to_the_end(), "Linux\n");
    let (_server, address) = serve("fortune_server", &["no such program"]);
    assert_eq!(Client::connect(address).hear_to_the_end(), "");
}
