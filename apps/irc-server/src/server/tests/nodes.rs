//! Two nodes that hear all that the other does.

use super::World;
use crate::server::ClientId;

fn pair() -> (World, World) {
    let node = |name: &'static str| {
        World::with(move |settings| {
            settings.server_name = name.into();
            settings.cluster.bus = Some("nats://127.0.0.1".into());
        })
    };
    (node("one.test"), node("two.test"))
}

/// Carries what each has published to the other, until nobody has anything to say.
fn exchange(one: &mut World, two: &mut World) {
    while !one.published.is_empty() || !two.published.is_empty() {
        for event in std::mem::take(&mut one.published) {
            two.server.heard(two.now, &event);
        }
        for event in std::mem::take(&mut two.published) {
            one.server.heard(one.now, &event);
        }
        one.settle();
        two.settle();
    }
}

fn join(world: &mut World, nick: &str) -> ClientId {
    let id = world.user(nick);
    world.send(id, "JOIN #a");
    id
}

#[test]
fn people_on_two_nodes_talk_as_if_they_were_on_one() {
    let (mut one, mut two) = pair();
    let ann = join(&mut one, "ann");
    exchange(&mut one, &mut two);
    let bob = join(&mut two, "bob");
    exchange(&mut one, &mut two);
    assert!(two.read(bob).iter().any(|line| line.contains(" 353 bob = #a :") && line.contains("@ann")));
    one.read(ann);
    two.send(bob, "PRIVMSG #a :hello");
    two.send(bob, "PRIVMSG ann :psst");
    exchange(&mut one, &mut two);
    let lines = one.read(ann);
    assert!(lines[0].ends_with(" PRIVMSG #a :hello") && lines[1].ends_with(" PRIVMSG ann :psst"), "{lines:?}");
    one.send(ann, "KICK #a bob :out");
    exchange(&mut one, &mut two);
    assert!(two.read(bob).last().unwrap().ends_with(" KICK #a bob :out"));
    assert!(one.read(ann).last().unwrap().ends_with(" KICK #a bob :out"));
    two.send(bob, "QUIT");
    exchange(&mut one, &mut two);
    assert_eq!((one.server.users(), two.server.users()), (1, 1));
}

#[test]
fn of_two_with_one_nick_the_earlier_keeps_it_on_both_nodes() {
    let (mut one, mut two) = pair();
    let first = one.user("ann");
    two.now.0 += 5;
    let second = two.user("ANN");
    exchange(&mut one, &mut two);
    assert!(two.read(second).last().unwrap().contains(" NICK u"));
    assert_eq!(one.read(first), [""; 0]);
    for world in [&mut one, &mut two] {
        let names: Vec<_> = world.server.nicks.keys().map(|nick| String::from_utf8_lossy(nick).into_owned()).collect();
        assert!(names.len() == 2 && names.contains(&"ann".into()), "{names:?}");
    }
}

#[test]
fn of_two_channels_with_one_name_the_older_wins_and_the_other_loses_what_was_set() {
    let (mut one, mut two) = pair();
    let ann = join(&mut one, "ann");
    one.send(ann, "MODE #a +k old");
    two.now.0 += 1000;
    let bob = join(&mut two, "bob");
    two.send(bob, "MODE #a +m");
    two.read(bob);
    exchange(&mut one, &mut two);
    let lines = two.read(bob);
    assert!(
        lines.iter().any(
            |line| line.starts_with(":two.test MODE #a -m") && line.contains("-o bob") || line.ends_with("-mo bob")
        ),
        "{lines:#?}"
    );
    for (world, id) in [(&mut one, ann), (&mut two, bob)] {
        let names = world.ask(id, "NAMES #a");
        assert!(names[0].contains("@ann") && !names[0].contains("@bob"), "{names:?}");
    }
}

#[test]
fn of_three_with_one_nick_all_nodes_find_the_earliest_in_whatever_order_they_hear_of_them() {
    let world = |name: &'static str| {
        World::with(move |settings| {
            settings.server_name = name.into();
            settings.cluster.bus = Some("nats://127.0.0.1".into());
        })
    };
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let mut nodes = ["one.test", "two.test", "three.test"].map(world);
        for (number, node) in nodes.iter_mut().enumerate() {
            node.now.0 += number as u64 * 10;
            node.user("ann");
        }
        let said = nodes.each_mut().map(|node| std::mem::take(&mut node.published));
        let mut observer = world("observer.test");
        for node in order {
            said[node].iter().for_each(|event| observer.server.heard(observer.now, event));
        }
        let found = observer.server.nicks[&b"ann"[..]];
        assert_eq!(found.node, crate::server::NodeId::of(b"one.test"), "{order:?}");
        // The first leaves, before the others have heard of each other.
        let first = observer.server.nicks[&b"ann"[..]];
        observer.server.heard(observer.now, &crate::server::Event::Quit { user: first, reason: (*b"").into() });
        let found = observer.server.nicks[&b"ann"[..]];
        assert_eq!(found.node, crate::server::NodeId::of(b"two.test"), "{order:?}");
    }
}

#[test]
fn the_owner_of_a_nick_disconnects_the_session_that_has_it_on_another_node() {
    use crate::server::request::Answer;

    let (mut one, mut two) = pair();
    let ghost = two.user("ann");
    exchange(&mut one, &mut two);
    let ann = one.user("ann_");
    one.server.add_accounts([(*b"ann").into()]);
    one.send(ann, "NS IDENTIFY ann sesame-open");
    one.answer(Answer::Login(Ok((*b"ann").into())));
    one.send(ann, "NS GHOST ann");
    exchange(&mut one, &mut two);
    assert_eq!(two.closed, [ghost]);
    assert!(one.ask(ann, "NICK ann")[0].ends_with(" NICK ann"));
}
