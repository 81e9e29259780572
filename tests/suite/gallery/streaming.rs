use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::{fs, io};

use tempfile::tempdir;

use crate::apps::net::connect;
use crate::apps::program::Program;
use crate::gallery::{Client, ask, listening, serve};

#[test]
fn a_slow_reader_gets_ten_million_numbers_out_of_little_memory() {
    const COUNT: usize = 10_000_000;
    let (mut server, address) = serve("streaming", &[]);
    let mut client = Client::connect(address);
    assert_eq!(client.hear(), "How many random integers do you want?");
    let before = server.resident();
    client.say(&COUNT.to_string());
    let (mut lines, mut most) = (0, 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = client.0.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        lines += buffer[..n].iter().filter(|byte| **byte == b'\n').count();
        most = most.max(server.resident());
    }
    assert_eq!(lines, COUNT);
    assert!(most < before + (4 << 20), "from {before} to {most} bytes");
    assert!(server.line().starts_with("connection made from "));
    assert_eq!(server.line(), "client requested 10000000 random integers!");
    assert!(server.line().starts_with("pausing connection from "));
}

#[test]
fn what_is_no_number_is_told_so_and_asked_again() {
    let (_server, address) = serve("streaming", &[]);
    let mut client = Client::connect(address);
    client.hear();
    client.say("many");
    assert_eq!(client.hear(), "That is not a number.");
    client.say("2");
    client.end();
    let numbers = client.hear_to_the_end();
    assert!(numbers.lines().all(|number| number.parse::<u32>().is_ok_and(|number| number < 10_000)), "{numbers:?}");
    assert_eq!(numbers.lines().count(), 2);
}

#[test]
fn a_client_that_goes_away_in_the_midst_of_it_is_forgotten() {
    let (mut server, address) = serve("streaming", &[]);
    let mut client = Client::connect(address);
    client.say("10000000");
    assert!(server.line().starts_with("connection made from "));
    client.0.get_mut().flush().unwrap();
    drop(client);
    loop {
        if server.line().starts_with("connection lost from ") {
            break;
        }
    }
}

/// Starts the server of files on this folder.
fn serve_files(folder: &Path) -> (Program, SocketAddr) {
    let mut server = Program::example("send_file", [folder.to_str().unwrap(), "127.0.0.1:0"]);
    let address = listening(&mut server);
    (server, address)
}

#[test]
fn a_file_is_sent_whole_and_no_faster_than_its_reader_takes_it() {
    let folder = tempdir().unwrap();
    let content: Vec<u8> = (0..20_000_000_u32).map(|at| (at % 251) as u8).collect();
    fs::write(folder.path().join("large"), &content).unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    let (server, address) = serve_files(folder.path());
    let before = server.resident();
    let mut client = connect(address);
    client.write_all(b"large\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (mut received, mut most) = (Vec::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = client.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        received.extend_from_slice(&buffer[..n]);
        most = most.max(server.resident());
    }
    assert!(received == content && most < before + (8 << 20), "from {before} to {most} bytes");
    assert_eq!(ask(address, "empty"), "");
}

#[test]
fn a_name_that_is_not_one_of_a_file_in_the_folder_is_answered_by_a_reset() {
    let folder = tempdir().unwrap();
    let (_server, address) = serve_files(folder.path());
    for name in ["missing", "../streaming.rs", ".", "/etc/passwd"] {
        let mut client = connect(address);
        client.write_all(format!("{name}\n").as_bytes()).unwrap();
        let error = client.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{name}");
    }
}
