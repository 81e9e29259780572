//! AMP between two programs: in memory, on the simulated network, and with Twisted on the other side.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, FixedOffset};
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use protocols::amp::{Amp, AmpAnswer, AmpBox, AmpError, AmpHandler, AmpReceiver};
use reactor::testing::{Link, Pair, Simulation};
use reactor::{Factory, Reactor, Transport};
use rig::peer::serve;
use serde_json::json;
use tokio::sync::oneshot;

use crate::apps::peers;
use crate::apps::program::Program;
use crate::support::{in_time, test_reactor};

/// Answers what `tests/peers/amp_server.py` does.
struct Calculator {
    amp: Amp,
    notes: Vec<String>,
    waiting: HashMap<i64, oneshot::Sender<()>>,
}

impl Calculator {
    fn new(amp: Amp) -> Self {
        Self { amp, notes: Vec::new(), waiting: HashMap::new() }
    }
}

impl AmpHandler for Calculator {
    fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        match command {
            "Sum" => {
                let total = arguments.get::<i64>("a")? + arguments.get::<i64>("b")?;
                Ok(AmpBox::new().with("total", total).into())
            }
            "Divide" => {
                let (numerator, denominator): (i32, i32) = (arguments.get("numerator")?, arguments.get("denominator")?);
                if denominator == 0 {
                    return Err(AmpError::remote("ZERO_DIVISION", "division by zero"));
                }
                Ok(AmpBox::new().with("result", f64::from(numerator) / f64::from(denominator)).into())
            }
            "Types" => Ok(Types::read(&arguments)?.write().into()),
            // Is answered when another with the same number is.
            "Slow" => {
                let number = arguments.get("number")?;
                let answer = AmpBox::new().with("number", number);
                if let Some(other) = self.waiting.remove(&number) {
                    let _ = other.send(());
                    return Ok(answer.into());
                }
                let (tell, told) = oneshot::channel();
                self.waiting.insert(number, tell);
                Ok(AmpAnswer::later(async {
                    let _ = told.await;
                    Ok(answer)
                }))
            }
            // Is answered after this many milliseconds.
            "Wait" => {
                let (tell, told) = oneshot::channel();
                let delay = Duration::from_millis(arguments.get("delay")?);
                self.amp.transport().call_later(delay, move |_: &mut Self| {
                    let _ = tell.send(());
                });
                Ok(AmpAnswer::later(async {
                    let _ = told.await;
                    Ok(arguments)
                }))
            }
            "Fail" => Err(AmpError::Malformed("not for the peer".to_owned())),
            "Note" => {
                self.notes.push(arguments.get("text")?);
                Ok(AmpBox::new().into())
            }
            "Notes" => Ok(AmpBox::new().with("notes", &self.notes).into()),
            "AskBack" => Ok(AmpAnswer::later(self.amp.call("Sum", arguments))),
            _ => Err(AmpError::unhandled(command)),
        }
    }
}

/// A value of each type of argument.
#[derive(Debug, PartialEq)]
struct Types {
    integer: i128,
    string: Vec<u8>,
    unicode: String,
    float: f64,
    boolean: bool,
    datetime: DateTime<FixedOffset>,
    decimal: String,
    integers: Vec<i64>,
    lists: Vec<Vec<String>>,
    boxes: Vec<AmpBox>,
    optional: Option<i64>,
}

impl Types {
    fn example() -> Self {
        Self {
            integer: i128::MIN,
            string: (0..=255).collect(),
            unicode: "Grüße".to_owned(),
            float: -2.5e-7,
            boolean: true,
            datetime: DateTime::parse_from_rfc3339("2026-11-25T08:51:00.000123-05:30").unwrap(),
            decimal: "1.5E+2".to_owned(),
            integers: vec![3, -7, i64::MAX],
            lists: vec![vec!["a".to_owned(), "b".to_owned()], vec![], vec![String::new()]],
            boxes: vec![AmpBox::new().with("a", 1).with("b", "x"), AmpBox::new().with("a", 2)],
            optional: None,
        }
    }

