use std::fmt::Debug;
use std::io;

use reactor::testing::{StringTransport, every_cut};

use super::*;
use crate::memcache::MemcacheFactory;

/// A client in the test's hands, the test being the server.
struct Test {
    wire: StringTransport,
    client: MemcacheClient,
    /// What has become of the requests, in the order that it became known.
    log: Rc<RefCell<Vec<String>>>,
}

fn connect() -> Test {
    connect_with(|factory| factory)
}

fn connect_with(change: fn(MemcacheFactory) -> MemcacheFactory) -> Test {
    let made = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&made);
    let factory = MemcacheClient::factory(move |client| {
        kept.replace(Some(client));
    });
    let wire = StringTransport::connect(change(factory));
    let client = made.take().expect("it is connected");
    Test { wire, client, log: Rc::default() }
}

impl Test {
    fn ask<T: Debug>(&mut self, answer: impl Future<Output = Result<T, MemcacheError>> + 'static) {
        let log = Rc::clone(&self.log);
        self.wire.reactor().spawn(async move {
            let line = match answer.await {
                Ok(answer) => format!("{answer:?}"),
                Err(error) => error.to_string(),
            };
            log.borrow_mut().push(line);
        });
        self.wire.settle();
    }

    fn written(&mut self) -> String {
        String::from_utf8(self.wire.take_written()).unwrap()
    }

    fn log(&self) -> Vec<String> {
        self.log.take()
    }

    fn receive(&mut self, answer: &str) -> Vec<String> {
        self.wire.receive(answer);
        self.log()
    }
}

#[test]
fn requests_are_sent_as_the_protocol_has_them() {
    let mut test = connect();
    let client = test.client.clone();
    let minute = Some(Duration::from_millis(59_001));
    test.ask(client.get("k"));
    test.ask(client.get_multiple(&["b", "a", "b"]));
    test.ask(client.set("k", b"a\r\nb", 7, minute));
    test.ask(client.add("k", b"", 0, Some(Duration::ZERO)));
    test.ask(client.replace("k", b"v", u32::MAX, None));
    test.ask(client.check_and_set("k", b"v", 42, 0, None));
    test.ask(client.append("k", b"v"));
    test.ask(client.prepend("k", b"v"));
    test.ask(client.increment("k", 1));
    test.ask(client.decrement("k", u64::MAX));
    test.ask(client.delete("k"));
    test.ask(client.touch("k", minute));
    test.ask(client.flush_all());
    test.ask(client.stats());
    test.ask(client.version());
    let requests = [
        "gets k",
        "gets a b",
        "set k 7 60 4\r\na\r\nb",
        "add k 0 -1 0\r\n",
        "replace k 4294967295 0 1\r\nv",
        "cas k 0 0 1 42\r\nv",
        "append k 0 0 1\r\nv",
        "prepend k 0 0 1\r\nv",
        "incr k 1",
        "decr k 18446744073709551615",
        "delete k",
        "touch k 60",
        "flush_all",
        "stats",
        "version",
    ];
    assert_eq!(test.written(), requests.map(|request| format!("{request}\r\n")).concat());
    assert_eq!(test.log(), [""; 0]);
}

#[test]
fn what_expires_in_more_than_thirty_days_is_given_its_time_of_day() {
    let mut test = connect();
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    test.ask(test.client.touch("k", days(30)));
    test.ask(test.client.touch("k", days(31)));
    test.ask(test.client.touch("k", Some(Duration::MAX)));
    // The year 2000 and a month.
    assert_eq!(test.written(), "touch k 2592000\r\ntouch k 949363200\r\ntouch k 0\r\n");
}

