//! The source of lines and the destination of replies.

use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::io::{BufRead, IsTerminal, Read, StdinLock, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use futures_channel::oneshot;
use reactor::text::escaped;

use crate::terminal::{Editor, Mode, interrupt};

/// Standard input and output, used by a separate thread, so that waiting for them does not block the reactor.
///
/// If both are a terminal, the user is prompted for a line and can edit it. Otherwise lines are read without a prompt.
pub(crate) struct Console {
    jobs: mpsc::Sender<Job>,
    monitor: Arc<Monitor>,
    thread: JoinHandle<()>,
    /// The mode of the terminal to restore.
    mode: Option<Mode>,
    /// Whether somebody looks on, rather than a program.
    is_watched: bool,
    tells_more: bool,
    last_words: RefCell<Vec<u8>>,
}

/// Output, for a person or a program.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Goes to standard output, with a newline.
    Reply(Vec<u8>),
    /// Goes to standard error, with a newline.
    Notice(String),
}

/// The result of asking for a line.
#[derive(Debug)]
pub(crate) enum Typed {
    /// A line without its newline. It is empty only inside a paste: any other empty line is the end.
    Line(Vec<u8>),
    /// There are no more lines.
    End,
    /// Why no more lines can be read.
    Failed(String),
}

pub(crate) enum Job {
    Show(Shown),
    Ask(oneshot::Sender<Typed>),
}

/// Longer lines are refused: they are held in memory, and are most likely not meant as lines.
const LONGEST_LINE: usize = 16 << 20;

/// How long the end of the program waits for the reader of standard output to take the replies.
const SHOWING_PATIENCE: Duration = Duration::from_secs(2);

/// How long it waits for the line editor to release the terminal.
const EDITING_PATIENCE: Duration = Duration::from_millis(200);

/// How often it checks, and interrupts the line editor again.
const INTERVAL: Duration = Duration::from_millis(10);

impl Console {
    /// `tells_more` says whether what [`tell`](Self::tell) is given is shown, `with_history` whether lines are kept for
    /// later sessions.
    pub(crate) fn open(tells_more: bool, with_history: bool) -> io::Result<Self> {
        let mode = if io::stdout().is_terminal() { Mode::of_stdin() } else { None };
        let at_terminal = mode.is_some();
        let (jobs, given) = mpsc::channel();
        let monitor = Arc::new(Monitor::default());
        let shared = Arc::clone(&monitor);
        let input = move || Input::open(at_terminal, with_history);
        let thread = thread::Builder::new().name("console".to_owned()).spawn(move || work(given, &shared, input()))?;
        let is_watched = at_terminal || tells_more;
        Ok(Self { jobs, monitor, thread, mode, is_watched, tells_more, last_words: RefCell::default() })
    }

    /// A console whose jobs are done by a test.
    #[cfg(test)]
    pub(crate) fn by_hand() -> (Self, mpsc::Receiver<Job>) {
        let (jobs, given) = mpsc::channel();
        let thread = thread::spawn(|| ());
        let monitor = Arc::default();
        (
            Self {
                jobs,
                monitor,
                thread,
                mode: None,
                is_watched: true,
                tells_more: false,
                last_words: RefCell::default(),
            },
            given,
        )
    }

    #[cfg(test)]
    pub(crate) fn last_words(&self) -> Vec<u8> {
        self.last_words.take()
    }

    pub(crate) fn show(&self, shown: Shown) {
        self.monitor.change(|state| state.unshown += 1);
        // The thread ends only when the console is closed: then nothing is shown any more.
        let _ = self.jobs.send(Job::Show(shown));
    }

    /// Tells a person what the program is waiting for; a program would not read it.
    pub(crate) fn reassure(&self, text: impl Display) {
        if self.is_watched {
            self.show(Shown::Notice(text.to_string()));
        }
    }

    /// Shows what only a user who has asked for more wants to know.
    pub(crate) fn tell(&self, text: impl Display) {
        if self.tells_more {
            self.show(Shown::Notice(text.to_string()));
        }
    }

    /// Reads a line, with a prompt on a terminal.
    pub(crate) fn ask(&self) -> impl Future<Output = Typed> + 'static {
        let (answer, typed) = oneshot::channel();
        let _ = self.jobs.send(Job::Ask(answer));
        async move { typed.await.unwrap_or_else(|_| Typed::Failed("the console has failed".to_owned())) }
    }

    /// Whether a user at a terminal is being prompted for a line.
    pub(crate) fn at_prompt(&self) -> bool {
        self.mode.is_some() && self.monitor.lock().reading
    }

    /// Makes [`close`](Self::close) print these bytes.
    pub(crate) fn leave(&self, last_words: &[u8]) {
        self.last_words.borrow_mut().extend_from_slice(last_words);
    }

    /// Waits until everything is shown, ends line editing, restores the terminal's mode and prints the last words. A
    /// thread that reads from elsewhere cannot be stopped, and need not be.
    pub(crate) fn close(&self) {
        self.monitor.change(|state| state.closing = true);
        let shown = self.monitor.wait(SHOWING_PATIENCE, |state| state.unshown == 0);
        if let Some(mode) = &self.mode {
            self.monitor.wait(EDITING_PATIENCE, |state| {
                if state.reading {
                    interrupt(&self.thread);
                }
                !state.reading
            });
            mode.restore();
        }
        let last_words = self.last_words.take();
        if shown && !last_words.is_empty() {
            // There is no way left to report a failure.
            let _ = print(&last_words);
        }
    }
}

