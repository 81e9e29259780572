//! A process that another takes over from.

use super::World;
use crate::cluster::{decode, encode};
use crate::server::{Carried, ClientId, Peer};

/// Takes a client over to another server, by way of bytes.
fn carry(from: &mut World, to: &mut World, id: ClientId) -> ClientId {
    let carried = from.server.carry(id).expect("it is in the middle of something");
    let carried: Carried = decode(&encode(&carried)).unwrap();
    let new = to.server.take_over(to.now, 0, Peer::default(), carried).expect("it cannot be the same there");
    from.server.forget(from.now, id);
    from.settle();
    to.settle();
    new
}

#[test]
fn clients_are_the_same_in_the_next_process_in_whatever_order_they_come() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (mut old, mut new) = (World::new(), World::new());
        let caps = "echo-message away-notify";
        let clients = ["ann", "bob", "eve"].map(|nick| old.user_with(nick, caps));
        for id in clients {
            old.send(id, "JOIN #a");
        }
        old.send(clients[0], "MODE #a +vmb bob eve!*@*");
        old.send(clients[0], "TOPIC #a :what it is about");
        old.send(clients[1], "AWAY :lunch");
        old.send(clients[2], "MONITOR + fay");
        clients.iter().for_each(|&id| drop(old.read(id)));
        let mut moved = clients;
        for place in order {
            moved[place] = carry(&mut old, &mut new, clients[place]);
        }
        new.server.all_taken_over(new.now);
        new.settle();
        let [ann, bob, eve] = moved;
        for (id, gone) in moved.into_iter().zip(clients) {
            assert_eq!((old.read(gone), new.read(id)), (vec![], vec![]), "nobody is told anything");
        }
        assert_eq!((old.server.users(), old.server.channels(), old.server.clients()), (0, 0, 0));
        new.server.check_tables();
        assert!(new.ask(ann, "MODE #a")[0].ends_with(" #a +mnt"));
        assert_eq!(new.ask(ann, "MODE #a b").len(), 2);
        let mut names: Vec<_> =
            new.ask(eve, "NAMES #a")[0].rsplit_once(':').unwrap().1.split(' ').map(String::from).collect();
        names.sort_unstable();
        assert_eq!(names, ["+bob", "@ann", "eve"]);
        new.read(ann);
        assert!(new.ask(bob, "PRIVMSG #a :hello")[0].ends_with(" PRIVMSG #a :hello"), "the echo");
        assert!(new.read(ann)[0].starts_with(":bob!"));
        new.send(bob, "AWAY");
        assert!(new.read(ann)[0].ends_with(" AWAY"));
        new.read(eve);
        new.user("fay");
        assert!(new.read(eve)[0].contains(" 730 eve :fay!"));
    }
}

#[test]
fn those_that_do_not_come_over_are_told_to_have_left_where_they_were() {
    let (mut old, mut new) = (World::new(), World::new());
    let clients = ["ann", "bob", "eve"].map(|nick| old.user(nick));
    for id in [clients[0], clients[1]] {
        old.send(id, "JOIN #a");
    }
    let (ann, eve) = (carry(&mut old, &mut new, clients[0]), carry(&mut old, &mut new, clients[2]));
    new.server.all_taken_over(new.now);
    new.settle();
    let lines = new.read(ann);
    assert!(lines.len() == 1 && lines[0].starts_with(":bob!") && lines[0].contains(" QUIT "), "{lines:?}");
    assert_eq!(new.read(eve), [""; 0]);
}

#[test]
fn a_nick_that_somebody_has_taken_meanwhile_is_theirs() {
    let (mut old, mut new) = (World::new(), World::new());
    let ann = old.user("ann");
    new.user("ann");
    let carried = old.server.carry(ann).unwrap();
    assert!(new.server.take_over(new.now, 0, Peer::default(), carried).is_none());
    new.server.check_tables();
}