#[test]
fn answers_are_understood_however_they_are_cut() {
    let answers = "VALUE a 7 4 1\r\na\r\nb\r\nVALUE b 0 0 2\r\n\r\nEND\r\nEND\r\nSTORED\r\nNOT_STORED\r\nEXISTS\r\n\
                   12\r\nNOT_FOUND\r\nSTAT pid 1\r\nSTAT empty\r\nEND\r\nVERSION 1.6 x\r\nOK\r\nERROR\r\n\
                   SERVER_ERROR out of memory\r\nCLIENT_ERROR bad\r\n";
    let log = every_cut(answers, |pieces| {
        let mut test = connect();
        let client = test.client.clone();
        test.ask(client.get_multiple(&["a", "b", "c"]));
        test.ask(client.get("d"));
        test.ask(client.set("k", b"", 0, None));
        test.ask(client.add("k", b"", 0, None));
        test.ask(client.check_and_set("k", b"", 1, 0, None));
        test.ask(client.increment("k", 1));
        test.ask(client.decrement("k", 1));
        test.ask(client.stats());
        test.ask(client.version());
        test.ask(client.flush_all());
        test.ask(client.delete("k"));
        test.ask(client.touch("k", None));
        test.ask(client.get("k"));
        for piece in pieces {
            test.wire.receive(piece);
        }
        assert!(test.wire.close_reason().is_none());
        test.log()
    });
    assert_eq!(
        log,
        [
            "{\"a\": MemcacheItem { value: b\"a\\r\\nb\", flags: 7, cas: 1 }, \
             \"b\": MemcacheItem { value: b\"\", flags: 0, cas: 2 }}",
            "None",
            "true",
            "false",
            "false",
            "Some(12)",
            "None",
            "{\"empty\": \"\", \"pid\": \"1\"}",
            "\"1.6 x\"",
            "true",
            "the server does not know the command",
            "the server has failed: out of memory",
            "the server refuses the request: bad",
        ]
    );
}

#[test]
fn a_key_that_is_none_and_a_value_that_is_too_long_are_not_sent() {
    let mut test = connect_with(|factory| factory.max_value_length(3));
    let long = "k".repeat(251);
    for key in ["", "a b", "a\r\nflush_all", "\u{7f}", &*long] {
        test.ask(test.client.get(key));
        test.ask(test.client.get_multiple(&["good", key]));
        test.ask(test.client.set(key, b"", 0, None));
        test.ask(test.client.increment(key, 1));
        test.ask(test.client.delete(key));
        test.ask(test.client.touch(key, None));
        let expected =
            format!("{key:?} is not a valid key: it must have 1 to 250 bytes without blanks and control characters");
        assert_eq!(test.log(), vec![expected; 6]);
    }
    test.ask(test.client.get(&long[1..]));
    test.ask(test.client.set("k", b"1234", 0, None));
    assert_eq!(test.log(), ["a value of 4 bytes is longer than the maximum: see MemcacheFactory::max_value_length"]);
    assert_eq!(test.written(), format!("gets {}\r\n", &long[1..]));
}

#[test]
fn no_keys_are_answered_without_the_server() {
    let mut test = connect();
    test.ask(test.client.get_multiple(&[]));
    assert_eq!((test.log(), test.written()), (vec!["{}".to_owned()], String::new()));
}

#[test]
fn a_server_that_does_not_keep_to_the_protocol_is_not_heard_further() {
    for answer in [
        "VALUE k 0 1\r\n",
        "VALUE k 0 1 2 3\r\n",
        "VALUE k 0 +1 2\r\n",
        "VALUE k 4294967296 1 2\r\n",
        "VALUE other 0 1 2\r\n",
        "VALUE k 0 1048577 2\r\n",
        "VALUE k 0 18446744073709551616 2\r\n",
        "VALUE k 0 1 2\r\nv\r\nVALUE k 0 1 2\r\n",
        "STORED\r\n",
        "end\r\n",
        "",
    ] {
        let mut test = connect();
        test.ask(test.client.get("k"));
        test.ask(test.client.version());
        let log = test.receive(&format!("{answer}\r\n"));
        let said = answer.trim_end().rsplit('\n').next().unwrap();
        let error = format!("no answer: the memcache server sent an invalid answer: {said:?}");
        assert_eq!(log, vec![error; 2]);
        assert!(test.wire.was_reset());
    }
}

#[test]
fn a_value_of_another_length_and_an_endless_line_end_the_connection() {
    let mut test = connect();
    test.ask(test.client.get("k"));
    let error = "no answer: the memcache server sent a value whose length differs from the announced one";
    assert_eq!(test.receive("VALUE k 0 1 2\r\nvalue\r\n"), [error]);

    let mut test = connect();
    test.ask(test.client.version());
    assert_eq!(test.receive(&"x".repeat(5000)), ["no answer: the memcache server sent a line that is too long"]);
}

