use std::net::SocketAddr;

use nix::sys::signal::Signal;
use rig::peer::reset;

use crate::gallery::{ANY_PORT, Client, serve, serve_endpoints};

/// A client that has registered a name.
#[track_caller]
fn join(address: SocketAddr, name: &str) -> Client {
    let mut client = Client::connect(address);
    assert_eq!(client.hear(), "What's your name?");
    client.say(name);
    assert_eq!(client.hear(), format!("Welcome, {name}!"));
    client
}

#[test]
fn users_of_the_messenger_find_each_other_across_threads() {
    let (_server, address) = serve("messenger", &[]);
    let [(mut ann, one), (mut bob, other)] = ["ann", "bob"].map(|name| {
        let mut user = Client::connect(address);
        user.say(name);
        let greeting = user.hear();
        (user, greeting)
    });
    assert_ne!(one, other, "each has a thread of its own");
    ann.say("bob how are you");
    ann.say("cid hello");
    assert_eq!((ann.hear(), ann.hear()), ("sent".to_owned(), "nobody has that name".to_owned()));
    assert_eq!(bob.hear(), "ann: how are you");
}

#[test]
fn a_message_reaches_all_others() {
    let (_server, address) = serve("chat", &[]);
    let [mut anna, mut bert, mut cora] = ["anna", "bert", "cora"].map(|name| join(address, name));
    anna.say("hello");
    bert.say("hi");
    assert_eq!((bert.hear(), anna.hear()), ("<anna> hello".to_owned(), "<bert> hi".to_owned()));
    let mut heard = [cora.hear(), cora.hear()];
    heard.sort();
    assert_eq!(heard, ["<anna> hello", "<bert> hi"]);
}

#[test]
fn a_name_that_is_taken_is_refused_until_its_owner_has_gone() {
    let (_server, address) = serve("chat", &[]);
    let anna = join(address, "anna");
    let mut bert = join(address, "bert");
    let mut second = Client::connect(address);
    assert_eq!(second.hear(), "What's your name?");
    second.say("anna");
    assert_eq!(second.hear(), "Name taken, please choose another.");
    anna.end();
    assert_eq!(anna.hear_to_the_end(), "");
    second.say("anna");
    assert_eq!(second.hear(), "Welcome, anna!");
    second.say("again");
    assert_eq!(bert.hear(), "<anna> again");
}

#[test]
fn members_that_vanish_in_the_middle_harm_nobody() {
    let (server, address) = serve("chat", &[]);
    let (mut anna, mut bert) = (join(address, "anna"), join(address, "bert"));
    let others: Vec<_> = (0..20).map(|number| join(address, &number.to_string())).collect();
    // Meanwhile messages queue up for the server, and so do resets of their receivers.
    server.signal(Signal::SIGSTOP);
    anna.say("one");
    others.into_iter().for_each(|other| reset(other.0.into_inner()));
    anna.say("two");
    server.signal(Signal::SIGCONT);
    assert_eq!((bert.hear(), bert.hear()), ("<anna> one".to_owned(), "<anna> two".to_owned()));
    join(address, "0");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.finish().with_code(0).stderr, "");
}

#[test]
fn in_the_shorter_chat_everybody_hears_everything_until_he_goes() {
    let (mut server, [address]) = serve_endpoints("chat_server", [ANY_PORT]);
    let mut clients = [(); 3].map(|()| Client::connect(address));
    for _ in &clients {
        assert_eq!(server.line(), "Got new client!");
    }
    clients[0].say("hello");
    assert_eq!(server.line(), "received hello");
    for client in &mut clients {
        assert_eq!(client.hear(), "hello");
    }
    let [mut first, mut second, third] = clients;
    reset(third.0.into_inner());
    assert_eq!(server.line(), "Lost a client!");
    second.say("bye");
    assert_eq!((first.hear(), second.hear()), ("bye".to_owned(), "bye".to_owned()));
    server.signal(Signal::SIGTERM);
    assert_eq!((first.hear_to_the_end(), second.hear_to_the_end()), (String::new(), String::new()));
    let ended = server.finish().with_code(0);
    assert_eq!(ended.stdout, "received bye\nLost a client!\nLost a client!\n");
}