    fn read(from: &AmpBox) -> Result<Self, AmpError> {
        Ok(Self {
            integer: from.get("integer")?,
            string: from.get("string")?,
            unicode: from.get("unicode")?,
            float: from.get("float")?,
            boolean: from.get("boolean")?,
            datetime: from.get("datetime")?,
            decimal: from.get("decimal")?,
            integers: from.get("integers")?,
            lists: from.get("lists")?,
            boxes: from.get("boxes")?,
            optional: from.get_optional("optional")?,
        })
    }

    fn write(&self) -> AmpBox {
        let mut written = AmpBox::new()
            .with("integer", self.integer)
            .with("string", &self.string)
            .with("unicode", &self.unicode)
            .with("float", self.float)
            .with("boolean", self.boolean)
            .with("datetime", self.datetime)
            .with("decimal", &self.decimal)
            .with("integers", &self.integers)
            .with("lists", &self.lists)
            .with("boxes", &self.boxes);
        if let Some(optional) = self.optional {
            written.set("optional", optional);
        }
        written
    }
}

fn calculator() -> impl Factory {
    AmpReceiver::factory(Calculator::new)
}

fn sum(amp: &Amp, a: i64, b: i64) -> impl Future<Output = Result<i64, AmpError>> + use<> {
    let answer = amp.call("Sum", AmpBox::new().with("a", a).with("b", b));
    async { answer.await?.get("total") }
}

fn amp(transport: &Transport) -> Amp {
    transport.handle().expect("an AMP receiver's")
}

/// A calculator whose handle is told of.
fn told(made: &Rc<RefCell<Option<Amp>>>) -> impl Factory {
    let made = Rc::clone(made);
    AmpReceiver::factory(move |amp: Amp| {
        made.replace(Some(amp.clone()));
        Calculator::new(amp)
    })
}

type Sums = Rc<RefCell<Vec<Result<i64, String>>>>;

/// Calls `count` times, all at once, and keeps the sums in the order of the calls.
fn call_often(reactor: &Reactor, amp: &Amp, count: i64) -> Sums {
    let sums = Sums::default();
    let calls: Vec<_> = (0..count).map(|n| sum(amp, n, 1)).collect();
    let kept = Rc::clone(&sums);
    reactor.spawn(async move {
        let answers = join_all(calls).await;
        kept.borrow_mut().extend(answers.into_iter().map(|answer| answer.map_err(|error| error.to_string())));
    });
    sums
}

#[test]
fn both_sides_call_each_other_at_once() {
    let mut pair = Pair::connect(calculator(), calculator());
    let sums = [&pair.client, &pair.server].map(|end| call_often(pair.reactor(), &amp(end.transport()), 500));
    pair.run_until_quiet();
    for sums in sums {
        assert_eq!(sums.take(), (1..=500).map(Ok).collect::<Vec<_>>());
    }
}

#[test]
fn all_types_come_back_as_they_went() {
    let mut pair = Pair::connect(calculator(), calculator());
    let call = amp(pair.client.transport()).call("Types", Types::example().write());
    let answer = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&answer);
    pair.reactor().spawn(async move {
        kept.replace(Some(call.await));
    });
    pair.run_until_quiet();
    assert_eq!(Types::read(&answer.take().unwrap().unwrap()).unwrap(), Types::example());
}

#[test]
fn a_call_can_be_answered_with_what_a_call_of_its_caller_gives() {
    let mut pair = Pair::connect(calculator(), calculator());
    let call = amp(pair.client.transport()).call("AskBack", AmpBox::new().with("a", 1).with("b", 2));
    pair.client.protocol::<Calculator>().amp.clone().defer(call, |this: &mut Calculator, answer| {
        this.notes.push(answer.unwrap().get("total").unwrap());
    });
    pair.run_until_quiet();
    assert_eq!(pair.client.protocol::<Calculator>().notes, ["3"]);
}

