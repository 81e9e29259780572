use std::fs;
use std::io::BufReader;

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::apps::binaries::example;
use crate::apps::net::{accept, listen};
use crate::apps::program::{Program, hearing_signals};
use crate::gallery::Client;

#[test]
fn the_log_bot_logs_a_channel_answers_and_comes_back() {
    let (listener, address) = listen();
    let directory = tempdir().unwrap();
    let path = directory.path().join("log");
    let mut command = hearing_signals(example("irc_log_bot"));
    let bot = Program::start(command.args([&address.to_string(), "#test"]).arg(&path));
    let mut server = Client(BufReader::new(accept(&listener)));
    assert_eq!([server.hear(), server.hear()], ["NICK logbot", "USER logbot 0 * :logbot"]);
    server.say(":irc.example.org 433 * logbot :Nickname is already in use");
    assert_eq!(server.hear(), "NICK logbot^");
    server.say(":irc.example.org 001 logbot^ :Welcome");
    assert_eq!(server.hear(), "JOIN #test");
    server.say(":logbot^!l@example.org JOIN #test");
    server.say(":ann!a@example.org PRIVMSG #test :hello\x1b[2J everybody");
    server.say(":ann!a@example.org PRIVMSG #test :logbot^: who are you?");
    assert_eq!(server.hear(), "PRIVMSG #test :ann: I am a log bot");
    server.say(":ann!a@example.org PRIVMSG logbot^ :psst");
    assert_eq!(server.hear(), "PRIVMSG ann :It isn't nice to whisper!  Play nice with the group.");
    server.say(":ann!a@example.org PRIVMSG #test :\x01ACTION waves\x01");
    server.say(":ann!a@example.org NICK anna");
    server.end();
    assert_eq!(server.hear_to_the_end(), "");
    let mut server = Client(BufReader::new(accept(&listener)));
    assert_eq!(server.hear(), "NICK logbot");
    bot.signal(Signal::SIGTERM);
    bot.finish().with_code(0);
    let log = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = log
        .lines()
        .map(|line| {
            let (time, text) = line.split_at("[00:00:00] ".len());
            assert!(time.chars().all(|c| c.is_ascii_digit() || "[:] ".contains(c)), "{line}");
            text
        })
        .collect();
    let expected = [
        "[connected]",
        "[I have joined #test]",
        r"<ann> hello\x1b[2J everybody",
        "<ann> logbot^: who are you?",
        "<logbot^> ann: I am a log bot",
        "<ann> psst",
        "* ann waves",
        "ann is now known as anna",
        "[disconnected: connection closed cleanly]",
        "[connected]",
    ];
    assert_eq!(lines[..expected.len()], expected);
    assert!(lines.len() == expected.len() + 1 && lines[lines.len() - 1].starts_with("[disconnected: "), "{log}");
}
