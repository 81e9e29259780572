//! Who may not connect: `KLINE`, `UNKLINE` and `STATS k`.

use super::World;
use crate::server::ClientId;
use crate::server::request::Answer;
use crate::settings::Privilege;

fn operator(world: &mut World) -> ClientId {
    let root = world.user("root");
    world.send(root, "OPER root secret");
    world.answer(Answer::Oper(Some(Privilege::ALL.to_vec())));
    world.read(root);
    root
}

#[test]
fn a_ban_that_would_do_nothing_is_refused_with_what_is_wanted() {
    let mut world = World::new();
    let root = operator(&mut world);
    let minutes = "Usage: KLINE [MINUTES] USER@HOST [:REASON], where MINUTES is a whole number from 1 to 5256000";
    for (parameters, sentence) in [
        ("badguy!*@* :x", "A ban does not go by the nick: write USER@HOST, or *!USER@HOST"),
        ("vic*!*@*", "A ban does not go by the nick: write USER@HOST, or *!USER@HOST"),
        ("badguy3", "A mask is USER@HOST, with * and ? as wildcards"),
        (":", "A mask is USER@HOST, with * and ? as wildcards"),
        ("badguy3 :x", minutes),
        ("1h a@c", minutes),
        ("-5 a@b", minutes),
        ("+5 a@b", minutes),
        ("0 a@b", minutes),
        ("99999999999999999999 a@b", minutes),
        ("5256001 a@b", minutes),
        (": a@b", "A mask is USER@HOST, of up to 128 bytes, without spaces and with one @"),
        ("*@*", "That would keep everybody out"),
    ] {
        assert_eq!(
            world.ask(root, &format!("KLINE {parameters}")),
            [format!(":irc.test NOTICE root :{sentence}")],
            "{parameters}"
        );
    }
    assert!(world.ask(root, "KLINE *@10.0.0.0/99")[0].contains(" :A network is "));
    assert_eq!(world.server.bans, []);
    assert_eq!(world.closed, []);
}

#[test]
fn a_ban_disconnects_and_refuses_by_user_name_with_or_without_its_mark_and_by_network() {
    let mut world = World::new();
    let root = operator(&mut world);
    for (mask, form, nick, address) in [
        ("badx@*", "badx@*", "badx", "192.0.2.1"),
        ("~BADY@*", "~bady@*", "bady", "192.0.2.1"),
        ("*!*@198.51.100.9/24", "*@198.51.100.0/24", "net", "198.51.100.200"),
    ] {
        let enter = |world: &mut World| {
            let id = world.connect_from(address);
            world.send(id, &format!("NICK {nick}"));
            world.send(id, &format!("USER {nick} 0 * :x"));
            id
        };
        let bad = enter(&mut world);
        assert!(world.read(bad).iter().any(|line| line.contains(" 001 ")));
        assert_eq!(world.ask(root, &format!("KLINE {mask} :spam")), [format!(":irc.test NOTICE root :Banned: {form}")]);
        assert!(world.read(bad).last().unwrap().contains("You are banned: spam"), "{mask}");
        let again = enter(&mut world);
        assert!(world.read(again).last().unwrap().contains("You are banned: spam"), "{mask}");
        assert_eq!(std::mem::take(&mut world.closed), [bad, again]);
    }
}

#[test]
fn a_ban_of_some_minutes_ends() {
    let mut world = World::new();
    let root = operator(&mut world);
    world.ask(root, "KLINE 2 mal@* :spam");
    world.pass(119_999);
    assert_eq!(world.server.bans.len(), 1);
    world.pass(1);
    assert_eq!(world.server.bans, []);
}

#[test]
fn a_ban_is_lifted_by_any_mask_that_means_the_same() {
    let mut world = World::new();
    let root = operator(&mut world);
    for (set, lift) in [
        ("Mal@192.0.2.7", "mAL@192.0.2.7"),
        ("mal@*", "*!MAL@*"),
        ("*@10.9.9.9/8", "*@10.0.0.0/8"),
        ("*@2001:db8::1", "*@2001:DB8:0:0::1"),
    ] {
        world.ask(root, &format!("KLINE {set}"));
        assert!(world.ask(root, &format!("UNKLINE {lift}"))[0].contains(" :No longer banned: "), "{set}");
        assert_eq!(world.server.bans, []);
        assert!(world.ask(root, &format!("UNKLINE {lift}"))[0].contains(" :There is no such ban: "), "{set}");
    }
    // Those that are stored in another form.
    for mask in ["BadGuy", "*@10.9.9.9/8", "x!*@*"] {
        world.server.add_bans([super::directory::ban(mask)]);
        let lines = world.ask(root, &format!("UNKLINE {}", mask.to_lowercase()));
        assert!(lines[0].ends_with(&format!(" :No longer banned: {mask}")), "{lines:?}");
        assert_eq!(world.server.bans, []);
    }
}

#[test]
fn operators_and_nobody_else_are_told_of_all_bans() {
    let mut world = World::new();
    let (root, ann) = (operator(&mut world), world.user("ann"));
    world.ask(root, "KLINE mal@* :spam");
    world.ask(root, "KLINE 5 *@::5 :flood");
    let lines = world.ask(root, "STATS k");
    assert!(lines[0].starts_with(":irc.test 216 root K * * mal :spam (by root!~root@"), "{lines:?}");
    assert!(lines[0].ends_with(", for ever)"), "{lines:?}");
    assert!(lines[1].starts_with(":irc.test 216 root k 0::5 * * :flood (by root!~root@"), "{lines:?}");
    assert!(lines[1].contains(", until Fri, 15 Jan 2027 08:05:00 +0000)"), "{lines:?}");
    assert_eq!(lines[2..], [":irc.test 219 root k :End of /STATS report"]);
    assert_eq!(world.ask(root, "STATS K").len(), 3);
    let lines = world.ask(ann, "STATS k");
    assert!(lines[0].contains(" 481 ann ") && lines[1].contains(" 219 ann k ") && lines.len() == 2, "{lines:?}");
}

#[test]
fn there_are_no_more_than_a_thousand_bans_but_each_can_be_set_anew() {
    let mut world = World::new();
    let root = operator(&mut world);
    for number in 0..1_000 {
        assert!(world.ask(root, &format!("KLINE a{number}@*"))[0].contains(" :Banned: "), "{number}");
    }
    assert!(world.ask(root, "KLINE one-more@*")[0].contains(" :There are 1000 bans already"));
    assert!(world.ask(root, "KLINE 5 A7@* :x")[0].contains(" :Banned: "));
    assert_eq!(world.server.bans.len(), 1_000);
    world.ask(root, "UNKLINE a7@*");
    assert!(world.ask(root, "KLINE one-more@*")[0].contains(" :Banned: "));
}

#[test]
fn a_new_ban_leaves_those_alone_that_an_older_one_applies_to() {
    let mut world = World::new();
    let (root, mal) = (operator(&mut world), world.user("mal"));
    // As bans that are loaded: they hold for those who connect.
    world.server.add_bans([super::directory::ban("mal@*")]);
    world.ask(root, "KLINE other@*");
    assert_eq!(world.closed, []);
    world.ask(root, "KLINE mal@*");
    assert_eq!(world.closed, [mal]);
}
