use std::fs;

use nix::sys::signal::Signal;
use protocols::auth::ScramVerifier;

use crate::gallery::{Client, serve};

#[test]
fn users_learn_their_privileges_when_they_have_logged_in_and_are_logged_out_with_their_connections() {
    let (mut server, address) = serve("privileges", &[]);
    let log_in = |said: &[(&str, &str)]| {
        let mut client = Client::connect(address);
        assert_eq!(client.hear(), "Login with USER <name> followed by PASS <password> or ANON");
        assert_eq!(client.hear(), "Check privileges with PRIVS");
        for (say, hear) in said {
            client.say(say);
            assert_eq!(client.hear(), *hear);
        }
        client
    };
    let welcome = "Login successful.  Available commands: PRIVS";
    let mut anonymous = log_in(&[("PRIVS", "Nobody has logged in."), ("ANON", welcome)]);
    let mut regular = log_in(&[
        ("PASS thepass", "USER required before PASS"),
        ("USER auser", "Alright.  Now PASS?"),
        ("PASS wrong", "Login denied: wrong name or password"),
        ("USER auser", "Alright.  Now PASS?"),
        ("PASS thepass", welcome),
    ]);
    let administrator = log_in(&[("USER SECONDUSER", "Alright.  Now PASS?"), ("PASS secret", welcome)]);
    for (client, privileges) in [(&mut anonymous, "1 2 3"), (&mut regular, "1 2 3 5 6")] {
        client.say("PRIVS");
        assert_eq!(
            (client.hear(), client.hear()),
            ("You have the following privileges: ".to_owned(), privileges.to_owned())
        );
    }
    drop(administrator);
    assert_eq!(server.line(), "Cleaning up administrator resources");
    drop(anonymous);
    assert_eq!(server.line(), "Cleaning up anonymous user resources");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.finish().with_code(0).stdout, "Cleaning up regular user resources\n");
}

#[test]
fn members_of_the_chat_have_accounts_in_a_file_that_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let line = |name: &str| format!("{name}:{}\n", ScramVerifier::with_iterations("hunter2", 4096).to_text());
    fs::write(&path, line("ann")).unwrap();
    let (_server, address) = serve("chat_login", &[path.to_str().unwrap()]);
    let log_in = |name: &str, password: &str| {
        let mut client = Client::connect(address);
        assert_eq!(client.hear(), "Your name?");
        client.say(name);
        assert_eq!(client.hear(), "Your password?");
        client.say(password);
        let heard = client.hear();
        (client, heard)
    };
    let (mut ann, heard) = log_in("ann", "hunter2");
    assert_eq!(heard, "* ann is here");
    assert_eq!(log_in("ann", "wrong").1, "No: wrong name or password. Your name?");
    fs::write(&path, line("ann") + &line("bob")).unwrap();
    // It is looked at once a second at most.
    let (mut bob, heard) = loop {
        let (bob, heard) = log_in("bob", "hunter2");
        if !heard.starts_with("No: ") {
            break (bob, heard);
        }
    };
    assert_eq!((heard, ann.hear()), ("* bob is here".to_owned(), "* bob is here".to_owned()));
    bob.say("hello");
    assert_eq!((ann.hear(), bob.hear()), ("<bob> hello".to_owned(), "<bob> hello".to_owned()));
    drop(bob);
    assert_eq!(ann.hear(), "* bob has left");
}
