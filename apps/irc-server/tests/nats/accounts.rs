//! Accounts and bans, which are the network's: what is changed on one node holds on all.

use std::process::Command;
use std::thread;

use async_nats::jetstream;
use reactor::Reactor;

use crate::program::{Client, Node, unique};
use crate::server::Server;

const BUCKET: &str = "irc-Test-accounts";
/// What has a registration refused while NATS is not reached.
const UNAVAILABLE: &str = "FAIL REGISTER TEMPORARILY_UNAVAILABLE";

fn two_nodes() -> Option<(Server, Node, Node)> {
    let nats = Server::start(&[])?;
    let [one, two] = ["one", "two"].map(|name| Node::start(&nats.url(), name));
    Some((nats, one, two))
}

#[test]
fn of_two_who_register_a_name_at_the_same_time_one_has_it_and_both_nodes_know() {
    let Some((_nats, one, two)) = two_nodes() else { return };
    for number in 0..5 {
        let name = format!("ann{number}");
        let register = |node: &Node, password: &str| {
            let mut client = node.connect();
            client.send(&format!("NICK {name}"));
            client.ask(&format!("REGISTER * * {password}"), "REGISTER ").contains("REGISTER SUCCESS")
        };
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| register(&one, "the-first"));
            let second = register(&two, "the-second");
            (first.join().expect("it does not fail"), second)
        });
        assert!(first != second, "{first} {second}");
        let (right, wrong) = if first { ("the-first", "the-second") } else { ("the-second", "the-first") };
        for node in [&one, &two] {
            node.until_account(&name, true);
            assert!(node.logs_in(&name, right));
        }
        // Too many failures would have others wait.
        if number == 0 {
            assert!(!one.logs_in(&name, wrong) && !two.logs_in(&name, wrong));
        }
    }
}

#[test]
fn a_password_that_was_changed_on_one_node_logs_in_on_the_other() {
    let Some((_nats, one, two)) = two_nodes() else { return };
    let mut ann = one.owner("ann", "sesame-open");
    two.until_account("ann", true);
    assert!(two.logs_in("ann", "sesame-open"));
    ann.ask("NS PASSWD wrong sesame-close", "Wrong account or password");
    ann.ask("NS PASSWD sesame-open sesame-close", "is changed");
    // A node that has changed something knows it at once.
    assert!(one.logs_in("ann", "sesame-close"));
    one.owner("later", "sesame-open");
    two.until_account("later", true);
    assert!(two.logs_in("ann", "sesame-close") && !two.logs_in("ann", "sesame-open"));
}

#[test]
fn who_is_logged_in_to_an_account_that_is_dropped_on_another_node_is_logged_out() {
    let Some((_nats, one, two)) = two_nodes() else { return };
    let mut ann = one.owner("ann", "sesame-open");
    two.until_account("ann", true);
    let mut other = two.user("other");
    other.ask("NS IDENTIFY ann sesame-open", "You are logged in as ann");
    ann.ask("NS DROP sesame-open", "is removed");
    ann.ask("NS CERT LIST", "Log in first");
    other.ask_until("NS CERT LIST", "NickServ!", "Log in first");
    assert!(!two.logs_in("ann", "sesame-open"));
    // The name is free, on both.
    two.user("ann").ask("NS REGISTER sesame-again", "is yours");
    one.until_account("ann", true);
    assert!(one.logs_in("ann", "sesame-again"));
}

#[test]
fn a_certificate_that_was_added_on_one_node_logs_in_on_the_other() {
    let Some((_nats, one, two)) = two_nodes() else { return };
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("ann.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ann"])
        .arg("-keyout")
        .arg(&file)
        .arg("-out")
        .arg(folder.path().join("certificate.pem"))
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl makes a certificate");
    let certificate = std::fs::read(folder.path().join("certificate.pem")).expect("it is there");
    let key = std::fs::read(&file).expect("it is there");
    std::fs::write(&file, [key, certificate].concat()).expect("the folder is writable");

    let mut ann = one.connect_with(&file);
    ann.register("ann");
    ann.ask("NS REGISTER sesame-open", "is yours");
    ann.ask("NS CERT ADD", "can log in from now on");
    ann.ask("NS CERT ADD", "is an account's already");
    let line = ann.ask("NS CERT LIST", "NickServ!");
    let fingerprint = line.rsplit_once(" :").expect("it is a notice").1.to_owned();
    one.owner("later", "sesame-open");
    two.until_account("later", true);
    let external = |client: &mut Client| {
        client.send("CAP REQ sasl");
        client.ask("AUTHENTICATE EXTERNAL", "AUTHENTICATE +");
        client.send("AUTHENTICATE +");
        client.until_any(&[" 903 ", " 904 "])
    };
    assert!(external(&mut two.connect_with(&file)).contains(" 903 "));

    // Another account cannot have it, on the other node.
    let mut bob = two.connect_with(&file);
    bob.register("bob");
    bob.ask("NS REGISTER sesame-open", "is yours");
    bob.ask("NS CERT ADD", "is an account's already");

    ann.ask(&format!("NS CERT DEL {fingerprint}"), "can no longer log in");
    one.owner("last", "sesame-open");
    two.until_account("last", true);
    assert!(external(&mut two.connect_with(&file)).contains(" 904 "));
    bob.ask("NS CERT ADD", "can log in from now on");
}

