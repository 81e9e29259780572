//! The facts of the public tests for parsers (<https://github.com/ircdocs/parser-tests>), and what they leave open.

use bytes::BytesMut;

use super::*;
use crate::irc::message::builder::{MAX_BODY, MAX_TAGS, MessageBuilder};

/// Parts of a message: tags, source, command, parameters.
type Parts = (&'static [(&'static str, &'static str)], Option<&'static str>, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const SPLIT: &[(&str, Parts)] = &[
    ("foo bar baz asdf", (&[], None, "foo", &["bar", "baz", "asdf"])),
    (":coolguy foo bar baz asdf", (&[], Some("coolguy"), "foo", &["bar", "baz", "asdf"])),
    ("foo bar baz :asdf quux", (&[], None, "foo", &["bar", "baz", "asdf quux"])),
    ("foo bar baz :", (&[], None, "foo", &["bar", "baz", ""])),
    ("foo bar baz ::asdf", (&[], None, "foo", &["bar", "baz", ":asdf"])),
    (":coolguy foo bar baz :asdf quux", (&[], Some("coolguy"), "foo", &["bar", "baz", "asdf quux"])),
    (":coolguy foo bar baz :  asdf quux ", (&[], Some("coolguy"), "foo", &["bar", "baz", "  asdf quux "])),
    (":coolguy PRIVMSG bar :lol :) ", (&[], Some("coolguy"), "PRIVMSG", &["bar", "lol :) "])),
    (":coolguy foo bar baz :", (&[], Some("coolguy"), "foo", &["bar", "baz", ""])),
    (":coolguy foo bar baz :  ", (&[], Some("coolguy"), "foo", &["bar", "baz", "  "])),
    ("@a=b;c=32;k;rt=ql7 foo", (&[("a", "b"), ("c", "32"), ("k", ""), ("rt", "ql7")], None, "foo", &[])),
    (r"@a=b\\and\nk;c=72\s45;d=gh\:764 foo", (&[("a", "b\\and\nk"), ("c", "72 45"), ("d", "gh;764")], None, "foo", &[])),
    ("@c;h=;a=b :quux ab cd", (&[("c", ""), ("h", ""), ("a", "b")], Some("quux"), "ab", &["cd"])),
    (":src JOIN #chan", (&[], Some("src"), "JOIN", &["#chan"])),
    (":src JOIN :#chan", (&[], Some("src"), "JOIN", &["#chan"])),
    (":src AWAY", (&[], Some("src"), "AWAY", &[])),
    (":src AWAY ", (&[], Some("src"), "AWAY", &[])),
    (":cool\tguy foo bar baz", (&[], Some("cool\tguy"), "foo", &["bar", "baz"])),
    (
        ":coolguy!ag@net\x035w\x03ork.admin PRIVMSG foo :bar baz",
        (&[], Some("coolguy!ag@net\x035w\x03ork.admin"), "PRIVMSG", &["foo", "bar baz"]),
    ),
    (
        ":coolguy!~ag@n\x02et\x0305w\x0fork.admin PRIVMSG foo :bar baz",
        (&[], Some("coolguy!~ag@n\x02et\x0305w\x0fork.admin"), "PRIVMSG", &["foo", "bar baz"]),
    ),
    (
        "@tag1=value1;tag2;vendor1/tag3=value2;vendor2/tag4= :irc.example.com COMMAND param1 param2 :param3 param3",
        (
            &[("tag1", "value1"), ("tag2", ""), ("vendor1/tag3", "value2"), ("vendor2/tag4", "")],
            Some("irc.example.com"),
            "COMMAND",
            &["param1", "param2", "param3 param3"],
        ),
    ),
    (
        ":irc.example.com COMMAND param1 param2 :param3 param3",
        (&[], Some("irc.example.com"), "COMMAND", &["param1", "param2", "param3 param3"]),
    ),
    (
        "@tag1=value1;tag2;vendor1/tag3=value2;vendor2/tag4 COMMAND param1 param2 :param3 param3",
        (
            &[("tag1", "value1"), ("tag2", ""), ("vendor1/tag3", "value2"), ("vendor2/tag4", "")],
            None,
            "COMMAND",
            &["param1", "param2", "param3 param3"],
        ),
    ),
    ("COMMAND", (&[], None, "COMMAND", &[])),
    (r"@foo=\\\\\:\\s\s\r\n COMMAND", (&[("foo", "\\\\;\\s \r\n")], None, "COMMAND", &[])),
    (
        ":gravel.mozilla.org 432  #momo :Erroneous Nickname: Illegal characters",
        (&[], Some("gravel.mozilla.org"), "432", &["#momo", "Erroneous Nickname: Illegal characters"]),
    ),
    (":gravel.mozilla.org MODE #tckk +n ", (&[], Some("gravel.mozilla.org"), "MODE", &["#tckk", "+n"])),
    (
        ":services.esper.net MODE #foo-bar +o foobar  ",
        (&[], Some("services.esper.net"), "MODE", &["#foo-bar", "+o", "foobar"]),
    ),
    (r"@tag1=value\\ntest COMMAND", (&[("tag1", "value\\ntest")], None, "COMMAND", &[])),
    (r"@tag1=value\1 COMMAND", (&[("tag1", "value1")], None, "COMMAND", &[])),
    (r"@tag1=value1\ COMMAND", (&[("tag1", "value1")], None, "COMMAND", &[])),
    ("@tag1=1;tag2=3;tag3=4;tag1=5 COMMAND", (&[("tag1", "5"), ("tag2", "3"), ("tag3", "4")], None, "COMMAND", &[])),
    (
        "@tag1=1;tag2=3;tag3=4;tag1=5;vendor/tag2=8 COMMAND",
        (&[("tag1", "5"), ("tag2", "3"), ("tag3", "4"), ("vendor/tag2", "8")], None, "COMMAND", &[]),
    ),
    (":SomeOp MODE #channel :+i", (&[], Some("SomeOp"), "MODE", &["#channel", "+i"])),
    (
        ":SomeOp MODE #channel +oo SomeUser :AnotherUser",
        (&[], Some("SomeOp"), "MODE", &["#channel", "+oo", "SomeUser", "AnotherUser"]),
    ),
];

#[test]
fn lines_are_taken_apart_as_the_public_tests_say() {
    for (line, (tags, source, command, params)) in SPLIT {
        let message = Message::parse(line.as_bytes()).expect(line);
        for (key, value) in *tags {
            assert_eq!(message.tags().get(key.as_bytes()).as_deref(), Some(value.as_bytes()), "{line}: {key}");
        }
        assert_eq!(message.tags().get(b"another"), None, "{line}");
        assert_eq!(message.source().map(|source| source.as_bytes()), source.map(str::as_bytes), "{line}");
        assert_eq!(message.command(), command.as_bytes(), "{line}");
        let expected: Vec<_> = params.iter().map(|param| param.as_bytes()).collect();
        assert_eq!(message.params(), expected, "{line}");
    }
}

#[rustfmt::skip]
const JOIN: &[(Parts, &[&str])] = &[
    ((&[], None, "foo", &["bar", "baz", "asdf"]), &["foo bar baz asdf", "foo bar baz :asdf"]),
    ((&[], Some("src"), "AWAY", &[]), &[":src AWAY"]),
    ((&[], Some("src"), "AWAY", &[""]), &[":src AWAY :"]),
    ((&[], Some("coolguy"), "foo", &["bar", "baz", "asdf"]), &[":coolguy foo bar baz asdf", ":coolguy foo bar baz :asdf"]),
    ((&[], None, "foo", &["bar", "baz", "asdf quux"]), &["foo bar baz :asdf quux"]),
    ((&[], None, "foo", &["bar", "baz", ""]), &["foo bar baz :"]),
    ((&[], None, "foo", &["bar", "baz", ":asdf"]), &["foo bar baz ::asdf"]),
    ((&[], Some("coolguy"), "foo", &["bar", "baz", "asdf quux"]), &[":coolguy foo bar baz :asdf quux"]),
    ((&[], Some("coolguy"), "foo", &["bar", "baz", "  asdf quux "]), &[":coolguy foo bar baz :  asdf quux "]),
    ((&[], Some("coolguy"), "PRIVMSG", &["bar", "lol :) "]), &[":coolguy PRIVMSG bar :lol :) "]),
    ((&[], Some("coolguy"), "foo", &["bar", "baz", ""]), &[":coolguy foo bar baz :"]),
    ((&[], Some("coolguy"), "foo", &["bar", "baz", "  "]), &[":coolguy foo bar baz :  "]),
    ((&[], Some("coolguy"), "foo", &["b\tar", "baz"]), &[":coolguy foo b\tar baz", ":coolguy foo b\tar :baz"]),
    // The public tests also allow `@asd=` here, and in another place do not.
    ((&[("asd", "")], Some("coolguy"), "foo", &["bar", "baz", "  "]), &["@asd :coolguy foo bar baz :  "]),
    ((&[("a", "b\\and\nk"), ("d", "gh;764")], None, "foo", &[]), &[r"@a=b\\and\nk;d=gh\:764 foo"]),
    (
        (&[("a", "b\\and\nk"), ("d", "gh;764")], None, "foo", &["par1", "par2"]),
        &[r"@a=b\\and\nk;d=gh\:764 foo par1 par2", r"@a=b\\and\nk;d=gh\:764 foo par1 :par2"],
    ),
    ((&[("foo", "\\\\;\\s \r\n")], None, "COMMAND", &[]), &[r"@foo=\\\\\:\\s\s\r\n COMMAND"]),
];

#[test]
fn messages_are_put_together_as_the_public_tests_say() {
    for ((tags, source, command, params), lines) in JOIN {
        let mut message = MessageBuilder::new(command);
        for (key, value) in *tags {
            message = message.tag(key, value);
        }
        if let Some(source) = source {
            message = message.source(source);
        }
        let Some((last, others)) = params.split_last() else {
            assert_eq!(text(&message), format!("{}\r\n", lines[0]));
            continue;
        };
        for param in others {
            message = message.param(param);
        }
        assert_eq!(text(&message.clone().param(last)), format!("{}\r\n", lines[0]));
        assert_eq!(text(&message.trailing(last)), format!("{}\r\n", lines[lines.len() - 1]));
    }
}

fn text(message: &MessageBuilder) -> String {
    let bytes = message.to_bytes();
    let mut appended = BytesMut::from("before");
    message.write_to(&mut appended);
    assert_eq!(appended, [b"before", &bytes[..]].concat());
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn sources_are_taken_apart_as_the_public_tests_say() {
    for (source, name, user, host) in [
        ("coolguy", "coolguy", None, None),
        ("coolguy!ag@127.0.0.1", "coolguy", Some("ag"), Some("127.0.0.1")),
        ("coolguy!~ag@localhost", "coolguy", Some("~ag"), Some("localhost")),
        ("coolguy@127.0.0.1", "coolguy", None, Some("127.0.0.1")),
        ("coolguy!ag", "coolguy", Some("ag"), None),
        ("coolguy!ag@net\x035w\x03ork.admin", "coolguy", Some("ag"), Some("net\x035w\x03ork.admin")),
        ("coolguy!~ag@n\x02et\x0305w\x0fork.admin", "coolguy", Some("~ag"), Some("n\x02et\x0305w\x0fork.admin")),
        // Theirs end here.
        ("", "", None, None),
        ("a@b!c", "a", None, Some("b!c")),
        ("a!b!c@d@e", "a", Some("b!c"), Some("d@e")),
        ("!@", "", Some(""), Some("")),
    ] {
        let parsed = Source::parse(source.as_bytes());
        let expected = (name.as_bytes(), user.map(str::as_bytes), host.map(str::as_bytes));
        assert_eq!((parsed.name(), parsed.user(), parsed.host()), expected, "{source}");
        assert_eq!(parsed.as_bytes(), source.as_bytes());
    }
}

#[test]
fn a_line_without_a_command_says_what_is_missing() {
    for line in ["", "\r\n", "  ", " \r\n"] {
        assert_eq!(Message::parse(line.as_bytes()), Err(ParseError::Empty), "{line:?}");
    }
    for line in ["@", "@a=b", "@a=b ", ":", ": ", ":ann", "@a :ann ", "@a  :b  "] {
        assert_eq!(Message::parse(line.as_bytes()), Err(ParseError::NoCommand), "{line:?}");
    }
    for line in ["A\rB", "A\nB", "A\0", "\0", "A B\r\nC D"] {
        assert_eq!(Message::parse(line.as_bytes()), Err(ParseError::ForbiddenByte), "{line:?}");
    }
}

#[test]
fn spaces_in_front_and_line_ends_behind_are_left_out() {
    let message = Message::parse(b"  @a  :b  C   d  \r\n").expect("a message");
    assert_eq!((message.tags().as_bytes(), message.command()), (&b"a"[..], &b"C"[..]));
    assert_eq!(message.source().map(|source| source.name()), Some(&b"b"[..]));
    assert_eq!((message.params(), message.param(1)), (&[&b"d"[..]][..], None));
}

#[test]
fn the_fifteenth_parameter_takes_all_the_rest() {
    let line = format!("C {} x  y :z", ["p"; 14].join(" "));
    let message = Message::parse(line.as_bytes()).expect("a message");
    assert_eq!((message.params().len(), message.param(14)), (15, Some(&b"x  y :z"[..])));
    let line = format!("C {} :x y", ["p"; 14].join(" "));
    assert_eq!(Message::parse(line.as_bytes()).expect("a message").param(14), Some(&b"x y"[..]));
}

#[test]
fn nothing_that_a_message_is_given_adds_a_line_or_a_parameter() {
    let said = |param: &str| text(&MessageBuilder::new("PRIVMSG").param(param).param("x"));
    assert_eq!(said("ann"), "PRIVMSG ann x\r\n");
    for odd in ["", "a b", ":ann", " ", "a ", "\rann", "\0"] {
        assert_eq!(said(odd), "PRIVMSG * x\r\n", "{odd:?}");
    }
    assert_eq!(said("ann\r\nQUIT"), "PRIVMSG ann x\r\n");
    assert_eq!(text(&MessageBuilder::new("A").param("one\nQUIT")), "A one\r\n");
    assert_eq!(text(&MessageBuilder::new("A").trailing("one\0two")), "A :one\r\n");
    assert_eq!(text(&MessageBuilder::new("A").trailing("one two").param("x")), "A * x\r\n");
    assert_eq!(text(&MessageBuilder::new("A B\r\nC").source("d e\r\nf").param("g")), ":d A g\r\n");
    for odd in ["", " A", ":A", "@A", "\rA"] {
        assert_eq!(text(&MessageBuilder::new(odd).source("").param("x")), "* x\r\n", "{odd:?}");
    }
    assert_eq!(text(&MessageBuilder::new("A").tag("a", "b\0c").tag("d", "\0")), "@a=b;d A\r\n");
    for odd in ["", "a b", "a;b", "a=b", "a\r\nb", "a\\b"] {
        assert_eq!(text(&MessageBuilder::new("A").tag(odd, "x")), "A\r\n", "{odd:?}");
    }
}

#[test]
fn a_source_may_come_behind_the_parameters() {
    let message = MessageBuilder::new("A").param("b c").source("d").to_bytes();
    assert_eq!(message, ":d A :b c\r\n");
}

#[test]
fn what_stands_behind_the_tags_is_cut_to_512_bytes() {
    for length in 0..600 {
        let message = MessageBuilder::new("PRIVMSG").tag("a", "b").param("#c").trailing("x".repeat(length)).to_bytes();
        let whole = "PRIVMSG #c :\r\n".len() + length;
        assert_eq!(message.len() - "@a=b ".len(), whole.min(MAX_BODY));
        assert!(message.ends_with(b"\r\n"));
    }
    for (param, source) in [("p".repeat(600), "s".to_owned()), ("p".to_owned(), "s".repeat(600))] {
        let message = MessageBuilder::new("A").source(source).param(&param).param(&param).to_bytes();
        assert_eq!(message.len(), MAX_BODY);
    }
}

#[test]
fn a_message_is_not_cut_inside_a_character() {
    for character in ["é", "€", "🦀"] {
        for before in 0..character.len() {
            let long = format!("{}{}", "x".repeat(before), character.repeat(300));
            let message = text(&MessageBuilder::new("A").trailing(&long));
            assert!(message.len() > MAX_BODY - character.len() && message.len() <= MAX_BODY, "{}", message.len());
        }
    }
    // What is no text is cut anywhere.
    for byte in [0x80, 0xE9, 0xFF] {
        let message = MessageBuilder::new("A").trailing([byte; 600]).to_bytes();
        let lost = if byte == 0xE9 { 1 } else { 0 }; // it would begin a character
        assert_eq!(message.len(), MAX_BODY - lost, "{byte:x}");
    }
}

#[test]
fn a_tag_that_does_not_fit_is_left_out() {
    let most = MAX_TAGS - "@a= ".len();
    let message = MessageBuilder::new("A").tag("a", vec![b'x'; most]).to_bytes();
    assert_eq!(message.len(), MAX_TAGS + "A\r\n".len());
    assert_eq!(MessageBuilder::new("A").tag("a", vec![b'x'; most + 1]).to_bytes(), "A\r\n");
    let message = MessageBuilder::new("A").tag("b", "c").tag("a", vec![b';'; most / 2]).tag("d", "e");
    assert_eq!(message.to_bytes(), "@b=c;d=e A\r\n");
}

#[test]
fn what_is_shown_has_no_control_characters() {
    let message = Message::parse(b"@a=\x1b[2J :\x07!b@c D\x08 :\xff").expect("a message");
    let shown = format!("{message:?} {:?}", MessageBuilder::new("A").param("\x1b[2J"));
    assert!(shown.is_ascii() && !shown.contains(char::is_control), "{shown}");
}