#[test]
fn calls_in_both_directions_are_answered_over_a_rough_network_however_long_each_takes() {
    Simulation::for_seeds(0..50, |sim| {
        sim.set_link(Link::rough());
        let server = Rc::default();
        sim.host("server").listen_tcp(1234, told(&server)).unwrap();
        let connector = sim.host("client").connect_tcp("server:1234", calculator());
        assert!(sim.run_until(|| server.borrow().is_some() && connector.transport().is_some()));
        let answered = Rc::new(RefCell::new(Vec::new()));
        for (host, amp) in [("server", server.take().unwrap()), ("client", amp(&connector.transport().unwrap()))] {
            let host = sim.host(host);
            for _ in 0..100 {
                let delay = host.random() % 1000;
                let call = amp.call("Wait", AmpBox::new().with("delay", delay));
                let kept = Rc::clone(&answered);
                host.spawn(async move {
                    let answer = call.await;
                    kept.borrow_mut().push(answer.unwrap().get::<u64>("delay").unwrap() == delay);
                });
            }
        }
        assert!(sim.run_until(|| answered.borrow().len() == 200));
        assert!(answered.borrow().iter().all(|right| *right));
    });
}

#[test]
fn each_call_ends_once_whatever_becomes_of_the_connection() {
    Simulation::for_seeds(0..50, |sim| {
        sim.set_link(Link::rough().resets(0.02));
        sim.host("server").listen_tcp(1234, calculator()).unwrap();
        let (host, sums) = (sim.host("client"), Rc::new(RefCell::new(Vec::new())));
        let (reactor, kept) = (host.clone(), Rc::clone(&sums));
        let connector = host.connect_tcp(
            "server:1234",
            AmpReceiver::factory(move |amp: Amp| {
                kept.borrow_mut().push(call_often(&reactor, &amp, 300));
                Calculator::new(amp)
            }),
        );
        sim.run_for(Duration::from_secs(60));
        connector.disconnect();
        sim.run_until_quiet(Duration::from_secs(3600));
        for sums in sums.borrow().iter() {
            let sums = sums.borrow();
            assert_eq!(sums.len(), 300);
            let right = |(n, sum): (i64, &Result<i64, String>)| match sum {
                Ok(sum) => *sum == n + 1,
                Err(error) => error.starts_with("no answer: connection lost"),
            };
            assert!((0..).zip(&*sums).all(right), "{sums:?}");
        }
    });
}

#[test]
fn a_side_that_has_more_to_send_than_the_network_takes_answers_all_the_same() {
    let sim = Simulation::new(1);
    let server = Rc::default();
    sim.host("server").listen_tcp(1234, told(&server)).unwrap();
    let connector = sim.host("client").connect_tcp("server:1234", calculator());
    assert!(sim.run_until(|| server.borrow().is_some() && connector.transport().is_some()));
    let many = call_often(&sim.host("client"), &amp(&connector.transport().unwrap()), 50_000);
    let one = call_often(&sim.host("server"), &server.take().unwrap(), 1);
    assert!(sim.run_until(|| many.borrow().len() == 50_000 && one.borrow().len() == 1));
}

/// Has a thousand calls under way until it has called often enough, and answers with more than it is sent.
struct Flood {
    amp: Amp,
    left: u32,
    unanswered: Rc<Cell<u32>>,
}

impl Flood {
    fn call(&mut self) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        let call = self.amp.call("More", AmpBox::new());
        self.amp.defer(call, |this: &mut Self, answer| {
            answer.unwrap();
            this.unanswered.set(this.unanswered.get() - 1);
            this.call();
        });
    }
}

impl AmpHandler for Flood {
    fn connection_made(&mut self) {
        (0..1000).for_each(|_| self.call());
    }

    fn call_received(&mut self, _command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        Ok(arguments.with("more", vec![0_u8; 2000]).into())
    }
}

