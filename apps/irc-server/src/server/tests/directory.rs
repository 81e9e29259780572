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
    world.server.remove_account(world.now, &key(b"ann"));
    world.settle();
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
