use std::io::Write;

use crate::apps::net::{connect, read_to_end};
use crate::apps::program::Program;
use crate::gallery::serve;

#[test]
fn everything_is_told_that_becomes_of_a_child_and_its_end_last() {
    let ended = Program::example("process_wc", [""; 0]).finish().with_code(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    let place = |text: &str| {
        let found: Vec<_> = (0..lines.len()).filter(|place| lines[*place].starts_with(text)).collect();
        assert_eq!(found.len(), 1, "{text}: {lines:?}");
        found[0]
    };
    assert_eq!(place("connection_made!"), 0);
    let output = place("out_received! with ");
    assert!(output < place("out_connection_lost! ") && place("I saw 40 lines") == place("out_connection_lost! ") + 1);
    let end = place("process_ended, exit status: 0");
    for before in ["in_connection_lost! ", "err_connection_lost! ", "process_exited, exit status: 0", "I saw 40 lines"]
    {
        assert!(place(before) < end, "{before}: {lines:?}");
    }
    assert_eq!(lines[end + 1..], ["quitting"]);
}

#[test]
fn exit_codes_are_told() {
    let ended = Program::example("true_and_false", [""; 0]).finish().with_code(0);
    assert_eq!(ended.stdout, "/bin/true ends with exit status: 0\n/bin/false ends with exit status: 1\n");
}

#[test]
fn each_client_gets_a_shell_in_a_terminal() {
    let (mut server, address) = serve("pty_server", &[]);
    let mut client = connect(address);
    assert_eq!(server.line(), "connection made");
    client.write_all(b"stty size; pwd; echo $((6 * 7)); exit 3\n").unwrap();
    let heard = String::from_utf8(read_to_end(&mut client)).unwrap();
    assert!(heard.contains("24 80\r\n/tmp\r\n42\r\n"), "{heard:?}");
    assert_eq!(server.line(), "the shell has ended: exit status: 3");
    assert_eq!(server.line(), "connection lost");
}

#[test]
fn a_shell_whose_client_goes_away_is_hung_up_on() {
    let (mut server, address) = serve("pty_server", &[]);
    drop(connect(address));
    assert_eq!(server.line(), "connection made");
    assert_eq!(server.line(), "connection lost");
    // By SIGHUP; or by the end of its input, if the test was started with that signal ignored, as nohup does.
    server.line_after("the shell has ended: ");
}
