//! What the server tells on standard output.

use std::cell::Cell;
use std::io::Write;
use std::sync::mpsc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::time::Duration;
use std::{io, thread};

use reactor::Address;

/// Writes lines to standard output, on a thread of its own: a reader who does not read must not stop the reactor.
#[derive(Debug)]
pub(crate) struct Journal {
    entries: SyncSender<Entry>,
    tells_data: bool,
    left_out: Cell<bool>,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    /// To be told when everything before this is written.
    End(Sender<()>),
}

/// How many lines may wait to be written; what is more is left out.
const MOST_WAITING: usize = 1024;

/// How long the end of the program waits until they are written.
const PATIENCE: Duration = Duration::from_secs(1);

impl Journal {
    /// `tells_data` says whether what is received is told.
    pub(crate) fn open(tells_data: bool) -> io::Result<Self> {
        let (entries, given) = mpsc::sync_channel(MOST_WAITING);
        thread::Builder::new().name("journal".to_owned()).spawn(move || write_all(&given))?;
        Ok(Self { entries, tells_data, left_out: Cell::new(false) })
    }

    pub(crate) fn waiting(&self, service: &str, host: &Address) {
        self.tell(format!("waiting for connection... {service} {host}"));
    }

    pub(crate) fn connected(&self, peer: &Address) {
        self.tell(format!("...connected from: {peer}"));
    }

    pub(crate) fn received(&self, peer: &Address, data: &[u8]) {
        if self.tells_data {
            self.tell(format!("...received from {peer}: {:?}", String::from_utf8_lossy(data)));
        }
    }

    /// Waits until everything is written, or nobody reads.
    pub(crate) fn close(&self) {
        let (sender, written) = mpsc::channel();
        if self.entries.try_send(Entry::End(sender)).is_ok() {
            // If this is an error nobody reads, and nobody misses anything.
            let _ = written.recv_timeout(PATIENCE);
        }
    }

    fn tell(&self, line: String) {
        if self.entries.try_send(Entry::Line(line)).is_err() && !self.left_out.replace(true) {
            tracing::warn!("standard output is not being read: lines are left out");
        }
    }
}

fn write_all(entries: &Receiver<Entry>) {
    let mut output = io::stdout();
    for entry in entries {
        match entry {
            Entry::Line(line) => {
                if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
                    return;
                }
            }
            // Who asked may have lost patience.
            Entry::End(written) => drop(written.send(())),
        }
    }
}
