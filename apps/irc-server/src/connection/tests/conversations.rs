use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocols::auth::ScramVerifier;
use protocols::web_socket::{WebSocket, WebSocketHandle, WebSocketHandler};

use super::World;
use crate::settings::{Oper, Privilege, Settings};

const CAPABILITIES: &str = "echo-message server-time message-tags batch draft/chathistory";

#[test]
fn who_asks_for_it_gets_a_line_back_once_it_is_kept_and_others_are_told_at_once() {
    let world = World::new();
    let (ann, bob) = (world.user("ann", CAPABILITIES), world.user("bob", CAPABILITIES));
    for talk in [&ann, &bob] {
        talk.send("JOIN #a");
        talk.until(" 366 ");
    }
    ann.until("bob!");
    ann.send("PRIVMSG #a :one");
    ann.send("PRIVMSG #a :two");
    // The store takes a while, and the second line waits until the first is kept.
    bob.until(":one");
    assert!(!ann.client.received_text().contains(":one"));
    let echoes = ann.until(":two");
    assert!(echoes.len() == 2 && echoes[0].contains("msgid=") && echoes[0].ends_with(":one"), "{echoes:?}");
}

#[test]
fn who_comes_later_is_told_what_was_said() {
    let world = World::new();
    let ann = world.user("ann", CAPABILITIES);
    ann.send("JOIN #a");
    for number in 0..5 {
        ann.send(&format!("PRIVMSG #a :line {number}"));
    }
    let msgid = ann.line(":line 4").split("msgid=").nth(1).unwrap().split([';', ' ']).next().unwrap().to_owned();
    let bob = world.user("bob", CAPABILITIES);
    bob.send("CHATHISTORY LATEST #a * 10");
    bob.until("FAIL CHATHISTORY INVALID_TARGET");
    bob.send("JOIN #a");
    bob.until(" 366 ");
    bob.send(&format!("CHATHISTORY BEFORE #a msgid={msgid} 2"));
    let lines = bob.until("BATCH -");
    let lines: Vec<_> = lines[1..lines.len() - 1].iter().map(|line| line.rsplit(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 2", "line 3"]);
    bob.send("CHATHISTORY BEFORE #a msgid=nothing 2");
    bob.until("FAIL CHATHISTORY MESSAGE_ERROR");
    bob.send("CHATHISTORY TARGETS timestamp=2000-01-01T00:00:00.000Z timestamp=2100-01-01T00:00:00.000Z 10");
    assert!(bob.until("BATCH -").iter().any(|line| line.contains("TARGETS #a ")));
}

#[test]
fn what_two_have_said_is_told_to_them_and_not_to_others_who_take_their_nicks() {
    let world = World::new();
    let (ann, bob) = (world.user("ann", CAPABILITIES), world.user("bob", CAPABILITIES));
    bob.send("NS REGISTER sesame-open");
    bob.until("is yours");
    ann.send("PRIVMSG bob :a secret");
    bob.until("a secret");
    for (talk, other) in [(&bob, "ann"), (&ann, "bob")] {
        talk.send(&format!("CHATHISTORY LATEST {other} * 10"));
        assert!(talk.until("BATCH -").iter().any(|line| line.ends_with(":a secret")));
    }
    for talk in [&ann, &bob] {
        talk.send("QUIT");
        talk.until("ERROR");
    }
    let other = world.user("ann", CAPABILITIES);
    other.send("CHATHISTORY LATEST bob * 10");
    assert!(!other.until("BATCH -").iter().any(|line| line.contains("secret")));
    other.send("CHATHISTORY TARGETS timestamp=2000-01-01T00:00:00.000Z timestamp=2100-01-01T00:00:00.000Z 10");
    assert!(!other.until("BATCH -").iter().any(|line| line.contains(" TARGETS ")));
}

#[test]
fn who_sends_too_fast_waits_and_loses_no_line() {
    let world = World::new();
    let (ann, bob) = (world.user("ann", ""), world.user("bob", ""));
    for number in 0..40 {
        ann.send(&format!("PRIVMSG bob :{number}."));
    }
    let at_once = bob.within(Duration::from_millis(400)).lines().count();
    assert!((1..20).contains(&at_once), "{at_once}");
    let lines = bob.until(":39.");
    assert_eq!(at_once + lines.len(), 40);
}

#[test]
fn settings_that_are_read_again_hold_at_once_and_accounts_stay() {
    let world = World::with(|settings| {
        let password = ScramVerifier::with_iterations("opensesame", 1).into();
        settings.opers = vec![Oper { name: "root".into(), password, privileges: vec![Privilege::Rehash] }];
    });
    let ann = world.user("ann", "");
    let host = |line: &str| line.rsplit('@').next().unwrap().to_owned();
    ann.send("USERHOST ann");
    let before = host(&ann.line(" 302 "));
    *world.next.lock().unwrap() = Some(Settings { motd: vec!["news".into()], ..Settings::default() });
    ann.send("OPER root opensesame");
    ann.until(" 381 ");
    ann.send("REHASH");
    ann.until(" 382 ");
    assert!(world.sim.run_until(|| world.node.settings().motd == ["news"]));
    ann.send("MOTD");
    ann.until("- news");
    // Its key was made by the server, and is in no file.
    let bob = world.user("bob", "");
    bob.send("USERHOST bob");
    assert_eq!(host(&bob.line(" 302 ")), before);
}

#[test]
fn a_browser_speaks_by_messages_of_a_web_socket_a_line_each() {
    let world = World::new();
    let (heard, lines) = (Rc::default(), Rc::new(RefCell::new(Vec::new())));
    let (keeping, telling) = (Rc::clone(&lines), Rc::clone(&heard));
    let browser = WebSocket::client_messages("ws://server:8080/socket", move |socket, opening| {
        assert_eq!(opening.subprotocol(), Some("text.ircv3.net"));
        Browser { socket, lines: Rc::clone(&keeping), heard: Rc::clone(&telling) }
    });
    let browser = browser.subprotocol("text.ircv3.net");
    let _connector = world.sim.host("client").connect_tcp("server:8080", browser);
    let heard: Rc<RefCell<String>> = heard;
    assert!(world.sim.run_until(|| heard.borrow().contains(" 366 ")));
    assert!(lines.borrow().iter().all(|line: &String| !line.contains(['\r', '\n'])));
    let ann = world.user("ann", "");
    ann.send("JOIN #a");
    ann.until(" 366 ");
    ann.send("PRIVMSG #a :hello");
    assert!(world.sim.run_until(|| heard.borrow().contains("PRIVMSG #a :hello")));
    ann.until("PRIVMSG #a :hello to you");
    ann.until("417 of the browser");
}

struct Browser {
    socket: WebSocketHandle,
    lines: Rc<RefCell<Vec<String>>>,
    heard: Rc<RefCell<String>>,
}

impl WebSocketHandler for Browser {
    fn connection_made(&mut self) {
        for line in ["NICK web", "USER web 0 * :web\r\n", "", "JOIN #a"] {
            self.socket.send_text(line);
        }
    }

    fn text_received(&mut self, line: &str) {
        self.heard.borrow_mut().push_str(line);
        self.lines.borrow_mut().push(line.to_owned());
        if line.ends_with("PRIVMSG #a :hello") {
            self.socket.send_text("PRIVMSG #a :hello to you");
            self.socket.send_text(format!("PRIVMSG #a :{}", "x".repeat(510)));
        } else if line.contains(" 417 ") {
            self.socket.send_text("PRIVMSG #a :417 of the browser");
        }
    }

    fn bytes_received(&mut self, _data: &[u8]) {
        unreachable!("it has asked for text");
    }
}
