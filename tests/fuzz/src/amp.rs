//! AMP: the results and answers of a receiver, however the stream is cut.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use futures_channel::oneshot;
use protocols::amp::{Amp, AmpAnswer, AmpBox, AmpError, AmpHandler, AmpReceiver};
use reactor::testing::StringTransport;

use crate::receiving::cuts;

/// Three bytes select the limits and the cuts; the others are received.
pub fn amp(data: &[u8]) {
    let [max_size, max_answering, cut, stream @ ..] = data else { return };
    let limits = Limits { max_size: usize::from(*max_size) * 4, max_answering: usize::from(*max_answering % 4) + 1 };
    let expected = limits.expect(stream);
    for pieces in cuts(stream, *cut) {
        let (came, late) = limits.receive(&pieces);
        let what = || format!("{limits:?} of {:?}", stream.escape_ascii().to_string());
        assert_eq!((&came.calls, came.broken), (&expected.calls, expected.broken), "{}", what());
        for (place, outcome) in came.outcomes.iter().enumerate() {
            // Answers do not wait when calls do, so one may be delivered before the call that closes.
            let may_be = [&expected.outcomes[place], &expected.overtaking[place]];
            assert!(may_be.contains(&outcome), "{outcome:?} is none of {may_be:?}: {}", what());
        }
        // A reset discards unsent output.
        let all_sent = came.broken || came.answers.len() == expected.answers.len();
        assert!(all_sent && expected.answers.starts_with(&came.answers), "{:?}: {}", came.answers, what());
        assert!(late.iter().all(|tag| expected.late.contains(tag)), "answers to {late:?}: {}", what());
    }
}

#[derive(Debug)]
struct Limits {
    max_size: usize,
    max_answering: usize,
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;
type Outcome = Result<Entries, (String, String)>;

/// The results of a stream.
#[derive(Debug, Default)]
struct Came {
    /// The commands received, with their arguments.
    calls: Vec<(String, Entries)>,
    /// The immediate answers.
    answers: Vec<Entries>,
    /// The outcomes of the two calls made first; `None` if the connection ended before.
    outcomes: [Option<Outcome>; 2],
    /// The same, if the answers after the closing call are received before it.
    overtaking: [Option<Outcome>; 2],
    /// Whether the peer violated AMP.
    broken: bool,
    /// The tags of the calls that are answered later, unless the connection ends before.
    late: Vec<Vec<u8>>,
}

/// How a stream of boxes continues.
enum Next {
    Box(Entries, usize),
    Unfinished,
    Broken,
}

impl Limits {
    /// The rules, applied to the whole stream at once.
    fn expect(&self, mut stream: &[u8]) -> Came {
        let mut came = Came::default();
        // The bytes after the call that closes.
        let mut beyond = None;
        loop {
            let then = match self.next(stream) {
                Next::Box(entries, length) => {
                    stream = &stream[length..];
                    expect_box(entries, beyond.as_mut().unwrap_or(&mut came))
                }
                Next::Unfinished => break,
                Next::Broken => Then::Break,
            };
            match then {
                Then::GoOn => {}
                Then::Close if beyond.is_some() => {}
                Then::Close => beyond = Some(Came { outcomes: came.outcomes.clone(), ..Came::default() }),
                Then::Break => {
                    came.broken = beyond.is_none();
                    break;
                }
            }
        }
        came.overtaking = beyond.map_or_else(|| came.outcomes.clone(), |beyond| beyond.outcomes);
        came
    }

    fn next(&self, stream: &[u8]) -> Next {
        let mut entries = Entries::new();
        let mut key: Option<Vec<u8>> = None;
        let mut keys = 0;
        let mut at = 0;
        let mut twice = false;
        loop {
            let Some(&[high, low]) = stream.get(at..at + 2) else { return Next::Unfinished };
            let length = usize::from(high) * 256 + usize::from(low);
            at += 2;
            if key.is_none() {
                match length {
                    0 if twice => return Next::Broken,
                    0 => return Next::Box(entries, at),
                    256.. => return Next::Broken,
                    _ => keys += 1,
                }
            }
            if at + length + 64 * keys > self.max_size {
                return Next::Broken;
            }
            let Some(part) = stream.get(at..at + length) else { return Next::Unfinished };
            at += length;
            match key.take() {
                Some(key) => twice |= entries.insert(key, part.to_vec()).is_some(),
                None => key = Some(part.to_vec()),
            }
        }
    }

