//! What a client sends, and how fast.

use std::time::Duration;

use super::*;

#[test]
fn each_method_sends_its_message() {
    let mut test = Test::signed_on();
    let irc = test.irc.clone();
    irc.join("#a");
    irc.join_with_key("#a", "key");
    irc.leave("#a", "");
    irc.leave("#a", "see you");
    irc.kick("#a", "bob", "no spam");
    irc.invite("bob", "#a");
    irc.topic("#a");
    irc.set_topic("#a", "");
    irc.set_topic("#a", "a topic");
    irc.mode("#a", "+o-v", ["ann", "bob"]);
    irc.mode("polly", "+i", [""; 0]);
    irc.msg("#a", "hello\n\nthere\r\n");
    irc.notice("ann", "psst");
    irc.describe("#a", "waves");
    irc.ctcp_query("ann", "VERSION", "");
    irc.ctcp_reply("ann", "PING", "1");
    irc.set_nick("pol");
    irc.away("out for lunch");
    irc.back();
    irc.whois("ann");
    irc.quit("");
    irc.quit("bye\r\nJOIN #b");
    let expected = [
        "JOIN #a",
        "JOIN #a key",
        "PART #a",
        "PART #a :see you",
        "KICK #a bob :no spam",
        "INVITE bob #a",
        "TOPIC #a",
        "TOPIC #a :",
        "TOPIC #a :a topic",
        "MODE #a +o-v ann bob",
        "MODE polly +i",
        "PRIVMSG #a :hello",
        "PRIVMSG #a :there",
        "NOTICE ann :psst",
        "PRIVMSG #a :\x01ACTION waves\x01",
        "PRIVMSG ann :\x01VERSION\x01",
        "NOTICE ann :\x01PING 1\x01",
        "NICK pol",
        "AWAY :out for lunch",
        "AWAY",
        "WHOIS ann",
        "QUIT",
        "QUIT :bye",
    ];
    assert_eq!(test.sent(), expected);
}

#[test]
fn a_long_text_is_split_so_that_others_get_all_of_it() {
    let mut test = Test::signed_on();
    let text = vec!["word"; 500].join(" ");
    let send = |test: &mut Test, source: &str| {
        test.irc.msg("#rust", &text);
        test.irc.describe("#rust", &text);
        let mut longest = [0; 2];
        let mut texts = [Vec::new(), Vec::new()];
        for line in test.sent() {
            let line = format!(":{source} {line}\r\n");
            let text = line.trim_end().split_once(" :").expect("a text").1;
            let which = usize::from(text.starts_with('\x01'));
            longest[which] = longest[which].max(line.len());
            texts[which].push(text.trim_matches('\x01').trim_start_matches("ACTION ").to_owned());
        }
        assert_eq!(texts.map(|pieces| pieces.join(" ")), [&text[..], &text[..]]);
        longest
    };
    let most = format!("polly!{}@{}", "u".repeat(11), "h".repeat(63));
    assert!(send(&mut test, &most).iter().all(|length| (506..=512).contains(length)));
    // Once it knows how it is seen, a client uses all the room.
    test.receive(":polly!p@h JOIN #rust");
    assert!(send(&mut test, "polly!p@h").iter().all(|length| (506..=512).contains(length)));
    test.receive(":polly!p@h NICK polly-the-parrot");
    assert!(send(&mut test, "polly-the-parrot!p@h").iter().all(|length| (506..=512).contains(length)));
}

#[test]
fn a_target_that_leaves_no_room_sends_some_all_the_same() {
    let mut test = Test::signed_on();
    test.irc.msg("x".repeat(600), "some text that is longer than sixteen bytes");
    assert!(test.sent().iter().all(|line| line.len() == 510));
}

#[test]
fn lines_are_no_closer_than_the_rate_says() {
    let mut test = Test::start(|client| client.line_rate(Duration::from_secs(2)));
    test.sent();
    ["one", "two", "three"].iter().for_each(|text| test.irc.msg("#a", text));
    assert_eq!(test.sent(), ["PRIVMSG #a :one"]);
    test.wire.advance(Duration::from_millis(1999));
    assert!(test.sent().is_empty());
    test.wire.advance(Duration::from_millis(1));
    assert_eq!(test.sent(), ["PRIVMSG #a :two"]);
    test.wire.advance(Duration::from_secs(2));
    assert_eq!(test.sent(), ["PRIVMSG #a :three"]);
    test.irc.msg("#a", "four");
    assert!(test.sent().is_empty(), "the third was sent just now");
    test.wire.advance(Duration::from_secs(2));
    assert_eq!(test.sent(), ["PRIVMSG #a :four"]);
    test.wire.advance(Duration::from_secs(20));
    test.irc.msg("#a", "five");
    assert_eq!(test.sent(), ["PRIVMSG #a :five"]);
}

#[test]
fn what_waits_is_bounded_by_the_limit_of_output() {
    let mut test = Test::start(|client| client.line_rate(Duration::from_secs(2)));
    test.sent();
    test.irc.transport().set_output_limit(100);
    let say = |test: &mut Test| {
        test.irc.msg("#a", "x".repeat(20));
        test.sent().len()
    };
    // One is sent, and two wait.
    assert_eq!([say(&mut test), say(&mut test), say(&mut test)], [1, 0, 0]);
    assert!(test.log.borrow().is_empty());
    say(&mut test);
    assert_eq!(test.log.take(), ["lost more than 100 bytes wait to be sent, one line at a time"]);
}
