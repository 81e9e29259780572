use super::World;
use crate::server::request::{Answer, Request};

#[test]
fn what_is_said_reaches_all_in_a_channel_but_the_speaker() {
    let mut world = World::new();
    let (ann, bob, eve) = (world.user("ann"), world.user("bob"), world.user("eve"));
    for id in [ann, bob] {
        world.send(id, "JOIN #a");
    }
    world.read(bob);
    assert_eq!(world.ask(ann, "PRIVMSG #a :hello there"), [""; 0]);
    assert!(world.read(bob)[0].ends_with(" PRIVMSG #a :hello there"));
    assert_eq!(world.read(eve), [""; 0]);
    assert!(world.ask(eve, "PRIVMSG #a :let me in")[0].contains(" 404 "));
    assert_eq!(world.ask(eve, "NOTICE #a :let me in"), [""; 0]);
}

#[test]
fn an_echo_comes_once_the_line_is_kept_and_others_are_told_at_once() {
    let mut world = World::new();
    world.keeps = false;
    let (ann, bob) = (world.user_with("ann", "echo-message message-tags server-time"), world.user("bob"));
    assert_eq!(world.ask(ann, "PRIVMSG bob :hello"), [""; 0]);
    assert!(world.read(bob)[0].ends_with(" PRIVMSG bob :hello"));
    world.keep(true);
    let echo = world.read(ann);
    assert!(echo[0].starts_with("@time=2027-01-15T08:00:00.000Z;msgid="), "{echo:?}");
    assert!(echo[0].ends_with(" PRIVMSG bob :hello"));
    world.send(ann, "PRIVMSG bob :again");
    world.keep(false);
    assert!(world.read(ann)[0].contains("FAIL PRIVMSG MESSAGE_NOT_KEPT"));
}

#[test]
fn the_echoes_of_one_command_come_when_all_of_its_lines_are_kept() {
    let mut world = World::new();
    world.keeps = false;
    let (ann, bob, eve) = (world.user_with("ann", "echo-message"), world.user("bob"), world.user("eve"));
    assert_eq!(world.ask(ann, "PRIVMSG bob,eve :hello"), [""; 0]);
    assert_eq!((world.read(bob).len(), world.read(eve).len()), (1, 1));
    world.keep(true);
    let echoes = world.read(ann);
    assert!(echoes[0].ends_with(" PRIVMSG bob :hello") && echoes[1].ends_with(" PRIVMSG eve :hello"), "{echoes:?}");
}

#[test]
fn the_tags_of_clients_reach_those_that_have_asked_for_tags() {
    let mut world = World::new();
    let (ann, bob, eve) =
        (world.user_with("ann", "message-tags"), world.user_with("bob", "message-tags"), world.user("eve"));
    for id in [ann, bob, eve] {
        world.send(id, "JOIN #a");
        world.read(id);
    }
    world.read(bob);
    world.send(ann, "@+typing=active;time=1970-01-01T00:00:00.000Z TAGMSG #a");
    let lines = world.read(bob);
    assert!(lines[0].contains(";+typing=active ") && lines[0].ends_with(" TAGMSG #a"), "{lines:?}");
    assert!(!lines[0].contains("1970"));
    assert_eq!(world.read(eve), [""; 0]);
}

#[test]
fn a_moderated_channel_hears_those_with_a_voice() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(ann, "JOIN #a");
    world.send(bob, "JOIN #a");
    world.send(ann, "MODE #a +m");
    assert!(world.ask(bob, "PRIVMSG #a :x")[0].contains(" 404 "));
    world.send(ann, "MODE #a +v bob");
    world.read(ann);
    world.send(bob, "PRIVMSG #a :x");
    assert!(world.read(ann)[0].ends_with(" PRIVMSG #a :x"));
    world.send(bob, "PRIVMSG @#a :for operators");
    assert!(world.read(ann)[0].ends_with(" PRIVMSG @#a :for operators"));
}