    /// The actual results of these pieces, followed by the end of the stream; and which late answers were sent.
    fn receive(&self, pieces: &[&[u8]]) -> (Came, Vec<Vec<u8>>) {
        let state = Rc::new(RefCell::new(State::default()));
        let kept = Rc::clone(&state);
        let factory = AmpReceiver::factory(move |amp: Amp| {
            for place in 0..2 {
                let (call, kept) = (amp.call("call", AmpBox::new()), Rc::clone(&kept));
                amp.transport().reactor().spawn(async move {
                    let outcome = match call.await {
                        Ok(answer) => Some(Ok(entries(&answer))),
                        Err(AmpError::Remote { code, description }) => Some(Err((code, description))),
                        Err(_) => None,
                    };
                    kept.borrow_mut().came.outcomes[place] = outcome;
                });
            }
            Handler { amp, state: Rc::clone(&kept) }
        });
        let mut wire = StringTransport::connect(factory.max_box_size(self.max_size).max_answering(self.max_answering));
        wire.take_written();
        for piece in pieces {
            wire.receive(piece);
            loop {
                let next = state.borrow_mut().late.pop_front();
                let Some(answer) = next else { break };
                let _ = answer.send(());
                wire.settle();
            }
        }
        wire.receive_eof();
        let end = wire.close_reason().expect("it has ended");
        let mut written = &wire.take_written()[..];
        drop(wire);
        let mut came = std::mem::take(&mut state.borrow_mut().came);
        came.broken = !end.is_clean();
        let mut late = Vec::new();
        let unlimited = Self { max_size: usize::MAX, max_answering: 1 };
        while let Next::Box(entries, length) = unlimited.next(written) {
            written = &written[length..];
            if entries.contains_key(&b"late"[..]) {
                late.push(entries[&b"_answer"[..]].clone());
            } else {
                came.answers.push(entries);
            }
        }
        assert!(written.is_empty());
        (came, late)
    }
}

enum Then {
    GoOn,
    Close,
    Break,
}

fn expect_box(mut entries: Entries, came: &mut Came) -> Then {
    let mut take = |key: &str| entries.remove(key.as_bytes());
    if let Some(tag) = take("_answer") {
        return expect_outcome(&tag, Ok(entries), came);
    }
    if let Some(tag) = take("_error") {
        let (Some(code), Some(description)) = (take("_error_code"), take("_error_description")) else {
            return Then::Break;
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        return expect_outcome(&tag, Err((text(&code), text(&description))), came);
    }
    let Some(Ok(command)) = take("_command").map(String::from_utf8) else { return Then::Break };
    let ask = take("_ask");
    came.calls.push((command.clone(), entries.clone()));
    let error = |code: &str, description: &str| {
        [("_error_code", code), ("_error_description", description)]
            .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()))
    };
    let (answer, then) = match (&*command, &ask) {
        ("c", _) => return Then::Close,
        ("l", Some(ask)) => {
            came.late.push(ask.clone());
            return Then::GoOn;
        }
        ("l" | "e", None) => return Then::GoOn,
        ("e", Some(_)) => (entries, Then::GoOn),
        (_, None) => return Then::Close,
        ("u", _) => (Entries::from(error("UNKNOWN", "Unknown Error")), Then::Close),
        ("r", _) => (Entries::from(error("NO", "no")), Then::GoOn),
        _ => (Entries::from(error("UNHANDLED", &format!("Unhandled Command: {command:?}"))), Then::GoOn),
    };
    let mut answer = answer;
    let key = if command == "e" { "_answer" } else { "_error" };
    answer.insert(key.into(), ask.unwrap_or_default());
    came.answers.push(answer);
    then
}

fn expect_outcome(tag: &[u8], outcome: Outcome, came: &mut Came) -> Then {
    let place = match tag {
        b"1" => 0,
        b"2" => 1,
        _ => return Then::Break,
    };
    if came.outcomes[place].is_some() {
        return Then::Break;
    }
    came.outcomes[place] = Some(outcome);
    Then::GoOn
}

#[derive(Default)]
struct State {
    came: Came,
    late: VecDeque<oneshot::Sender<()>>,
}

struct Handler {
    amp: Amp,
    state: Rc<RefCell<State>>,
}

impl AmpHandler for Handler {
    fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        let mut state = self.state.borrow_mut();
        state.came.calls.push((command.to_owned(), entries(&arguments)));
        match command {
            "c" => {
                self.amp.lose_connection();
                Ok(arguments.into())
            }
            "e" => Ok(arguments.into()),
            "l" => {
                let (tell, told) = oneshot::channel();
                state.late.push_back(tell);
                Ok(AmpAnswer::later(async {
                    let _ = told.await;
                    Ok(AmpBox::new().with("late", true))
                }))
            }
            "r" => Err(AmpError::remote("NO", "no")),
            "u" => Err(arguments.get::<bool>("not there").unwrap_err()),
            _ => Err(AmpError::unhandled(command)),
        }
    }
}

fn entries(of: &AmpBox) -> Entries {
    of.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}