#[test]
fn two_sides_that_call_each_other_all_the_time_do_not_wait_for_each_other() {
    let unanswered = Rc::new(Cell::new(2 * 5000));
    let flood = || {
        let unanswered = Rc::clone(&unanswered);
        AmpReceiver::factory(move |amp| Flood { amp, left: 5000, unanswered: Rc::clone(&unanswered) })
    };
    let sim = Simulation::new(1);
    sim.host("server").listen_tcp(1234, flood()).unwrap();
    sim.host("client").connect_tcp("server:1234", flood());
    assert!(sim.run_until(|| unanswered.get() == 0));
}

#[test]
fn calls_outlive_a_partition_that_heals_and_fail_in_one_that_does_not() {
    for heals in [true, false] {
        let sim = Simulation::new(3);
        sim.host("server").listen_tcp(1234, calculator()).unwrap();
        let client = sim.host("client");
        let connector = client.connect_tcp("server:1234", calculator());
        assert!(sim.run_until(|| connector.transport().is_some()));
        sim.partition("client", "server");
        let sums = call_often(&client, &amp(&connector.transport().unwrap()), 3);
        sim.run_for(Duration::from_secs(500));
        assert!(sums.borrow().is_empty());
        if heals {
            sim.heal("client", "server");
        }
        assert!(sim.run_until(|| !sums.borrow().is_empty()));
        let lost = Err("no answer: connection lost: timed out".to_owned());
        let expected = if heals { [1, 2, 3].map(Ok) } else { [lost.clone(), lost.clone(), lost] };
        assert_eq!(sums.take(), expected);
    }
}

#[test]
fn a_call_to_a_child_that_ends_fails_with_its_exit_status() {
    in_time(|| {
        let reactor = test_reactor();
        let made = Rc::default();
        let mut child = Command::new("sh");
        let ended = reactor.connect_process(child.args(["-c", "head -c 1; exit 3"]), told(&made)).unwrap();
        let inside = reactor.clone();
        let error = reactor.run_until(async move {
            while made.borrow().is_none() {
                inside.sleep(Duration::from_millis(1)).await;
            }
            let amp: Amp = made.take().unwrap();
            let error = sum(&amp, 1, 2).await.unwrap_err();
            ended.await;
            error
        });
        let error = error.unwrap();
        let AmpError::ConnectionLost(reason) = &error else { panic!("{error}") };
        assert_eq!(reason.exit_status().unwrap().code(), Some(3));
        assert_eq!(error.to_string(), "no answer: connection lost: the process has ended with exit status: 3");
    });
}

/// Connects to a server, talks, and closes.
fn talk<T>(address: SocketAddr, talk: impl AsyncFnOnce(Amp) -> T) -> T {
    let reactor = test_reactor();
    let connector = reactor.connect_tcp(address, calculator());
    reactor
        .run_until(async move {
            let amp = amp(&connector.connected().await.expect("to connect"));
            let outcome = talk(amp.clone()).await;
            amp.lose_connection();
            connector.finished().await.expect("it was connected");
            outcome
        })
        .unwrap()
}