#[test]
fn a_line_reaches_a_user_who_is_away_and_its_sender_hears_of_that() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(bob, "AWAY :lunch");
    world.read(bob);
    assert_eq!(world.ask(ann, "PRIVMSG bob :hi"), [":irc.test 301 ann bob :lunch"]);
    assert_eq!(world.read(bob).len(), 1);
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_the_name_of_its_command() {
    let mut world = World::new();
    let ann = world.user("ann");
    world.send_bytes(ann, b"PRIVMSG ann :\xff");
    assert!(world.read(ann)[0].starts_with(":irc.test FAIL PRIVMSG INVALID_UTF8 "));
}

#[test]
fn history_is_told_in_a_batch_and_to_members_alone() {
    let mut world = World::new();
    let (ann, eve) =
        (world.user_with("ann", "batch draft/chathistory"), world.user_with("eve", "batch draft/chathistory"));
    world.send(ann, "JOIN #a");
    world.read(ann);
    assert!(world.ask(eve, "CHATHISTORY LATEST #a * 10")[0].contains("INVALID_TARGET"));
    for (line, code) in [
        ("CHATHISTORY", "NEED_MORE_PARAMS"),
        ("CHATHISTORY LATEST #a *", "NEED_MORE_PARAMS"),
        ("CHATHISTORY LATEST #a * 0", "INVALID_PARAMS"),
        ("CHATHISTORY BEFORE #a yesterday 10", "INVALID_PARAMS"),
        ("CHATHISTORY SOME #a * 10", "INVALID_PARAMS"),
    ] {
        assert!(world.ask(ann, line)[0].contains(code), "{line}");
    }
    world.send(ann, "CHATHISTORY LATEST #a * 10");
    world.answer(Answer::History(Some(Vec::new())));
    let lines = world.read(ann);
    assert!(lines[0].ends_with(" chathistory #a") && lines[1].starts_with(":irc.test BATCH -"), "{lines:?}");
}

#[test]
fn nobody_reads_what_somebody_else_has_heard_under_the_same_nick() {
    let mut world = World::new();
    world.server.add_accounts([(*b"ann").into()]);
    let (guest, bob) = (world.user("guest"), world.user("bob"));
    let conversation = |world: &mut World, id, with: &str| {
        world.send(id, &format!("CHATHISTORY LATEST {with} * 10"));
        let Some((_, Request::History(query))) = world.asked.front() else { panic!("{:?}", world.asked) };
        let target = query.target.clone();
        world.answer(Answer::History(Some(Vec::new())));
        target
    };
    let first = conversation(&mut world, bob, "guest");
    assert_eq!(conversation(&mut world, guest, "bob"), first);
    world.send(guest, "QUIT");
    let second = world.user("guest");
    assert_ne!(conversation(&mut world, second, "bob"), first);
    // Who has an account is found by it, also while away.
    assert!(conversation(&mut world, bob, "ann").ends_with(b",ann"));
}

#[test]
fn a_guest_in_the_history_is_called_as_now_and_nothing_once_gone() {
    let mut world = World::new();
    let (ann, guest) = (world.user_with("ann", "batch draft/chathistory"), world.user("guest"));
    let uid = world.server.nicks[&b"guest"[..]];
    let targets = |world: &mut World| {
        world.send(ann, "CHATHISTORY TARGETS timestamp=2026-01-01T00:00:00.000Z timestamp=2027-01-01T00:00:00.000Z 10");
        let found = [uid.to_string(), "bob".into(), "!no-user".into()].map(|name| name.into_bytes().into());
        world.answer(Answer::Targets(found.map(|name| (name, world.now)).into()));
        let lines = world.read(ann);
        let named = lines.iter().filter(|line| line.contains(" TARGETS "));
        named.map(|line| line.split(' ').rev().nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    world.send(guest, "NICK visitor");
    assert_eq!(targets(&mut world), ["visitor", "bob"]);
    world.send(guest, "QUIT");
    assert_eq!(targets(&mut world), ["bob"]);
}

#[test]
fn characters_cut_in_two_by_a_space_are_no_text() {
    let mut world = World::new();
    let ann = world.user("ann");
    world.send_bytes(ann, b"PRIVMSG \xc3 \xa9");
    assert!(world.read(ann)[0].starts_with(":irc.test FAIL PRIVMSG INVALID_UTF8 "));
}
