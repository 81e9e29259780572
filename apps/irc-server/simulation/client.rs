use std::collections::BTreeMap;

use irc_server::server::ClientId;
use protocols::irc::Message;

/// A client of a server, as far as the simulation needs it: it notices a line that it is told twice, or out of its sender's order.
pub(crate) struct Client {
    pub(crate) id: ClientId,
    /// What its own lines are known by.
    pub(crate) name: String,
    /// How many lines it has said.
    pub(crate) said: u64,
    /// The last line heard of each that has said something.
    heard: BTreeMap<Vec<u8>, u64>,
    /// The names of batches that have begun and not ended.
    batches: Vec<Vec<u8>>,
    /// What it was told last, for questions.
    pub(crate) told: Vec<String>,
}

/// What clients have noticed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Noticed {
    pub(crate) lines: u64,
    pub(crate) speeches: u64,
    pub(crate) netsplits: u64,
    pub(crate) netjoins: u64,
}

impl Noticed {
    pub(crate) fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.speeches += other.speeches;
        self.netsplits += other.netsplits;
        self.netjoins += other.netjoins;
    }
}

impl Client {
    pub(crate) fn new(id: ClientId, name: String) -> Self {
        Self { id, name, said: 0, heard: BTreeMap::new(), batches: Vec::new(), told: Vec::new() }
    }

    /// The text of the next line that it says.
    pub(crate) fn next_text(&mut self) -> String {
        self.said += 1;
        format!("{} {}", self.name, self.said)
    }

    /// It is told these lines.
    ///
    /// # Panics
    ///
    /// If something was told before, or a batch goes wrong.
    pub(crate) fn told(&mut self, lines: &[u8], noticed: &mut Noticed) {
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            noticed.lines += 1;
            let line = line.strip_suffix(b"\r").expect("each line ends as lines do");
            let message = Message::parse(line).expect("servers send messages");
            if let Some(batch) = message.tags().get(b"batch") {
                assert!(self.batches.contains(&batch.to_vec()), "no such batch: {}", line.escape_ascii());
            }
            if message.is_command("BATCH") {
                self.batch(&message, noticed);
            } else if message.is_command("PRIVMSG") {
                noticed.speeches += 1;
                self.heard(&message);
            }
            self.told.push(String::from_utf8_lossy(line).into_owned());
        }
    }

    fn batch(&mut self, message: &Message<'_>, noticed: &mut Noticed) {
        let (sign, name) = message.param(0).and_then(|name| name.split_first()).expect("a batch has a name");
        match message.param(1) {
            Some(b"netsplit") => noticed.netsplits += 1,
            Some(b"netjoin") => noticed.netjoins += 1,
            _ => {}
        }
        if *sign == b'+' {
            self.batches.push(name.to_vec());
        } else {
            let place = self.batches.iter().position(|known| known == name).expect("it has begun");
            self.batches.remove(place);
        }
    }

    fn heard(&mut self, message: &Message<'_>) {
        let text = message.param(1).expect("somebody said something");
        let (name, number) = text.split_at(text.iter().rposition(|&byte| byte == b' ').expect("it has a number"));
        // Those who talk to themselves hear it twice: as what they were told, and as the echo.
        if name == self.name.as_bytes() {
            return;
        }
        let number: u64 = String::from_utf8_lossy(&number[1..]).parse().expect("it is a number");
        let last = self.heard.insert(name.to_vec(), number);
        assert!(last.is_none_or(|last| last < number), "{}: {} after {last:?}", self.name, text.escape_ascii());
    }
}
