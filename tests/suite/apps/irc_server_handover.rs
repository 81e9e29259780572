//! `irc-server` while the next process takes over from it.

use std::sync::{Arc, Barrier};
use std::thread;

use tempfile::tempdir;

use crate::apps::irc::{IrcServer, hear, plain, secure, unlimited, user};

#[test]
fn clients_go_on_in_the_next_process_and_those_that_cannot_are_seen_to_leave() {
    let folder = tempdir().unwrap();
    let handover = folder.path().join("handover");
    let options = ["--handover", handover.to_str().unwrap()];
    let first = IrcServer::start(&folder, &options);
    let (mut ann, mut bob) = (user(first.plain, "ann"), user(first.plain, "bob"));
    let mut eve = secure(first.tls, &folder.path().join("irc-server.pem"), None);
    eve.register("eve");
    ann.ask("JOIN #lobby", " 366 ");
    ann.ask("MODE #lobby +k sesame", "+k sesame");
    ann.ask("TOPIC #lobby :old and new", " TOPIC ");
    bob.ask("JOIN #lobby sesame", " 366 ");
    eve.ask("JOIN #lobby sesame", " 366 ");
    ann.until(":eve!");
    bob.until(":eve!");

    let second = IrcServer::start(&folder, &options);
    assert_eq!(second.plain, first.plain);
    eve.until("ERROR");
    first.program.finish().with_code(0);
    for client in [&mut ann, &mut bob] {
        let left = client.until(" QUIT ");
        assert!(left.starts_with(":eve!") && left.ends_with(":The server was restarted"), "{left}");
    }
    bob.send("PRIVMSG #lobby :still here");
    assert!(ann.until(":still here").starts_with(":bob!"));
    let names = bob.ask("NAMES #lobby", " 353 ");
    let mut names: Vec<_> = names.rsplit_once(" :").unwrap().1.split(' ').collect();
    names.sort_unstable();
    assert_eq!(names, ["@ann", "bob"]);
    assert!(bob.ask("TOPIC #lobby", " 332 ").ends_with(":old and new"));
    assert!(bob.ask("MODE #lobby", " 324 ").ends_with("+ntk sesame"));
    let mut other = plain(second.plain);
    other.send("NICK ann");
    other.until(" 433 ");
    ann.ask("KICK #lobby bob", " KICK ");
}

#[test]
fn lines_that_are_sent_while_it_takes_over_reach_everybody_once_and_in_their_order() {
    const CLIENTS: usize = 8;
    const LINES: usize = 2_000;
    let folder = tempdir().unwrap();
    let handover = folder.path().join("handover");
    let settings = unlimited(&folder);
    let options = ["--handover", handover.to_str().unwrap(), "--config", &settings];
    let first = IrcServer::start(&folder, &options);
    let (address, joined) = (first.plain, Arc::new(Barrier::new(CLIENTS + 1)));
    let second = thread::scope(|scope| {
        for number in 0..CLIENTS {
            let joined = Arc::clone(&joined);
            scope.spawn(move || {
                let mut client = user(address, &format!("nick{number}"));
                client.ask("JOIN #lobby", " 366 ");
                joined.wait();
                let mut next = [0; CLIENTS];
                for line in 0..LINES {
                    client.send(&format!("PRIVMSG #lobby :{line} "));
                    // So that lines are on their way all the time, but no more than the server keeps for a client.
                    while next[number] + 16 < line {
                        hear(&client.until(" PRIVMSG "), &mut next);
                    }
                }
                while next.iter().sum::<usize>() < CLIENTS * LINES {
                    hear(&client.until(" PRIVMSG "), &mut next);
                }
            });
        }
        joined.wait();
        let second = IrcServer::start(&folder, &options);
        first.program.finish().with_code(0);
        second
    });
    user(second.plain, "late").ask("LUSERS", " 265 ");
}