#[test]
fn twisteds_server_answers_every_kind_of_call() {
    if !peers::twisted("twisteds_server_answers_every_kind_of_call") {
        return;
    }
    let (_server, address) = peers::serve("amp_server.py");
    in_time(move || {
        talk(address, async |amp: Amp| {
            assert_eq!(sum(&amp, 13, 81).await.unwrap(), 94);
            let divide =
                |denominator| amp.call("Divide", AmpBox::new().with("numerator", 1).with("denominator", denominator));
            assert_eq!(divide(3).await.unwrap().get::<f64>("result").unwrap(), 1.0 / 3.0);
            let error = divide(0).await.unwrap_err();
            assert_eq!(error.code(), Some("ZERO_DIVISION"), "{error}");
            let types = amp.call("Types", Types::example().write()).await.unwrap();
            assert_eq!(Types::read(&types).unwrap(), Types::example());

            let numbers: Vec<i64> = (0..1000).map(|n| n % 500).collect();
            let calls = numbers.iter().map(|number| amp.call("Slow", AmpBox::new().with("number", number)));
            let answers = join_all(calls.collect::<Vec<_>>()).await;
            let answered: Vec<i64> = answers.into_iter().map(|answer| answer.unwrap().get("number").unwrap()).collect();
            assert_eq!(answered, numbers);

            for text in ["one", "two"] {
                amp.call_without_answer("Note", AmpBox::new().with("text", text)).unwrap();
            }
            let notes = amp.call("Notes", AmpBox::new()).await.unwrap();
            assert_eq!(notes.get::<Vec<String>>("notes").unwrap(), ["one", "two"]);
            let asked = amp.call("AskBack", AmpBox::new().with("a", 1).with("b", 2)).await.unwrap();
            assert_eq!(asked.get::<i64>("total").unwrap(), 3);

            let error = amp.call("Unheard", AmpBox::new()).await.unwrap_err();
            assert_eq!(error.code(), Some(AmpError::UNHANDLED), "{error}");
            let waiting = amp.call("Slow", AmpBox::new().with("number", 0));
            let error = amp.call("Fail", AmpBox::new()).await.unwrap_err();
            assert_eq!(error.to_string(), "the peer answered UNKNOWN: Unknown Error");
            let error = waiting.await.unwrap_err();
            assert!(matches!(error, AmpError::ConnectionLost(_)), "{error}");
        });
    });
}

#[test]
fn twisteds_client_is_answered_every_kind_of_call() {
    if !peers::twisted("twisteds_client_is_answered_every_kind_of_call") {
        return;
    }
    let server = serve(|reactor| reactor.listen_tcp("127.0.0.1:0", calculator()));
    let address = server.address();
    let client =
        Program::start(peers::script("amp_client.py").args([address.ip().to_string(), address.port().to_string()]));
    let ended = client.close_and_finish().with_code(0);
    let lines = [
        "sum 94",
        "divide 0.3333333333333333",
        "divide by zero: division by zero",
        "types True",
        "slow True",
        "notes ['one', 'two']",
        "ask back 3",
        "unheard: (b'UNHANDLED', 'Unhandled Command: \"Unheard\"')",
        "fail: b'UNKNOWN' Unknown Error",
        "lost: ConnectionDone",
    ];
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), lines, "{}", ended.stderr);
}

/// A value of some type, as it is put into a box here, and as `tests/peers/amp_boxes.py` is told of it.
#[derive(Clone, Debug)]
enum Sample {
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Unicode(String),
    String(Vec<u8>),
    DateTime(DateTime<FixedOffset>),
    Integers(Vec<i64>),
    Texts(Vec<Vec<String>>),
    Boxes(Vec<(i64, String)>),
}

impl Sample {
    fn any() -> impl Strategy<Value = Self> {
        let float = prop_oneof![any::<f64>(), (-1e18..1e18), (-1.0..1.0), any::<i32>().prop_map(f64::from)];
        // The years that Python has, but for their first and last days.
        let time = (-62_135_500_000..253_402_200_000_i64, 0..1_000_000_u32, -1439..1440);
        let time = time.prop_map(|(seconds, micros, minutes)| {
            let offset = FixedOffset::east_opt(minutes * 60).unwrap();
            DateTime::from_timestamp(seconds, micros * 1000).unwrap().with_timezone(&offset)
        });
        prop_oneof![
            prop_oneof![any::<i128>(), (-20..20_i128)].prop_map(Self::Integer),
            float.prop_map(Self::Float),
            any::<bool>().prop_map(Self::Boolean),
            any::<String>().prop_map(Self::Unicode),
            vec(any::<u8>(), 0..300).prop_map(Self::String),
            time.prop_map(Self::DateTime),
            vec(any::<i64>(), 0..20).prop_map(Self::Integers),
            vec(vec(".{0,5}", 0..4), 0..4).prop_map(Self::Texts),
            vec((any::<i64>(), ".{0,9}"), 0..4).prop_map(Self::Boxes),
        ]
    }

