//! On real files, and in the simulation.

mod accounts;
mod files;
mod history;
mod network;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use reactor::Reactor;
use reactor::testing::Simulation;
use tempfile::{TempDir, tempdir};

use crate::server::request::Record;
use crate::server::{Kind, Name, Speech, Timestamp};
use crate::settings::HistorySettings;
use crate::store::{Pending, Store};

/// A store in a folder of its own.
struct Opened {
    reactor: Reactor,
    store: Store,
    path: PathBuf,
    _folder: TempDir,
}

impl Opened {
    fn new() -> Self {
        Self::with(HistorySettings::default())
    }

    fn with(history: HistorySettings) -> Self {
        let folder = tempdir().unwrap();
        let path = folder.path().join("irc.db");
        let (reactor, store) = open(&path, history);
        Self { reactor, store, path, _folder: folder }
    }

    fn ask<T>(&self, question: Pending<T>) -> T {
        answer_to(question)
    }
}

/// What a question brings: its thread answers, whether or not a reactor runs.
fn answer_to<T>(mut question: Pending<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match question.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer.unwrap(),
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn open(path: &Path, history: HistorySettings) -> (Reactor, Store) {
    let reactor = Reactor::new().unwrap();
    let store = Store::open(&reactor, Some(path), history).unwrap();
    (reactor, store)
}

/// A line of a channel, which is its own `msgid`.
fn line(target: &str, at: u64, text: &str) -> Record {
    let name = |text: &str| Name::from(text.as_bytes());
    let speech = Speech {
        msgid: name(text),
        at: Timestamp(at),
        kind: Kind::Privmsg,
        source: name("ann!ann@host"),
        account: None,
        bot: false,
        tags: None,
        text: name(text),
    };
    Record { target: name(target), speech, shown: name(&target.to_uppercase()) }
}

fn name(text: &str) -> Name {
    Arc::from(text.as_bytes())
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn a_simulated_server_has_the_same_store() {
    let sim = Simulation::new(1);
    let host = sim.host("server");
    let store = Store::open(&host, None, HistorySettings::default()).unwrap();
    let found = async move {
        store.append(vec![line("#a", 1, "one")], None).await?;
        store.history(history::latest("#a", 10)).await
    };
    let found = host.run_until(found).unwrap().unwrap();
    assert_eq!(found, Some(vec![line("#a", 1, "one")]));
}
