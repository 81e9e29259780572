use super::World;

#[test]
fn the_first_in_a_channel_is_its_operator_and_all_see_who_comes_and_goes() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let lines = world.ask(ann, "JOIN #rust");
    assert!(lines[0].ends_with(" JOIN #rust"), "{lines:?}");
    assert_eq!(lines[1], ":irc.test MODE #rust +nt");
    assert_eq!(lines[2], ":irc.test 353 ann = #rust :@ann");
    world.send(bob, "JOIN #RUST");
    assert!(world.read(ann)[0].starts_with(":bob!~bob@"));
    assert!(world.read(bob).contains(&":irc.test 353 bob = #rust :@ann bob".into()));
    world.send(bob, "PART #rust :bye");
    assert!(world.read(ann)[0].ends_with(" PART #rust :bye"));
    world.send(ann, "PART #rust");
    assert_eq!(world.server.channels(), 0);
}

#[test]
fn modes_keep_out_those_that_they_are_for() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(ann, "JOIN #a");
    for (set, numeric, unset) in [
        ("+i", " 473 ", "-i"),
        ("+k key", " 475 ", "-k key"),
        ("+l 1", " 471 ", "-l"),
        ("+b bob!*@*", " 474 ", "-b bob!*@*"),
        ("+R", " 477 ", "-R"),
    ] {
        world.send(ann, &format!("MODE #a {set}"));
        let lines = world.ask(bob, "JOIN #a");
        assert!(lines[0].contains(numeric), "{set}: {lines:?}");
        world.send(ann, &format!("MODE #a {unset}"));
    }
    world.send(ann, "MODE #a +ib bob");
    world.send(ann, "INVITE bob #a");
    assert!(world.ask(bob, "JOIN #a")[0].ends_with(" JOIN #a"));
}

#[test]
fn only_operators_change_modes_topics_and_members() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(ann, "JOIN #a");
    world.send(bob, "JOIN #a");
    for line in ["MODE #a +m", "TOPIC #a :mine", "KICK #a ann"] {
        assert!(world.ask(bob, line)[0].contains(" 482 "), "{line}");
    }
    world.send(ann, "MODE #a +o bob");
    assert!(world.read(bob).last().unwrap().ends_with(" MODE #a +o bob"));
    assert!(world.ask(bob, "TOPIC #a :mine")[0].ends_with(" TOPIC #a :mine"));
    assert!(world.ask(bob, "KICK #a ann :go")[0].ends_with(" KICK #a ann :go"));
    assert!(world.ask(ann, "PRIVMSG #a :hello")[0].contains(" 404 "));
}

#[test]
fn a_list_is_told_and_is_not_longer_than_announced() {
    let mut world = World::with(|settings| settings.limits.list_entries = 3);
    let ann = world.user("ann");
    world.send(ann, "JOIN #a");
    assert!(
        world.ask(ann, "MODE #a +bbb a b *.example.org")[0].ends_with("MODE #a +bbb a!*@* b!*@* *!*@*.example.org")
    );
    assert!(world.ask(ann, "MODE #a +b c")[0].contains(" 478 "));
    let lines = world.ask(ann, "MODE #a b");
    assert_eq!(lines.len(), 4);
    assert!(lines[0].contains(" 367 ann #a *!*@*.example.org ann!~ann@"), "{lines:?}");
    assert!(lines[3].contains(" 368 "));
}

#[test]
fn a_secret_channel_is_seen_by_its_members_alone() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(ann, "JOIN #a");
    world.send(ann, "MODE #a +s");
    assert_eq!(world.ask(bob, "LIST").len(), 2);
    assert_eq!(world.ask(ann, "LIST").len(), 3);
    assert_eq!(world.ask(bob, "NAMES #a"), [":irc.test 366 bob #a :End of /NAMES list"]);
    assert!(!world.ask(bob, "WHOIS ann").iter().any(|line| line.contains(" 319 ")));
    assert!(world.ask(bob, "TOPIC #a")[0].contains(" 442 "));
}

#[test]
fn a_key_is_shown_to_members_alone() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(ann, "JOIN #a");
    world.send(ann, "MODE #a +k sesame");
    assert_eq!(world.ask(ann, "MODE #a")[0], ":irc.test 324 ann #a +ntk sesame");
    assert_eq!(world.ask(bob, "MODE #a")[0], ":irc.test 324 bob #a +ntk *");
}

#[test]
fn of_two_changes_of_one_mode_in_one_command_the_later_counts() {
    let mut world = World::new();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    world.send(ann, "JOIN #a");
    world.send(bob, "JOIN #a");
    world.send(ann, "MODE #a +m-m+k-k+v-v+v a b bob bob bob");
    assert!(world.ask(ann, "MODE #a")[0].ends_with(" #a +nt"));
    assert!(world.ask(ann, "NAMES #a")[0].contains("+bob"));
}