#[test]
fn statistics_have_an_end() {
    let mut test = connect();
    test.ask(test.client.stats());
    let log = test.receive(&(0..1001).map(|n| format!("STAT {n} 0\r\n")).collect::<String>());
    assert_eq!(log, ["no answer: the memcache server sent an invalid answer: \"STAT 1000 0\""]);
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let mut test = connect();
    test.wire.receive("ERROR Too many open connections\r\n");
    let reason = test.wire.close_reason().unwrap().to_string();
    assert_eq!(reason, "the memcache server sent an answer without a request: \"ERROR Too many open connections\"");
}

#[test]
fn a_claimed_length_allocates_nothing_and_a_value_of_that_length_is_received() {
    let mut test = connect();
    test.ask(test.client.get("k"));
    test.receive("VALUE k 0 1048576 2\r\n");
    for _ in 0..1 << 10 {
        test.receive(&"x".repeat(1 << 10));
    }
    assert_eq!(
        test.receive("\r\nEND\r\n")[0].len(),
        (1 << 20) + "Some(MemcacheItem { value: b\"\", flags: 0, cas: 2 })".len()
    );
}

#[test]
fn the_oldest_request_has_a_time_limit_and_the_next_has_its_own() {
    let mut test = connect_with(|factory| factory.timeout(Duration::from_secs(10)));
    test.ask(test.client.version());
    test.wire.advance(Duration::from_secs(5));
    test.ask(test.client.get("k"));
    test.wire.advance(Duration::from_secs(4));
    assert_eq!(test.receive("VERSION 1\r\n"), ["\"1\""]);
    test.wire.advance(Duration::from_secs(9));
    assert!(test.wire.close_reason().is_none());
    test.wire.advance(Duration::from_secs(1));
    assert_eq!(test.log(), ["no answer: connection timed out"]);
    assert!(matches!(test.wire.close_reason(), Some(CloseReason::TimedOut)));
}

#[test]
fn an_idle_connection_has_no_time_limit() {
    let mut test = connect();
    test.ask(test.client.version());
    test.receive("VERSION 1\r\n");
    assert_eq!(test.wire.reactor().pending_call_count(), 0);
    test.wire.advance(Duration::from_secs(3600));
    assert!(test.wire.close_reason().is_none());
}

#[test]
fn with_the_connection_all_requests_are_lost_that_wait_and_all_later_ones() {
    let mut test = connect();
    test.ask(test.client.get("k"));
    test.ask(test.client.version());
    test.receive("VALUE k 0 5 2\r\nhal");
    test.wire.break_connection(io::ErrorKind::ConnectionReset.into());
    test.ask(test.client.stats());
    test.ask(test.client.set("k", b"", 0, Some(Duration::MAX)));
    assert_eq!(test.log(), ["no answer: connection lost: connection reset"; 4]);
}

#[test]
fn nothing_is_received_after_the_end() {
    let mut test = connect();
    test.ask(test.client.version());
    test.client.lose_connection();
    assert_eq!(test.receive("VERSION 1\r\n"), ["no answer: connection closed cleanly"]);
}

#[test]
fn a_request_that_would_pass_the_output_limit_is_refused_alone_and_those_under_way_are_answered() {
    let mut test = connect();
    test.wire.stall(true);
    let value = vec![b'x'; 1 << 20];
    for _ in 0..20 {
        let stored = test.client.set("k", &value, 0, None);
        test.ask(stored);
    }
    let refused = test.log();
    assert_eq!(refused.len(), 5, "16 MiB take 15 with their heads");
    assert!(refused[0].starts_with("request not sent: on top of 157"), "{}", refused[0]);
    test.wire.stall(false);
    assert_eq!(test.written().matches("set k 0 0 1048576").count(), 15);
    assert_eq!(test.receive(&"STORED\r\n".repeat(15)), ["true"; 15]);
    let stored = test.client.set("k", &value, 0, None);
    test.ask(stored);
    assert_eq!(test.receive("STORED\r\n"), ["true"]);
}
