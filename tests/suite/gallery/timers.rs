use nix::sys::signal::Signal;

use crate::apps::program::Program;
use crate::gallery::{Client, serve};

#[test]
fn what_is_to_be_called_later_is_unless_it_was_cancelled() {
    let ended = Program::example("timers", ["0.01"]).finish().with_code(0);
    let expected = "this runs 0.01 seconds after it was scheduled: hello, world\n\
        this was made 0.01 seconds after it was scheduled: hello, world\n";
    assert_eq!((&*ended.stdout, &*ended.stderr), (expected, ""));
}

#[test]
fn a_loop_ends_after_three_times_with_its_result_or_with_its_error() {
    let three_times = "A new second has passed.\n".repeat(3);
    let ended = Program::example("looping_call", ["succeed", "0.01"]).finish().with_code(0);
    assert_eq!(ended.stdout, three_times.clone() + "Loop done.\n");
    let ended = Program::example("looping_call", ["fail", "0.01"]).finish().with_code(1);
    assert_eq!((ended.stdout, &*ended.stderr), (three_times, "Error: \"Failure during loop execution.\"\n"));
}

#[test]
fn a_long_job_does_not_keep_short_ones_waiting() {
    for name in ["long_multiplication", "long_multiplication2"] {
        let (mut server, address) = serve(name, &[]);
        let [mut long, mut short] = [(); 2].map(|()| Client::connect(address));
        short.say("2 3");
        assert_eq!((short.hear(), server.line()), ("6".to_owned(), "6".to_owned()));
        // Both lines have arrived when the server continues, the long one first.
        server.signal(Signal::SIGSTOP);
        long.say(&format!("7{}", " 1".repeat(8000)));
        short.say("3 4");
        server.signal(Signal::SIGCONT);
        assert_eq!((server.line(), server.line()), ("12".to_owned(), "7".to_owned()));
        assert_eq!((short.hear(), long.hear()), ("12".to_owned(), "7".to_owned()));
    }
}

#[test]
fn lines_are_multiplied_in_their_order_and_what_makes_no_sense_is_an_error() {
    let (_server, address) = serve("long_multiplication", &[]);
    let mut client = Client::connect(address);
    for line in ["1 2 3 4 5", "2 -21", "one 2", "3", "", &format!("2{}", " 2".repeat(127))] {
        client.say(line);
    }
    // Invalid arguments are refused at once.
    let mut answers: Vec<_> = (0..6).map(|_| client.hear()).collect();
    assert_eq!(answers.pop().unwrap(), "Error.");
    answers.retain(|answer| answer != "Error.");
    assert_eq!(answers, ["120", "-42"]);

    let (_server, address) = serve("long_multiplication2", &[]);
    let mut client = Client::connect(address);
    for (line, answer) in [("1 2 3", "6"), ("3", "3"), ("", "1"), ("one", "Error."), (&*"2 ".repeat(127), "Error.")] {
        client.say(line);
        assert_eq!(client.hear(), answer, "{line}");
    }
}

#[test]
fn other_threads_calculate_and_wait_for_the_reactor() {
    let ended = Program::example("threads", [""; 0]).finish().with_code(0);
    let expected = "the result is Ok(500000500000)\n\
        the reactor has resolved Ok([127.0.0.1:80])\n\
        back on the reactor's thread\n";
    assert_eq!((&*ended.stdout, &*ended.stderr), (expected, ""));
}
