use std::io::{Read, Write};

use crate::gallery::{Client, serve};

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
