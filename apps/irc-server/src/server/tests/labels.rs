use super::World;

const CAPS: &str = "labeled-response batch echo-message";

#[test]
fn one_line_carries_the_label_itself() {
    let mut world = World::new();
    let ann = world.user_with("ann", CAPS);
    assert_eq!(world.ask(ann, "@label=x PING 1"), ["@label=x :irc.test PONG irc.test :1"]);
    assert_eq!(world.ask(ann, "PING 1"), [":irc.test PONG irc.test :1"]);
}

#[test]
fn many_lines_are_a_batch_and_none_is_an_acknowledgement() {
    let mut world = World::new();
    let ann = world.user_with("ann", CAPS);
    let lines = world.ask(ann, "@label=x LIST");
    let (first, last) = (lines.first().unwrap(), lines.last().unwrap());
    let batch = first.strip_prefix("@label=x :irc.test BATCH +").unwrap().strip_suffix(" labeled-response").unwrap();
    assert_eq!(*last, format!(":irc.test BATCH -{batch}"));
    assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with(&format!("@batch={batch} "))));
    assert_eq!(world.ask(ann, "@label=y PONG 1"), ["@label=y :irc.test ACK"]);
}

#[test]
fn those_that_talk_to_themselves_get_the_line_and_the_labelled_echo() {
    let mut world = World::new();
    let ann = world.user_with("ann", CAPS);
    let lines = world.ask(ann, "@label=x PRIVMSG ann :hi");
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with(":ann!") && lines[1].starts_with("@label=x :ann!"), "{lines:?}");
}

#[test]
fn what_others_say_meanwhile_has_no_label() {
    let mut world = World::new();
    world.keeps = false;
    let (ann, bob) = (world.user_with("ann", CAPS), world.user("bob"));
    world.send(ann, "@label=x PRIVMSG bob :hi");
    world.send(bob, "PRIVMSG ann :hello");
    assert!(world.read(ann)[0].starts_with(":bob!"));
    world.keep(true);
    assert!(world.read(ann)[0].starts_with("@label=x :ann!"));
}