#[test]
fn a_ban_disconnects_and_refuses_on_every_node_until_it_is_lifted_on_any() {
    let Some((_nats, one, two)) = two_nodes() else { return };
    let mut mal = two.user("mal");
    one.operator().ask("KLINE *mal@* :spam", "Banned: ");
    assert!(mal.line("ERROR").contains("You are banned: spam"));
    for node in [&one, &two] {
        assert!(refused(node), "it is banned");
    }
    two.operator().ask("UNKLINE *mal@*", "No longer banned");
    assert!(!refused(&two));
    until_refused(&one, false);
}

/// Whether a user of this name is banned.
fn refused(node: &Node) -> bool {
    let mut mal = node.connect();
    mal.send(&format!("NICK mal{}", unique()));
    mal.send("USER mal 0 * :mal");
    let refused = mal.until_any(&[" 465 ", " 376 "]).contains(" 465 ");
    mal.send_if_open("QUIT");
    mal.until("ERROR");
    refused
}

fn until_refused(node: &Node, wanted: bool) {
    let is_so = (0..10_000).any(|_| refused(node) == wanted);
    assert!(is_so, "the node does not hear of the ban");
}

#[test]
fn a_node_that_was_down_knows_all_that_has_changed_before_it_lets_anybody_in() {
    let Some((_nats, one, mut two)) = two_nodes() else { return };
    let mut ann = one.owner("ann", "sesame-open");
    let mut bob = one.owner("bob", "sesame-open");
    two.until_account("bob", true);
    two.kill();
    ann.ask("NS PASSWD sesame-open sesame-close", "is changed");
    bob.ask("NS DROP sesame-open", "is removed");
    one.owner("eve", "sesame-open");
    one.operator().ask("KLINE *mal@* :spam", "Banned: ");
    two.start_again();
    assert!(refused(&two));
    assert!(!two.logs_in("ann", "sesame-open") && !two.logs_in("bob", "sesame-open"));
    assert!(two.logs_in("ann", "sesame-close") && two.logs_in("eve", "sesame-open"));
}

#[test]
fn while_nats_is_away_logins_go_on_bans_hold_here_and_accounts_are_not_changed() {
    let Some((mut nats, one, two)) = two_nodes() else { return };
    let mut ann = one.owner("ann", "sesame-open");
    let mut root = one.operator();
    two.until_account("ann", true);
    let mut mal = two.user("mal");
    let mut eve = one.user("eve");
    nats.kill();
    eve.ask("REGISTER * * sesame-open", UNAVAILABLE);
    ann.ask("NS PASSWD sesame-open sesame-close", "Try again later");
    ann.ask("NS DROP sesame-open", "Try again later");
    root.ask("KLINE *mal@* :spam", "Banned: ");
    assert!(refused(&one));
    assert!(one.logs_in("ann", "sesame-open") && two.logs_in("ann", "sesame-open"));
    nats.start_again();
    assert!(mal.line("ERROR").contains("You are banned: spam"));
    eve.ask_until("REGISTER * * sesame-open", "REGISTER ", "REGISTER SUCCESS");
    eve.ask("NICK eve_", " NICK ");
    two.until_account("eve", true);
    assert!(two.logs_in("eve", "sesame-open"));
}

