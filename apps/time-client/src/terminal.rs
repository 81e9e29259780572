//! Line editing, and how to interrupt it.

use std::collections::VecDeque;
use std::io;
use std::io::ErrorKind;
use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use nix::sys::termios;
use nix::sys::termios::{SetArg, Termios};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Event, EventContext, EventHandler, ExternalPrinter, KeyEvent, Movement,
    RepeatCount,
};

use crate::console::{Typed, notice};
use crate::history::History;

/// A prompt with line editing and history.
pub(crate) struct Editor {
    editor: rustyline::Editor<(), MemHistory>,
    history: Option<History>,
    /// Lines that were pasted and wait for their turn.
    pasted: VecDeque<Vec<u8>>,
    /// Never printed with: while it exists, the editor waits for signals as well as for keys.
    _printer: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Editor {
    /// `None` if this terminal is not suitable.
    pub(crate) fn open(with_history: bool) -> Option<Self> {
        let config = Config::builder().auto_add_history(true).history_ignore_space(true).build();
        let lines = MemHistory::with_config(&config);
        let mut editor = rustyline::Editor::with_history(config, lines).ok()?;
        editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearOrEnd)));
        let printer = editor.create_external_printer().ok();
        let history = if with_history { open_history(&mut editor) } else { None };
        let printer = printer.map(|printer| Box::new(printer) as _);
        Some(Self { editor, history, pasted: VecDeque::new(), _printer: printer })
    }

    pub(crate) fn read(&mut self) -> Typed {
        if let Some(line) = self.pasted.pop_front() {
            return Typed::Line(line);
        }
        loop {
            return match self.editor.readline("> ") {
                Ok(line) if line.is_empty() => Typed::End,
                Ok(text) => {
                    self.keep(&text);
                    // Only a paste has newlines inside.
                    self.pasted.extend(text.lines().map(|line| line.as_bytes().to_vec()));
                    self.pasted.pop_front().map_or(Typed::End, Typed::Line)
                }
                // Ctrl-D; Ctrl-C, or the editor's result of a signal.
                Err(ReadlineError::Eof | ReadlineError::Interrupted | ReadlineError::Signal(_)) => Typed::End,
                Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                    notice("ignored a line that is not UTF-8");
                    continue;
                }
                Err(error) => Typed::Failed(format!("cannot read from the terminal: {error}")),
            };
        }
    }

    fn keep(&mut self, text: &str) {
        if let Some(history) = &mut self.history
            && !text.starts_with(' ')
            && let Err(error) = history.add(text)
        {
            notice(format_args!("cannot keep the line for later sessions: {error}"));
            self.history = None;
        }
    }
}

fn open_history(editor: &mut rustyline::Editor<(), MemHistory>) -> Option<History> {
    let opened = History::open().and_then(|history| {
        let Some(mut history) = history else { return Ok(None) };
        for line in history.load()? {
            // It fails for a history in a database only.
            let _ = editor.add_history_entry(line);
        }
        Ok(Some(history))
    });
    opened.unwrap_or_else(|error| {
        notice(error);
        None
    })
}

/// What Ctrl-C does: it clears a line that was begun, and ends the input on an empty one.
struct ClearOrEnd;

impl ConditionalEventHandler for ClearOrEnd {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        (!context.line().is_empty()).then_some(Cmd::Kill(Movement::WholeBuffer))
    }
}

/// Makes the editor on this thread release the terminal, wherever the thread is.
///
/// The editor returns if the signal comes while it reads. At any other time the signal has the same effect as a Ctrl-C
/// after the reactor has stopped.
pub(crate) fn interrupt(thread: &JoinHandle<()>) {
    // It fails only if the thread has ended, which is fine.
    let _ = pthread_kill(thread.as_pthread_t(), Signal::SIGINT);
}

/// The mode of a terminal.
pub(crate) struct Mode(Termios);

impl Mode {
    /// `None` if standard input is not a terminal.
    pub(crate) fn of_stdin() -> Option<Self> {
        termios::tcgetattr(io::stdin()).ok().map(Self)
    }

    /// Restores this mode of standard input.
    pub(crate) fn restore(&self) {
        // Without a terminal there is nothing to restore.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
