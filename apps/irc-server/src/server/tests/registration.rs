use std::time::Duration;

use super::World;
use crate::server::request::{Answer, LoginFailure, Request};

#[test]
fn a_client_is_welcome_once_it_has_told_its_nick_and_who_it_is() {
    let mut world = World::new();
    let client = world.connect();
    assert_eq!(world.ask(client, "JOIN #a"), [":irc.test 451 * :You have not registered"]);
    assert_eq!(world.ask(client, "NICK ann"), [""; 0]);
    let lines = world.ask(client, "USER ann 0 * :Ann");
    let numerics: Vec<_> = lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(numerics[..5], ["001", "002", "003", "004", "005"]);
    assert_eq!(numerics.last(), Some(&"376"));
}

#[test]
fn negotiation_holds_registration_until_it_ends() {
    let mut world = World::new();
    let client = world.connect();
    let listed = world.ask(client, "CAP LS 302");
    assert!(listed.iter().any(|line| line.contains("echo-message")), "{listed:?}");
    world.send(client, "NICK ann");
    assert_eq!(world.ask(client, "USER ann 0 * :Ann"), [""; 0]);
    assert_eq!(world.ask(client, "CAP REQ :echo-message batch"), [":irc.test CAP ann ACK :echo-message batch"]);
    assert_eq!(world.ask(client, "CAP REQ :batch no-such"), [":irc.test CAP ann NAK :batch no-such"]);
    assert!(world.ask(client, "CAP END")[0].starts_with("@").then_some(()).is_none());
    assert!(world.server.users() == 1);
}

#[test]
fn a_nick_is_taken_in_any_case_of_letters() {
    let mut world = World::new();
    world.user("Ann");
    let client = world.connect();
    assert_eq!(world.ask(client, "NICK aNN"), [":irc.test 433 * aNN :Nickname is already in use"]);
    for bad in ["#ann", "1ann", "a,b", "a!b", "a*"] {
        assert!(world.ask(client, &format!("NICK {bad}"))[0].contains(" 432 "), "{bad}");
    }
}

#[test]
fn the_nick_of_an_account_is_for_those_who_are_logged_in() {
    let mut world = World::new();
    world.server.add_accounts([(*b"Ann").into()]);
    let client = world.connect();
    world.send(client, "NICK ann");
    assert!(world.ask(client, "USER ann 0 * :Ann")[0].contains(" 433 "));
    world.send(client, "CAP REQ :sasl");
    world.send(client, "AUTHENTICATE PLAIN");
    world.answer(Answer::Challenge(Vec::new()));
    assert_eq!(world.read(client).last().unwrap(), "AUTHENTICATE +");
    world.send(client, "AUTHENTICATE AGFubgBwYXNz");
    assert!(matches!(&world.asked[0].1, Request::SaslRespond(answer) if answer == b"\0ann\0pass"));
    world.answer(Answer::Login(Ok((*b"Ann").into())));
    let lines = world.read(client);
    assert!(lines[0].contains(" 900 ") && lines[1].contains(" 903 "), "{lines:?}");
    world.send(client, "NICK ann");
    assert!(world.ask(client, "CAP END")[0].contains(" 001 ann "));
}

#[test]
fn a_login_that_fails_leaves_the_client_free_to_try_again_or_go_on_without() {
    let mut world = World::new();
    let client = world.connect();
    world.send(client, "CAP REQ :sasl");
    assert!(world.ask(client, "AUTHENTICATE NONSENSE").last().unwrap().contains(" 904 "));
    for (failure, numeric) in [(LoginFailure::Refused, " 904 "), (LoginFailure::Aborted, " 906 ")] {
        world.send(client, "AUTHENTICATE PLAIN");
        world.answer(Answer::Challenge(Vec::new()));
        world.send(client, "AUTHENTICATE *");
        world.answer(Answer::Login(Err(failure)));
        assert!(world.read(client).last().unwrap().contains(numeric));
    }
    world.send(client, "NICK ann");
    world.send(client, "USER ann 0 * :Ann");
    assert!(world.ask(client, "CAP END")[0].contains(" 001 "));
}

#[test]
fn those_that_say_nothing_are_let_go_and_those_that_answer_are_not() {
    let mut world = World::with(|settings| settings.limits.ping = Duration::from_secs(60));
    let (silent, alive, stranger) = (world.user("silent"), world.user("alive"), world.connect());
    world.pass(31_000);
    assert_eq!(world.closed, [stranger]);
    world.pass(30_000);
    assert_eq!(world.read(silent), ["PING irc.test"]);
    world.send(alive, "PONG irc.test");
    world.pass(60_001);
    assert_eq!(world.closed, [stranger, silent]);
    assert!(world.read(silent)[0].starts_with("ERROR :Closing link"));
}

#[test]
fn an_address_has_only_so_many_connections_and_its_network_counts_as_one() {
    let mut world = World::with(|settings| settings.limits.clients_per_address = 2);
    for address in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
        world.connect_from(address);
    }
    assert_eq!(world.closed.len(), 1);
    world.connect_from("2001:db8:0:1::1");
    assert_eq!(world.closed.len(), 1);
}

#[test]
fn a_server_with_a_password_takes_nobody_without() {
    let mut world = World::with(|settings| settings.password = Some(protocols::auth::PasswordHash::new("secret")));
    let client = world.connect();
    world.send(client, "NICK ann");
    world.send(client, "USER ann 0 * :Ann");
    assert!(world.read(client)[0].contains(" 464 "));
    assert_eq!(world.closed, [client]);
    let client = world.connect();
    world.send(client, "PASS secret");
    world.answer(Answer::Password(true));
    world.send(client, "NICK ann");
    assert!(world.ask(client, "USER ann 0 * :Ann")[0].contains(" 001 "));
}

#[test]
fn the_readme_names_the_capabilities_that_are_offered() {
    let readme = include_str!("../../../README.md");
    let (_, named) = readme.split_once("The IRCv3 capabilities ").unwrap();
    let (named, _) = named.split_once("; and").unwrap();
    let named: Vec<_> =
        named.split_ascii_whitespace().map(|name| name.trim_end_matches(',')).filter(|name| *name != "and").collect();
    let mut world = World::new();
    let client = world.connect();
    let listed = world.ask(client, "CAP LS").remove(0);
    let (_, listed) = listed.split_once(" LS :").unwrap();
    let mut listed: Vec<_> = listed.split(' ').map(|name| name.trim_start_matches("draft/")).collect();
    listed.sort_unstable();
    assert_eq!(named, listed);
}
