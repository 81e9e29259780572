//! Which callback tells of what.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

#[test]
fn each_message_leads_to_its_callback() {
    let mut test = Test::signed_on();
    for (line, callback) in [
        (":ann!a@h PRIVMSG #rust :hello there", "privmsg ann!a@h|#rust|hello there"),
        (":ann!a@h NOTICE polly :psst", "noticed ann!a@h|polly|psst"),
        (":ann!a@h PRIVMSG #rust :\x01ACTION waves\x01", "action ann|#rust|waves"),
        (":ann!a@h PRIVMSG polly :\x01DCC SEND x\x01", "ctcp_query ann|polly|DCC|SEND x"),
        (":ann!a@h NOTICE polly :\x01VERSION irssi\x01", "ctcp_reply ann|polly|VERSION|irssi"),
        (":polly!p@h JOIN #rust", "joined #rust"),
        (":ann!a@h JOIN #rust account :Ann", "user_joined ann|#rust"),
        (":ann!a@h part #rust :bye", "user_left ann|#rust|bye"),
        (":ann!a@h PART #rust", "user_left ann|#rust|"),
        (":ann!a@h QUIT :gone", "user_quit ann|gone"),
        (":ann!a@h KICK #rust bob :spam", "user_kicked bob|#rust|ann|spam"),
        (":ann!a@h KICK #rust Polly", "kicked_from #rust|ann|"),
        (":polly!p@h PART #rust", "left #rust"),
        (":ann!a@h NICK anna", "user_renamed ann|anna"),
        (":polly!p@h NICK :pol", "nick_changed pol"),
        (":ann!a@h INVITE pol #rust", "invited ann|#rust"),
        (":ann!a@h TOPIC #rust :all about it", "topic_updated ann|#rust|all about it"),
        (":irc.example.org 332 pol #rust :a topic", "topic_updated irc.example.org|#rust|a topic"),
        (":irc.example.org 331 pol #rust :No topic is set", "topic_updated irc.example.org|#rust|"),
        (":ann!a@h MODE #rust +k key", "mode_changed ann|#rust|+k|key"),
        (":pol MODE pol -w", "mode_changed pol|pol|-w|"),
        ("NOTE :all the rest", "message all the rest"),
    ] {
        assert_eq!(test.receive(line), [callback], "{line}");
    }
    assert!(test.sent().is_empty());
}

#[test]
fn messages_that_lack_something_are_left_out() {
    let mut test = Test::signed_on();
    for command in [
        "PRIVMSG", "NOTICE", "JOIN", "PART", "KICK", "NICK", "INVITE", "TOPIC", "331", "332", "MODE", "PING", "005",
        "CAP",
    ] {
        for params in ["", " x", " x y"] {
            for source in ["", ": ", ":! ", ":ann "] {
                test.receive(&format!("{source}{command}{params}"));
            }
        }
    }
    test.receive("@");
    test.wire.receive("x".repeat(10_000));
    test.receive("");
    assert_eq!(test.receive("NOTE :it lives"), ["message it lives"]);
}

#[test]
fn modes_and_channels_are_those_of_the_server() {
    let mut test = Test::signed_on();
    test.receive(":s 005 polly CHANTYPES=! PREFIX=(ay)@+ CHANMODES=,,,z CASEMAPPING=ascii :are supported");
    assert_eq!(test.receive(":ann!a@h MODE !rust +za ann").len(), 2);
    assert_eq!(test.receive(":ann!a@h MODE !rust +a ann"), ["mode_changed ann|!rust|+a|ann"]);
    assert!(test.irc.support().has(b"PREFIX") && test.irc.is_me(b"POLLY"));
}

#[test]
fn a_ping_is_answered_at_once() {
    let mut test = Test::start(|client| client.line_rate(Duration::from_secs(10)));
    test.sent();
    test.irc.msg("#rust", "one\ntwo");
    test.receive("PING :a b");
    test.receive("PING one two");
    assert_eq!(test.sent(), ["PRIVMSG #rust :one", "PONG :a b", "PONG :two"]);
}

#[test]
fn a_heartbeat_begins_when_the_client_has_signed_on() {
    let mut test = Test::start(|client| client.heartbeat(Some(Duration::from_secs(60))));
    test.sent();
    test.wire.advance(Duration::from_secs(600));
    assert!(test.sent().is_empty());
    test.receive(":irc.example.org 001 polly :Welcome");
    for _ in 0..3 {
        test.wire.advance(Duration::from_secs(60));
        assert_eq!(test.sent(), ["PING :irc.example.org"]);
    }
    let mut test = Test::start(|client| client.heartbeat(None));
    test.receive(":irc.example.org 001 polly :Welcome");
    test.sent();
    test.wire.advance(Duration::from_secs(6000));
    assert!(test.sent().is_empty());
}

#[test]
fn usual_queries_have_usual_answers() {
    let mut test = Test::start(|client| client.version("parrot 1"));
    test.sent();
    test.wire.set_time_of_day(UNIX_EPOCH);
    for (query, answer) in [
        ("version", "VERSION parrot 1"),
        ("PING 12 x", "PING 12 x"),
        ("TIME", "TIME 1970-01-01T00:00:00Z"),
        ("CLIENTINFO", "CLIENTINFO ACTION CLIENTINFO ERRMSG PING TIME VERSION"),
        ("ERRMSG x", "ERRMSG x :No error has occurred."),
    ] {
        test.receive(&format!(":ann!a@h PRIVMSG polly :\x01{query}\x01"));
        assert_eq!(test.sent(), [format!("NOTICE ann :\x01{answer}\x01")]);
    }
    let mut test = Test::signed_on();
    test.receive(":ann!a@h PRIVMSG polly :\x01CLIENTINFO\x01");
    assert_eq!(test.sent(), ["NOTICE ann :\x01CLIENTINFO ACTION CLIENTINFO ERRMSG PING TIME\x01"]);
    for query in ["VERSION", "DCC x", "FINGER"] {
        test.receive(&format!(":ann!a@h PRIVMSG polly :\x01{query}\x01"));
        // One's own, which `echo-message` brings back, and a reply, have no answer either.
        test.receive(":polly!p@h PRIVMSG ann :\x01PING 1\x01");
        test.receive(":ann!a@h NOTICE polly :\x01PING 1\x01");
        assert!(test.sent().is_empty(), "{query}");
    }
}

#[test]
fn nobody_makes_a_client_answer_without_end() {
    let mut test = Test::start(|client| client.heartbeat(None));
    test.sent();
    let ask = |test: &mut Test| {
        (0..100).for_each(|_| drop(test.receive(":ann!a@h PRIVMSG polly :\x01PING 1\x01")));
        test.sent().len()
    };
    assert_eq!((ask(&mut test), ask(&mut test)), (5, 0));
    test.wire.advance(Duration::from_secs(5));
    assert_eq!((ask(&mut test), ask(&mut test)), (2, 0));
    test.wire.advance(Duration::from_secs(1));
    assert_eq!(ask(&mut test), 1);
    test.wire.advance(Duration::from_secs(6000));
    assert_eq!(ask(&mut test), 5);
}
