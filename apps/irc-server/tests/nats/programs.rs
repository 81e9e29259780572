//! Several `irc-server`s as programs: what is lost when a node is stopped or killed.

use nix::sys::signal::Signal;

use crate::program::Node;
use crate::server::Server;

#[test]
fn people_on_three_nodes_talk_as_if_they_were_on_one() {
    let Some(nats) = Server::start(&[]) else { return };
    let [one, two, three] = ["one", "two", "three"].map(|name| Node::start(&nats.url(), name));
    let mut ann = one.member("ann", &[]);
    let mut bob = two.member("bob", &["ann"]);
    let mut eve = three.member("eve", &["ann", "bob"]);
    ann.wait_for(&["bob", "eve"]);
    ann.say("ann", 0..10);
    for client in [&mut bob, &mut eve] {
        for number in 0..10 {
            assert!(client.line(" PRIVMSG #lobby ").ends_with(&format!(":ann {number}.")));
        }
    }
    bob.wait_for(&["eve"]);
    bob.send("PRIVMSG eve :psst");
    assert!(eve.line("psst").starts_with(":bob!"));
    assert!(ann.ask("WHOIS eve", " 312 ").contains("three.test"));
    eve.send("QUIT :bye");
    for client in [&mut ann, &mut bob] {
        assert!(client.line(" QUIT ").starts_with(":eve!"));
    }
}

#[test]
fn nodes_that_are_stopped_or_killed_lose_double_and_reorder_nothing_that_was_acknowledged() {
    let Some(nats) = Server::start(&[]) else { return };
    let [one, mut two, three] = ["one", "two", "three"].map(|name| Node::start(&nats.url(), name));
    let mut ann = one.member("ann", &[]);
    let mut bob = two.member("bob", &["ann"]);
    let mut eve = three.member("eve", &["ann", "bob"]);
    ann.say("ann", 0..50);
    bob.say("bob", 0..50);
    eve.say("eve", 0..50);

    three.signal(Signal::SIGSTOP);
    ann.say("ann", 50..100);
    bob.say("bob", 50..100);
    three.signal(Signal::SIGCONT);
    eve.say("eve", 50..100);

    two.kill();
    two.start_again();
    ann.say("ann", 100..150);
    eve.say("eve", 100..150);
    let mut bob = two.member("bob_", &["ann", "eve"]);
    bob.say("bob", 100..150);

    let expected: Vec<_> = (0..150).collect();
    for client in [&mut ann, &mut bob, &mut eve] {
        for from in ["ann", "bob", "eve"] {
            assert_eq!(client.history(from, expected.len()), expected, "{from}");
        }
    }
}

#[test]
fn a_node_whose_name_another_process_had_for_a_while_is_there_again_when_that_has_gone() {
    let Some(nats) = Server::start(&[]) else { return };
    let [one, two] = ["one", "two"].map(|name| Node::start(&nats.url(), name));
    let mut ann = one.member("ann", &[]);
    let mut bob = two.member("bob", &["ann"]);
    ann.wait_for(&["bob"]);
    let double = Node::start(&nats.url(), "two");
    assert!(ann.line(" QUIT ").starts_with(":bob!"));
    double.signal(Signal::SIGTERM);
    assert!(ann.line(" JOIN ").starts_with(":bob!"));
    bob.say("bob", 0..1);
    assert!(ann.line(" PRIVMSG ").starts_with(":bob!"));
    ann.say("ann", 0..1);
    assert!(bob.line(":ann 0.").starts_with(":ann!"));
}
