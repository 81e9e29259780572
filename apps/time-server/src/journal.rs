//! The server's messages on standard output, in the format of its log.

use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{io, thread};

use protocols::metrics::prometheus_client::metrics::counter::Counter;
use reactor::Address;
use tracing::Level;

use crate::arguments::Format;
use crate::json::Object;

/// Writes lines to standard output on a separate thread: a reader that does not read must not block the reactor. A line
/// that cannot be written is lost, and the next one is tried. All threads of the server share it.
#[derive(Debug)]
pub(crate) struct Journal {
    entries: Sender<JournalEntry>,
    /// The number of bytes waiting to be written.
    waiting: Arc<AtomicUsize>,
    tells_data: bool,
    format: Format,
    /// Lines dropped since the last that found room.
    left_out: AtomicU64,
    /// What was received of all clients.
    pub(crate) received: Received,
}

/// What was received and answered, since the server began.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) messages: Counter,
    pub(crate) bytes: Counter,
}

#[derive(Debug)]
enum JournalEntry {
    Line(String),
    /// Reports when everything before this has been written.
    End(Sender<()>),
}

/// The maximum number of bytes waiting to be written; lines beyond it are dropped.
const MOST_WAITING: usize = 1 << 20;

/// The cost of a line besides its text.
const OVERHEAD: usize = 64;

/// How long the end of the program waits for them to be written.
const PATIENCE: Duration = Duration::from_secs(1);

impl Journal {
    /// `tells_data` says whether received data is printed.
    pub(crate) fn open(tells_data: bool, format: Format) -> io::Result<Self> {
        Self::to(io::stdout(), tells_data, format)
    }

    fn to(output: impl Write + Send + 'static, tells_data: bool, format: Format) -> io::Result<Self> {
        let (entries, given) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&waiting);
        thread::Builder::new().name("journal".to_owned()).spawn(move || write_all(&given, &written, output))?;
        Ok(Self { entries, waiting, tells_data, format, left_out: AtomicU64::new(0), received: Received::default() })
    }

    pub(crate) fn waiting(&self, service: &str, location: &str) {
        self.tell(match self.format {
            Format::Text => format!("waiting for connection... {service} {location}"),
            Format::Json => told("waiting for connection").with("service", service).with("address", location).finish(),
        });
    }

    pub(crate) fn connected(&self, peer: &Address) {
        self.tell(match self.format {
            Format::Text => format!("...connected from: {peer}"),
            Format::Json => told("connected").with("peer", peer).finish(),
        });
    }

    pub(crate) fn received(&self, peer: &Address, data: &[u8]) {
        self.received.messages.inc();
        self.received.bytes.inc_by(data.len() as u64);
        if self.tells_data {
            let data = String::from_utf8_lossy(data);
            self.tell(match self.format {
                Format::Text => format!("...received from {peer}: {data:?}"),
                Format::Json => told("received").with("peer", peer).with("data", data).finish(),
            });
        }
    }

    /// Waits until everything is written, or gives up.
    pub(crate) fn close(&self) {
        let (sender, written) = mpsc::channel();
        if self.entries.send(JournalEntry::End(sender)).is_ok() {
            // On an error there is no reader, so nothing is missed.
            let _ = written.recv_timeout(PATIENCE);
        }
    }

    fn tell(&self, line: String) {
        let size = line.len() + OVERHEAD;
        if self.waiting.load(Ordering::Relaxed) + size > MOST_WAITING {
            if self.left_out.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!("standard output is not being read: dropping lines");
            }
            return;
        }
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(left_out, "standard output is being read again");
        }
        self.waiting.fetch_add(size, Ordering::Relaxed);
        // The thread ends after this value.
        let _ = self.entries.send(JournalEntry::Line(line));
    }
}

/// Begins an object that is like those of the log.
fn told(message: &str) -> Object {
    Object::now(Level::INFO).with("target", module_path!()).with("message", message)
}

fn write_all(entries: &Receiver<JournalEntry>, waiting: &AtomicUsize, mut output: impl Write) {
    let mut failing = false;
    for entry in entries {
        match entry {
            JournalEntry::Line(line) => {
                let written = writeln!(output, "{line}").and_then(|()| output.flush());
                waiting.fetch_sub(line.len() + OVERHEAD, Ordering::Relaxed);
                if let Err(error) = &written
                    && !failing
                {
                    tracing::warn!(%error, "cannot write to standard output: lines are lost");
                }
                failing = written.is_err();
            }
            // The receiver may have given up.
            JournalEntry::End(written) => drop(written.send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::{Condvar, Mutex};

    use serde_json::Value;

    /// An output whose reader reads when it is told to; until then, writes may fail.
    #[derive(Clone, Default)]
    struct Output(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        reads: bool,
        fails: bool,
        written: Vec<u8>,
    }

    impl Output {
        fn set(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.0.lock().unwrap());
            self.0.1.notify_all();
        }
    }

    impl Write for Output {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let mut state = self.0.1.wait_while(self.0.0.lock().unwrap(), |state| !state.reads).unwrap();
            if state.fails {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.written.extend_from_slice(data);
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_bounded_in_bytes_and_told_again_when_there_is_room() {
        let output = Output::default();
        let journal = Journal::to(output.clone(), true, Format::Text).unwrap();
        let [peer, data] = [Address::Memory("peer".into()), Address::Memory("data".into())];
        for _ in 0..100 {
            journal.received(&peer, &[b'x'; 65_536]);
        }
        assert!(journal.waiting.load(Ordering::Relaxed) <= MOST_WAITING);
        assert!(journal.left_out.load(Ordering::Relaxed) >= 80, "{}", journal.left_out.load(Ordering::Relaxed));
        output.set(|state| state.reads = true);
        journal.close();
        journal.connected(&data);
        journal.close();
        let written = String::from_utf8(output.0.0.lock().unwrap().written.clone()).unwrap();
        assert!(written.ends_with("...connected from: memory:data\n"));
    }

    #[test]
    fn in_json_each_line_is_an_object() {
        let output = Output::default();
        output.set(|state| state.reads = true);
        let journal = Journal::to(output.clone(), true, Format::Json).unwrap();
        journal.waiting("tcp", "[::1]:80");
        journal.connected(&Address::Memory("a \"peer\"".into()));
        journal.received(&Address::Memory("peer".into()), b"one\n\x1b\xfftwo");
        journal.close();
        let written = String::from_utf8(output.0.0.lock().unwrap().written.clone()).unwrap();
        let objects: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 3, "{written}");
        assert_eq!((&objects[0]["address"], &objects[0]["level"]), (&"[::1]:80".into(), &"INFO".into()));
        assert_eq!(objects[1]["peer"], "memory:a \"peer\"");
        assert_eq!(objects[2]["data"], "one\n\x1b\u{fffd}two");
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_those_behind_it_are_not() {
        let output = Output::default();
        output.set(|state| (state.reads, state.fails) = (true, true));
        let journal = Journal::to(output.clone(), false, Format::Text).unwrap();
        journal.connected(&Address::Memory("lost".into()));
        journal.close();
        output.set(|state| state.fails = false);
        journal.connected(&Address::Memory("told".into()));
        journal.close();
        assert_eq!(output.0.0.lock().unwrap().written, b"...connected from: memory:told\n");
    }
}
