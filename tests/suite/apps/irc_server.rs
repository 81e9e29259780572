//! `irc-server` as its clients see it.

use std::io::{Read, Write};
use std::sync::{Arc, Barrier};
use std::thread;

use nix::sys::signal::Signal;
use protocols::tls::Certificates;
use rcgen::{CertificateParams, KeyPair};
use tempfile::tempdir;

use crate::apps::irc::{IrcServer, hear, plain, secure, unlimited, user};
use crate::apps::net;

#[test]
fn it_serves_without_any_set_up_and_says_where_and_by_which_certificate() {
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    let own = folder.path().join("irc-server.pem");
    let fingerprint = Certificates::from_pem_files(&own, &own).unwrap().fingerprints().next().unwrap();
    assert!(server.printed.ends_with(&format!("its SHA-256 fingerprint is {fingerprint}")), "{}", server.printed);
    let mut ann = user(server.plain, "ann");
    let mut bob = secure(server.tls, &own, None);
    bob.register("bob");
    ann.ask("JOIN #lobby", " 366 ");
    bob.ask("JOIN #lobby", " 366 ");
    ann.ask("PRIVMSG #lobby :hello", ":hello");
    assert!(bob.until(":hello").starts_with(":ann!"));
}

#[test]
fn accounts_and_history_outlive_it() {
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    let mut ann = user(server.plain, "ann");
    ann.ask("NS REGISTER sesame-open", "is yours");
    ann.ask("JOIN #lobby", " 366 ");
    ann.ask("PRIVMSG #lobby :before", ":before");
    server.program.signal(Signal::SIGTERM);
    assert_eq!(ann.until("ERROR"), "ERROR :Closing link: (127.0.0.1) [The server is stopping]");
    server.program.finish().with_code(0);

    let server = IrcServer::start(&folder, &[]);
    let mut other = plain(server.plain);
    other.send("NICK ann");
    other.ask("USER ann 0 * :ann", " 433 ");
    let mut ann = user(server.plain, "ann_");
    ann.ask("NS IDENTIFY ann sesame-open", "You are logged in as ann");
    ann.ask("JOIN #lobby", " 366 ");
    ann.ask("CHATHISTORY LATEST #lobby * 10", ":before");
}

#[test]
fn a_server_that_is_killed_has_kept_every_line_that_came_back() {
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &["--config", &unlimited(&folder)]);
    let mut ann = user(server.plain, "ann");
    ann.ask("JOIN #lobby", " 366 ");
    for number in 0..200 {
        ann.ask(&format!("PRIVMSG #lobby :line {number}."), &format!(":line {number}."));
    }
    server.program.signal(Signal::SIGKILL);
    server.program.finish();

    let server = IrcServer::start(&folder, &[]);
    let mut bob = user(server.plain, "bob");
    bob.ask("JOIN #lobby", " 366 ");
    bob.send("CHATHISTORY LATEST #lobby * 200");
    for number in 0..200 {
        bob.until(&format!(":line {number}."));
    }
}

#[test]
fn a_certificate_logs_in_to_the_account_that_it_was_added_to() {
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    let trusted = folder.path().join("irc-server.pem");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["ann".to_owned()]).unwrap().self_signed(&key).unwrap();
    let own = certificate.pem() + &key.serialize_pem();
    let mut ann = secure(server.tls, &trusted, Some(&own));
    ann.ask("CAP LS 302", "sasl=PLAIN,SCRAM-SHA-256,EXTERNAL");
    ann.register("ann");
    ann.ask("NS REGISTER sesame-open", "is yours");
    ann.ask("NS CERT ADD", "can log in");
    ann.send("QUIT");
    ann.until("ERROR");

    let mut ann = secure(server.tls, &trusted, Some(&own));
    ann.ask("CAP REQ :sasl", "ACK");
    ann.ask("AUTHENTICATE EXTERNAL", "AUTHENTICATE +");
    ann.ask("AUTHENTICATE +", " 903 ");
    ann.register("ann");
    let fingerprint = ann.ask("NS CERT LIST", "NickServ").rsplit(" :").next().unwrap().to_owned();
    ann.ask(&format!("NS CERT DEL {fingerprint}"), "no longer log in");

    let mut ann = secure(server.tls, &trusted, Some(&own));
    ann.ask("CAP REQ :sasl", "ACK");
    ann.ask("AUTHENTICATE EXTERNAL", "AUTHENTICATE +");
    ann.ask("AUTHENTICATE +", " 904 ");
}

#[test]
fn clients_of_all_threads_hear_each_of_them_in_its_order() {
    const CLIENTS: usize = 8;
    const LINES: usize = 50;
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &["--config", &unlimited(&folder)]);
    let (address, joined) = (server.plain, Arc::new(Barrier::new(CLIENTS)));
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let joined = Arc::clone(&joined);
            scope.spawn(move || {
                let mut client = user(address, &format!("nick{number}"));
                client.ask("JOIN #lobby", " 366 ");
                joined.wait();
                for line in 0..LINES {
                    client.send(&format!("PRIVMSG #lobby :{line} "));
                }
                let mut next = [0; CLIENTS];
                while next.iter().sum::<usize>() < CLIENTS * LINES {
                    hear(&client.until(" PRIVMSG "), &mut next);
                }
            });
        }
    });
}

#[test]
fn what_is_no_irc_costs_it_nothing_but_the_connection() {
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    let mut garbage = net::connect(server.plain);
    let noise: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    // It may close before it has all.
    let _ = garbage.write_all(&noise);
    let _ = garbage.write_all(b"\r\nQUIT\r\n");
    let _ = garbage.read_to_end(&mut Vec::new());
    user(server.plain, "ann").ask("PING still-here", "PONG");
}