    fn put(&self, key: &[u8], into: &mut AmpBox) {
        match self {
            Self::Integer(value) => into.set(key, value),
            Self::Float(value) => into.set(key, value),
            Self::Boolean(value) => into.set(key, value),
            Self::Unicode(value) => into.set(key, value),
            Self::String(value) => into.set(key, value),
            Self::DateTime(value) => into.set(key, value),
            Self::Integers(value) => into.set(key, value),
            Self::Texts(value) => into.set(key, value),
            Self::Boxes(values) => into.set(key, boxes(values)),
        }
    }

    /// Whether a box has this value.
    fn is_in(&self, key: &[u8], from: &AmpBox) -> bool {
        match self {
            Self::Integer(value) => from.get(key).is_ok_and(|found: i128| found == *value),
            Self::Float(value) => from.get(key).is_ok_and(|found: f64| found.to_bits() == value.to_bits()),
            Self::Boolean(value) => from.get(key).is_ok_and(|found: bool| found == *value),
            Self::Unicode(value) => from.get(key).is_ok_and(|found: String| found == *value),
            Self::String(value) => from.get(key).is_ok_and(|found: Bytes| found == *value),
            Self::DateTime(value) => from.get(key).is_ok_and(|found: DateTime<FixedOffset>| found == *value),
            Self::Integers(value) => from.get(key).is_ok_and(|found: Vec<i64>| found == *value),
            Self::Texts(value) => from.get(key).is_ok_and(|found: Vec<Vec<String>>| found == *value),
            Self::Boxes(values) => from.get(key).is_ok_and(|found: Vec<AmpBox>| found == boxes(values)),
        }
    }

    fn told(&self) -> (&str, serde_json::Value) {
        match self {
            Self::Integer(value) => ("integer", json!(value.to_string())),
            Self::Float(value) => ("float", json!(value.to_string())),
            Self::Boolean(value) => ("boolean", json!(value)),
            Self::Unicode(value) => ("unicode", json!(value)),
            Self::String(value) => ("string", json!(hex(value))),
            Self::DateTime(value) => ("datetime", json!(value.format("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string())),
            Self::Integers(value) => ("integers", json!(value)),
            Self::Texts(value) => ("texts", json!(value)),
            Self::Boxes(values) => {
                ("boxes", values.iter().map(|(a, b)| json!({ "a": a, "b": b })).collect::<Vec<_>>().into())
            }
        }
    }
}

fn boxes(values: &[(i64, String)]) -> Vec<AmpBox> {
    values.iter().map(|(a, b)| AmpBox::new().with("a", a).with("b", b)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn samples() -> impl Strategy<Value = Vec<(Vec<u8>, Sample)>> {
    vec((vec(any::<u8>(), 1..=255), Sample::any()), 0..6)
}

fn box_of(samples: &[(Vec<u8>, Sample)]) -> AmpBox {
    let mut made = AmpBox::new();
    for (key, sample) in samples {
        sample.put(key, &mut made);
    }
    made
}

proptest! {
    #[test]
    fn what_is_put_into_a_box_is_found_in_it_when_it_has_been_sent(samples in samples()) {
        let sent = box_of(&samples);
        let came = AmpBox::parse(&sent.encode().unwrap()).unwrap();
        prop_assert_eq!(&came, &[sent]);
        prop_assert!(samples.iter().all(|(key, sample)| sample.is_in(key, &came[0])));
    }
}

#[test]
fn boxes_are_the_same_bytes_as_twisteds() {
    if !peers::twisted("boxes_are_the_same_bytes_as_twisteds") {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let mut twisted = Program::start(&mut peers::script("amp_boxes.py"));
    for _ in 0..3000 {
        let samples = samples().new_tree(&mut runner).unwrap().current();
        let told: Vec<_> = samples.iter().map(|(key, sample)| (hex(key), sample.told())).collect();
        let told: Vec<_> = told.iter().map(|(key, (kind, value))| json!([key, kind, value])).collect();
        twisted.type_in(format!("{}\n", json!(told)));
        assert_eq!(twisted.line(), hex(&box_of(&samples).encode().unwrap()), "{samples:?}");
    }
    twisted.close_and_finish().with_code(0);
}
