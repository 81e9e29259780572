use super::World;
use crate::server::request::{Answer, LoginFailure};
use crate::server::{Event, Name, ServerBan, key};

pub(super) fn ban(mask: &str) -> ServerBan {
    let name = |text: &str| Name::from(text.as_bytes());
    ServerBan { mask: name(mask), reason: name("spam"), by: name("oper"), at: super::START, until: None }
}

#[test]
fn a_ban_of_another_node_disconnects_those_it_applies_to_and_is_lifted() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    for _ in 0..2 {
        world.server.set_ban(world.now, ban("*bob@192.0.2.1"));
        world.settle();
        assert_eq!(world.closed, [bob]);
    }
    assert!(world.read(bob).last().unwrap().contains("You are banned: spam"));
    assert!(world.ask(ann, "PING x")[0].contains("PONG"));
    assert!(world.server.lift_ban(b"*bob@192.0.2.1") && !world.server.lift_ban(b"*bob@192.0.2.1"));
    world.user("bob");
}

#[test]
fn who_is_logged_in_to_an_account_that_is_removed_is_logged_out() {
    let mut world = World::with(|settings| settings.cluster.bus = Some(String::new()));
    world.server.add_accounts([(*b"Ann").into()]);
    let ann = world.user_with("other", "account-notify");
    world.send(ann, "NS IDENTIFY Ann sesame-open");
    world.answer(Answer::Login(Ok((*b"Ann").into())));
    world.published.clear();
    world.read(ann);
    world.server.remove_account(world.now, &key(b"ann"));
    world.settle();
    let lines = world.read(ann);
    assert!(lines[0].starts_with(":irc.test 901 other other!~other@"), "{lines:?}");
    assert!(lines[0].ends_with(" :You are now logged out"), "{lines:?}");
    assert!(lines.last().unwrap().starts_with(":NickServ!NickServ@irc.test NOTICE other :Your account was removed"));
    assert!(matches!(world.published[..], [Event::Account { account: None, .. }]), "{:?}", world.published);
    assert!(world.ask(ann, "NS CERT LIST")[0].contains("Log in first"));
    // The nick is anybody's.
    world.user("ann");
}

#[test]
fn a_login_to_an_account_that_was_removed_meanwhile_is_none() {
    let mut world = World::new();
    let client = world.user("other");
    world.server.add_accounts([(*b"Ann").into()]);
    world.send(client, "NS IDENTIFY Ann sesame-open");
    world.server.remove_account(world.now, &key(b"ann"));
    world.answer(Answer::Login(Ok((*b"Ann").into())));
    assert!(world.read(client).last().unwrap().contains("Try again later"));
    world.send(client, "NS IDENTIFY Ann sesame-open");
    world.answer(Answer::Login(Err(LoginFailure::Refused)));
    assert!(world.read(client).last().unwrap().contains("Wrong account or password"));
}

#[test]
fn who_removes_an_account_is_told_so_once_and_logged_out() {
    let mut world = World::new();
    let (_, ann) = owner(&mut world);
    world.read(ann);
    world.send(ann, "NS DROP sesame-open");
    world.server.remove_account(world.now, &key(b"ann"));
    world.answer(Answer::Account(Ok(Vec::new())));
    let lines = world.read(ann);
    assert!(lines.len() == 2 && lines[0].contains(" 901 ann_ ann_!~ann_@"), "{lines:?}");
    assert!(lines[1].ends_with(" NOTICE ann_ :Your account is removed."), "{lines:?}");
}

#[test]
fn a_client_that_is_not_registered_yet_is_told_that_it_is_logged_out() {
    let mut world = World::new();
    world.server.add_accounts([(*b"ann").into()]);
    let client = world.connect();
    world.send(client, "CAP REQ :sasl");
    world.send(client, "AUTHENTICATE PLAIN");
    world.answer(Answer::Login(Ok((*b"ann").into())));
    world.read(client);
    world.server.remove_account(world.now, &key(b"ann"));
    world.settle();
    assert_eq!(world.read(client)[0], ":irc.test 901 * *!*@* :You are now logged out");
}

/// Somebody with the nick `ann`, and `ann_`, who is logged in to the account `ann`.
fn owner(world: &mut World) -> (crate::server::ClientId, crate::server::ClientId) {
    let (ghost, ann) = (world.user("ann"), world.user("ann_"));
    world.server.add_accounts([(*b"ann").into()]);
    world.send(ann, "NS IDENTIFY ann sesame-open");
    world.answer(Answer::Login(Ok((*b"ann").into())));
    (ghost, ann)
}

#[test]
fn the_owner_of_an_account_disconnects_the_session_that_has_its_nick_and_takes_it() {
    let mut world = World::new();
    let (ghost, ann) = owner(&mut world);
    let lines = world.ask(ann, "NS GHOST Ann");
    assert_eq!(world.closed, [ghost]);
    assert!(
        lines
            .last()
            .unwrap()
            .ends_with(":The session with that nick is being disconnected: take the nick with /NICK ann.")
    );
    assert!(world.read(ghost).last().unwrap().contains("Killed (NickServ (GHOST by ann_))"));
    assert!(world.ask(ann, "NS GHOST ann")[0].contains("Nobody has that nick"));
    assert!(world.ask(ann, "NICK ann")[0].ends_with(" NICK ann"));
    assert!(world.ask(ann, "NS GHOST ann")[0].contains("You have that nick yourself"));
    assert!(world.ask(ann, "NS HELP").iter().any(|line| line.contains(":GHOST nick: ")));
}

#[test]
fn nobody_disconnects_those_whose_nick_is_not_that_of_their_account() {
    let mut world = World::new();
    let (ghost, ann) = owner(&mut world);
    let bob = world.user("bob");
    assert!(world.ask(ann, "NS GHOST bob")[0].ends_with(":Your account owns one nick: ann."));
    assert!(world.ask(bob, "NS GHOST ann")[0].ends_with(":Log in first."));
    assert!(world.ask(ghost, "NS GHOST ann")[0].ends_with(":Log in first."));
    assert_eq!(world.closed, []);
}
