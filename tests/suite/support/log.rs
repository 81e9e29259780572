use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use tracing::Dispatch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::support::PATIENCE;

/// Counts the lines that this thread logs at this level and above it, as long as the first value is not dropped.
pub(crate) fn count_logged(level: LevelFilter) -> (impl Sized, Arc<AtomicUsize>) {
    // While there is but one subscriber, a thread that has none turns off for all what it is the first to log.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
    LazyLock::force(&SECOND);
    let lines = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lines);
    let writer = move || {
        count.fetch_add(1, Ordering::Relaxed);
        io::sink()
    };
    (tracing_subscriber::fmt().with_max_level(level).with_writer(writer).set_default(), lines)
}

/// Keeps what this thread logs at this level and above it, as long as the first value is not dropped.
pub(crate) fn log_lines(level: LevelFilter) -> (impl Sized, Arc<Mutex<Vec<u8>>>) {
    let (counting, _) = count_logged(level);
    drop(counting);
    let lines: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = Arc::clone(&lines);
    (
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || Keeping(Arc::clone(&kept)))
            .set_default(),
        lines,
    )
}

struct Keeping(Arc<Mutex<Vec<u8>>>);

impl io::Write for Keeping {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What has happened, in order; shared between the threads of a test.
///
/// Received bytes that follow each other are one entry, since a stream is cut anywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<Vec<Entry>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    Data(Vec<u8>),
}

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.lock().push(Entry::Line(line.into()));
        self.0.changed.notify_all();
    }

    pub(crate) fn data(&self, data: &[u8]) {
        let mut entries = self.lock();
        match entries.last_mut() {
            Some(Entry::Data(before)) => before.extend_from_slice(data),
            _ => entries.push(Entry::Data(data.to_vec())),
        }
        drop(entries);
        self.0.changed.notify_all();
    }

    /// One line an entry; received bytes as `data` and their text, or their number if they are many.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().iter().map(Entry::to_line).collect()
    }

    /// The same, and forgets them.
    pub(crate) fn take(&self) -> Vec<String> {
        let entries = std::mem::take(&mut *self.lock());
        entries.iter().map(Entry::to_line).collect()
    }

    /// All received bytes.
    pub(crate) fn received(&self) -> Vec<u8> {
        let entries = self.lock();
        entries.iter().flat_map(|entry| if let Entry::Data(data) = entry { &data[..] } else { &[] }).copied().collect()
    }

    pub(crate) fn received_len(&self) -> usize {
        self.lock().iter().map(|entry| if let Entry::Data(data) = entry { data.len() } else { 0 }).sum()
    }

    /// How many lines begin with this.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.lock().iter().filter(|entry| entry.to_line().starts_with(beginning)).count()
    }

    pub(crate) fn has(&self, beginning: &str) -> bool {
        self.count(beginning) > 0
    }

    /// Waits for a line that begins with this.
    #[track_caller]
    pub(crate) fn wait_for(&self, beginning: &str) {
        self.wait_until(&format!("a line '{beginning}…'"), |log| log.has(beginning));
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let mut seen = usize::MAX;
        loop {
            if condition(self) {
                return;
            }
            let entries = self.lock();
            let size = |entries: &Vec<Entry>| entries.iter().map(Entry::size).sum::<usize>();
            if seen == usize::MAX || seen != size(&entries) {
                seen = size(&entries);
                continue;
            }
            let (entries, waited) = self
                .0
                .changed
                .wait_timeout_while(entries, PATIENCE, |entries| size(entries) == seen)
                .unwrap_or_else(PoisonError::into_inner);
            drop(entries);
            assert!(!waited.timed_out(), "waited too long for {what}; what happened: {:#?}", self.lines());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn to_line(&self) -> String {
        match self {
            Self::Line(line) => line.clone(),
            Self::Data(data) if data.len() <= 64 => format!("data {}", String::from_utf8_lossy(data)),
            Self::Data(data) => format!("data of {} bytes", data.len()),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Line(_) => 1,
            Self::Data(data) => data.len(),
        }
    }
}