#[test]
fn a_bucket_that_was_deleted_is_filled_again() {
    let Some((nats, one, two)) = two_nodes() else { return };
    one.owner("ann", "sesame-open");
    one.operator().ask("KLINE *mal@* :spam", "Banned: ");
    two.until_account("ann", true);
    let reactor = Reactor::new().expect("there is a reactor");
    let url = nats.url();
    let deleted = async {
        let client = async_nats::connect(url).await.expect("it listens");
        jetstream::new(client).delete_key_value(BUCKET).await.expect("it is there");
    };
    reactor.run_until(deleted).expect("it runs once");
    let mut eve = two.connect();
    eve.send("NICK eve");
    eve.ask_until("REGISTER * * sesame-open", "REGISTER ", "REGISTER SUCCESS");
    one.until_account("eve", true);
    // A node that joins now gets all from the bucket.
    let three = Node::start(&nats.url(), "three");
    three.until_account("ann", true);
    for node in [&one, &two, &three] {
        node.until_account("eve", true);
        assert!(node.logs_in("ann", "sesame-open") && node.logs_in("eve", "sesame-open"));
        until_refused(node, true);
    }
}

#[test]
fn a_bucket_that_has_lost_its_last_changes_gets_the_accounts_back() {
    let Some((mut nats, one, two)) = two_nodes() else { return };
    one.owner("ann", "sesame-open");
    two.until_account("ann", true);
    let before = tempfile::tempdir().expect("there is room for a folder");
    nats.kill();
    nats.back_up(before.path());
    nats.start_again();
    let mut eve = one.user("eve");
    eve.ask_until("REGISTER * * sesame-open", "REGISTER ", "REGISTER SUCCESS");
    eve.ask("NICK eve_", " NICK ");
    two.until_account("eve", true);
    nats.kill();
    nats.restore(before.path());
    nats.start_again();
    let three = Node::start(&nats.url(), "three");
    for node in [&one, &two, &three] {
        node.until_account("eve", true);
        assert!(node.logs_in("ann", "sesame-open") && node.logs_in("eve", "sesame-open"));
    }
}

#[test]
fn nodes_that_join_bring_their_accounts_and_the_first_of_a_name_stays() {
    let Some(nats) = Server::start(&[]) else { return };
    let [mut one, mut two] = ["one", "two"].map(|name| Node::start_with(name, None, &[]));
    one.owner("ann", "the-first");
    one.owner("bob", "sesame-open");
    two.owner("ann", "the-second");
    two.owner("eve", "sesame-open");
    two.operator().ask("KLINE *mal@* :spam", "Banned: ");
    one.join(&nats.url());
    one.until_account("ann", true);
    // That the node has changed the bucket says that it has brought its own.
    one.owner("joined", "sesame-open");
    two.join(&nats.url());
    two.until_account("bob", true);
    one.until_account("eve", true);
    for node in [&one, &two] {
        assert!(node.logs_in("ann", "the-first") && !node.logs_in("ann", "the-second"));
        assert!(node.logs_in("bob", "sesame-open") && node.logs_in("eve", "sesame-open"));
    }
    until_refused(&one, true);
}

#[test]
fn who_registers_a_dropped_name_while_a_node_is_down_gets_nothing_of_the_owner_before() {
    let Some((_nats, one, mut two)) = two_nodes() else { return };
    let mut ann = one.owner("ann", "sesame-open");
    let mut bob = one.owner("bob", "sesame-open");
    two.until_account("bob", true);
    let mut other = two.user("other");
    other.ask("NS IDENTIFY ann sesame-open", "You are logged in as ann");
    bob.ask("PRIVMSG ann_ :a secret", "a secret");
    ann.line("a secret");
    for _ in 0..100_000 {
        if !other.said("bob").is_empty() {
            break;
        }
    }
    assert!(!other.said("bob").is_empty(), "it was said to ann");
    two.kill();
    // It is in the log only, when the node has read no more.
    bob.ask("PRIVMSG ann_ :another secret", "another secret");
    ann.ask("NS DROP sesame-open", "is removed");
    ann.send("QUIT");
    ann.until("ERROR");
    let mut ann = one.owner("ann", "sesame-again");
    ann.ask("PRIVMSG bob_ :it is me", "it is me");
    two.start_again();
    two.until_account("ann", true);
    let mut new = two.user("new");
    new.ask_until("NS IDENTIFY ann sesame-again", "NickServ!", "You are logged in as ann");
    for _ in 0..100_000 {
        if new.said("bob").iter().any(|line| line.contains("it is me")) {
            break;
        }
    }
    for client in [&mut new, &mut ann] {
        let said = client.said("bob");
        assert!(said.len() == 1 && said[0].contains("it is me"), "{said:?}");
    }
}
