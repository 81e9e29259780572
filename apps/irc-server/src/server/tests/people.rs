use super::World;
use crate::server::request::Answer;
use crate::settings::Privilege;

#[test]
fn a_nick_changes_for_all_that_see_it_and_is_free_at_once() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(ann, "JOIN #a");
    world.send(bob, "JOIN #a");
    world.read(bob);
    assert!(world.ask(ann, "NICK Anne")[0].ends_with(" NICK Anne"));
    assert!(world.read(bob)[0].starts_with(":ann!~ann@"));
    world.user("ann");
    let lines = world.ask(bob, "WHOWAS ann");
    assert!(lines[0].contains(" 314 bob ann ~ann "), "{lines:?}");
}

#[test]
fn watchers_hear_of_those_that_come_go_and_change_their_nick() {
    let mut world = World::new();
    let ann = world.user("ann");
    assert_eq!(world.ask(ann, "MONITOR + bob,eve"), [":irc.test 731 ann :bob,eve"]);
    let bob = world.user("bob");
    assert!(world.read(ann)[0].starts_with(":irc.test 730 ann :bob!~bob@"));
    world.send(bob, "NICK eve");
    let lines = world.read(ann);
    assert!(lines[0].ends_with(" 731 ann :bob") && lines[1].contains(" 730 ann :eve!"), "{lines:?}");
    world.send(bob, "QUIT");
    assert!(world.read(ann)[0].ends_with(" 731 ann :eve"));
    world.send(ann, "MONITOR C");
    world.user("bob");
    assert_eq!(world.read(ann), [""; 0]);
}

#[test]
fn a_watch_list_has_an_end() {
    let mut world = World::with(|settings| settings.limits.monitored = 2);
    let ann = world.user("ann");
    let lines = world.ask(ann, "MONITOR + a,b,c,d");
    assert!(lines.iter().any(|line| line.contains(" 734 ann 2 c,d ")), "{lines:?}");
}

#[test]
fn neighbours_that_have_asked_are_told_of_names_accounts_and_absences() {
    let mut world = World::new();
    let ann = world.user("ann");
    let bob = world.user_with("bob", "away-notify setname extended-join");
    world.send(ann, "JOIN #a");
    world.send(bob, "JOIN #a");
    world.read(bob);
    for (line, told) in [("AWAY :gone", " AWAY :gone"), ("AWAY", " AWAY"), ("SETNAME :New Name", " SETNAME :New Name")]
    {
        world.send(ann, line);
        assert!(world.read(bob)[0].ends_with(told), "{line}");
    }
    let eve = world.user("eve");
    world.send(eve, "JOIN #a");
    assert!(world.read(bob)[0].ends_with(" JOIN #a * :eve's name"));
}

#[test]
fn an_address_is_shown_to_its_owner_alone() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let all = |lines: Vec<String>| lines.join("\n");
    assert!(all(world.ask(ann, "WHOIS ann")).contains("192.0.2.1"));
    for line in ["WHOIS ann", "WHO ann", "WHO ann %tcuihsnfdlaor,7", "USERHOST ann", "WHOWAS ann"] {
        let lines = all(world.ask(bob, line));
        assert!(!lines.contains("192.0.2.1"), "{lines}");
    }
    assert!(all(world.ask(bob, "WHO ann %tnia,7")).contains(" 354 bob 7 255.255.255.255 ann 0"));
}

#[test]
fn the_invisible_are_found_by_name_and_by_neighbours_alone() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(ann, "MODE ann +i");
    assert_eq!(world.ask(bob, "WHO a*").len(), 1);
    assert_eq!(world.ask(bob, "WHO ann").len(), 2);
    world.send(ann, "JOIN #a");
    world.send(bob, "JOIN #a");
    assert_eq!(world.ask(bob, "WHO a*").len(), 2);
}

#[test]
fn an_operator_gives_somebody_another_host_and_neighbours_are_told() {
    let mut world = World::new();
    let (ann, bob) = (world.user_with("ann", "chghost"), world.user("bob"));
    for id in [ann, bob] {
        world.send(id, "JOIN #a");
    }
    assert!(world.ask(bob, "CHGHOST bob elsewhere")[0].contains(" 481 "));
    world.send(bob, "OPER bob secret");
    world.answer(Answer::Oper(Some(vec![Privilege::Host])));
    world.read(ann);
    assert!(world.ask(bob, "CHGHOST bob no_host!")[0].contains(" NOTICE "));
    assert!(world.ask(bob, "CHGHOST bob staff.example")[0].contains(" 396 bob staff.example "));
    assert!(world.read(ann)[0].ends_with(" CHGHOST ~bob staff.example"));
    assert!(world.ask(ann, "WHOIS bob")[0].contains(" 311 ann bob ~bob staff.example "));
}