fn work(jobs: mpsc::Receiver<Job>, monitor: &Monitor, mut input: Input) {
    let mut trouble = None;
    for job in jobs {
        match job {
            Job::Show(shown) => {
                if let Err(error) = show(&shown) {
                    trouble.get_or_insert(error);
                }
                monitor.change(|state| state.unshown -= 1);
            }
            Job::Ask(answer) => {
                let typed = match trouble.take() {
                    Some(error) => Typed::Failed(format!("cannot write to standard output: {error}")),
                    None if monitor.change(MonitorState::begin_reading) => input.read(),
                    None => Typed::End,
                };
                monitor.change(|state| state.reading = false);
                // The receiver is gone if the connection has ended.
                let _ = answer.send(typed);
            }
        }
    }
}

fn show(shown: &Shown) -> io::Result<()> {
    match shown {
        Shown::Reply(reply) => print(reply)?,
        Shown::Notice(text) => notice(text),
    }
    Ok(())
}

/// Writes to standard error, for people. An error is ignored: there is nowhere to report it.
pub(crate) fn notice(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", escaped(&text.to_string()));
}

/// Unchanged for a program; escaped on a terminal, so that the server cannot control it.
fn print(reply: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    if output.is_terminal() {
        write!(output, "{}", escaped(reply).multiline())?;
    } else {
        output.write_all(reply)?;
    }
    output.write_all(b"\n")?;
    output.flush()
}

enum Input {
    Terminal(Box<Editor>),
    Plain(StdinLock<'static>),
}

impl Input {
    fn open(at_terminal: bool, with_history: bool) -> Self {
        match at_terminal.then(|| Editor::open(with_history)).flatten() {
            Some(editor) => Self::Terminal(Box::new(editor)),
            None => Self::Plain(io::stdin().lock()),
        }
    }

    fn read(&mut self) -> Typed {
        match self {
            Self::Terminal(editor) => editor.read(),
            Self::Plain(stdin) => read_line(stdin),
        }
    }
}

/// Reads up to a newline or the end of the input.
fn read_line(input: &mut impl BufRead) -> Typed {
    let mut line = Vec::new();
    let limit = LONGEST_LINE as u64 + 2; // the newline, and one byte to see that it is missing
    match input.take(limit).read_until(b'\n', &mut line) {
        Ok(0) => return Typed::End,
        Ok(_) => {}
        Err(error) => return Typed::Failed(format!("cannot read standard input: {error}")),
    }
    if line.ends_with(b"\n") {
        line.pop();
        line.pop_if(|last| *last == b'\r');
    }
    match line.len() {
        0 => Typed::End,
        1..=LONGEST_LINE => Typed::Line(line),
        _ => Typed::Failed(format!("a line of standard input is longer than {LONGEST_LINE} bytes")),
    }
}

/// The progress of the console's thread.
#[derive(Default)]
struct Monitor {
    state: Mutex<MonitorState>,
    changed: Condvar,
}

#[derive(Default)]
struct MonitorState {
    /// How many outputs have not been shown yet.
    unshown: usize,
    reading: bool,
    closing: bool,
}

impl MonitorState {
    /// After the close nothing is read any more.
    fn begin_reading(&mut self) -> bool {
        self.reading = !self.closing;
        self.reading
    }
}

impl Monitor {
    fn change<T>(&self, change: impl FnOnce(&mut MonitorState) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    /// Waits up to `patience` until `is_reached`. Returns whether it is.
    fn wait(&self, mut patience: Duration, is_reached: impl Fn(&MonitorState) -> bool) -> bool {
        let mut state = self.lock();
        while !is_reached(&state) {
            if patience.is_zero() {
                return false;
            }
            patience = patience.saturating_sub(INTERVAL);
            state = self.changed.wait_timeout(state, INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, MonitorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn lines_of(input: &[u8]) -> Vec<Vec<u8>> {
        let mut input = input;
        let mut lines = Vec::new();
        loop {
            match read_line(&mut input) {
                Typed::Line(line) => lines.push(line),
                Typed::End => return lines,
                Typed::Failed(message) => panic!("{message}"),
            }
        }
    }

    #[test]
    fn lines_come_without_their_newlines() {
        assert_eq!(lines_of(b"one\ntwo\r\n\rthree\r\r\n"), [&b"one"[..], b"two", b"\rthree\r"]);
    }

    #[test]
    fn an_empty_line_is_the_end() {
        for empty in ["\n", "\r\n"] {
            assert_eq!(lines_of(format!("one\n{empty}two\n").as_bytes()), [b"one"]);
        }
    }

    #[test]
    fn a_last_line_needs_no_newline() {
        assert_eq!(lines_of(b"one\nlast"), [&b"one"[..], b"last"]);
        assert_eq!(lines_of(b"last\r"), [b"last\r"]);
    }

    #[test]
    fn a_line_need_not_be_text() {
        assert_eq!(lines_of(b"\xff\0\x1b\n"), [b"\xff\0\x1b"]);
    }

    #[test]
    fn the_longest_line_is_read_and_a_longer_one_is_refused() {
        for newline in ["", "\n", "\r\n"] {
            let longest = [&vec![b'x'; LONGEST_LINE], newline.as_bytes()].concat();
            assert_eq!(lines_of(&longest), [vec![b'x'; LONGEST_LINE]]);
            let longer = [b"x", &longest[..]].concat();
            let typed = read_line(&mut &longer[..]);
            assert!(matches!(typed, Typed::Failed(message) if message.contains("longer than 16777216 bytes")));
        }
    }
}
