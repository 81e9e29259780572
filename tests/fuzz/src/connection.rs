//! A connection: bytes become inputs and actions, which the model test performs and checks.

use crate::model::compare::check;
use crate::model::script::{A, Act, Awaited, B, Input, Payload, Step, Who};

/// Any bytes are a case; each step takes a few.
pub fn connection(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut steps = vec![bytes.step(Input::Made(A)), bytes.step(Input::Made(B))];
    while !bytes.0.is_empty() && steps.len() < MOST_STEPS {
        let input = bytes.input();
        steps.push(bytes.step(input));
    }
    if let Err(why) = check(&steps) {
        let steps: String = steps.iter().map(|step| format!("    {step:?}\n")).collect();
        panic!("{why}\nwith these steps:\n{steps}");
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    /// The next byte; zero at the end.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        usize::from(self.byte() % 8)
    }

    fn step(&mut self, input: Input) -> Step {
        // Two bits for each of three callbacks: the number of its actions.
        let counts = self.byte();
        let reactions = (0..3).map(|callback| {
            let count = counts >> (2 * callback) & 3;
            (0..count).map(|_| self.act()).collect()
        });
        Step { input, reactions: reactions.collect() }
    }

    fn who(byte: u8) -> Who {
        if byte & 0x80 == 0 { A } else { B }
    }

    fn input(&mut self) -> Input {
        let byte = self.byte();
        let who = Self::who(byte);
        match byte & 0x0f {
            0 | 1 => Input::Received(who, 1 + usize::from(self.byte())),
            2 | 3 => Input::Turn(who),
            4 | 5 => Input::Sent(who, self.length()),
            6 => Input::Sent(who, usize::MAX),
            7 => Input::Outside(self.act()),
            8 => Input::Advance(u64::from(self.byte() % 32)),
            9 => Input::Ended(who),
            10 => Input::Shut(who),
            11 => Input::Open(self.number()),
            12 => Input::LentAndWrote(who, self.length()),
            13 => Input::Lost(who),
            14 => Input::Dropped(who),
            _ => Input::Received(who, 0),
        }
    }

    fn act(&mut self) -> Act {
        let byte = self.byte();
        let who = Self::who(byte);
        match byte & 0x1f {
            0..=3 => Act::Write(who, self.length()),
            4 | 5 => Act::WriteBytes(who, self.length()),
            6 => Act::WriteFmt(who, self.length()),
            7 => Act::Lose(who),
            8 => Act::Abort(who),
            9 => Act::Fail(who),
            10 => Act::WriteEof(who),
            11 => Act::PauseReading(who),
            12 | 13 => Act::ResumeReading(who),
            14 | 15 => Act::PacedBy(who, if byte & 0x40 == 0 { A } else { B }),
            16 => Act::SetLimit(who, self.length()),
            17..=19 => Act::CallLater(who, u64::from(self.byte() % 32)),
            20 => Act::Cancel(self.number()),
            21 => Act::Reset(self.number(), u64::from(self.byte() % 32)),
            22 => Act::Delay(self.number(), u64::from(self.byte() % 32)),
            23 | 24 => Act::Defer(who, Awaited::Ready),
            25 => Act::Defer(who, Awaited::Gate),
            26 => Act::Defer(who, Awaited::Panic),
            27 => Act::CancelDeferred(self.number()),
            28 => Act::KeepWriting,
            29 => Act::NotYet,
            30 => Act::Panic(Payload::Text),
            _ => Act::Panic(Payload::Bomb),
        }
    }

    /// A few bytes, or about as many as the thresholds.
    fn length(&mut self) -> usize {
        let byte = usize::from(self.byte());
        match byte >> 5 {
            0..=3 => byte,
            4 => 16_384 - 8 + byte % 32,
            5 => 65_536 - 8 + byte % 32,
            6 => 20_000 + byte % 32 * 1_500,
            _ => 66_000 + byte % 32 * 4_000,
        }
    }
}

/// More steps would only take longer.
const MOST_STEPS: usize = 100;
