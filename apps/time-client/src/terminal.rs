//! Line editing, and how to interrupt it.

use std::io;
use std::io::ErrorKind;
use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use nix::sys::termios;
use nix::sys::termios::{SetArg, Termios};
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};

use crate::console::{Typed, notice};

/// A prompt with line editing and history.
pub(crate) struct Editor {
    editor: DefaultEditor,
    /// Never printed with: while it exists, the editor waits for signals as well as for keys.
    _printer: Option<Box<dyn rustyline::ExternalPrinter + Send>>,
}

impl Editor {
    /// `None` if this terminal is not suitable.
    pub(crate) fn open() -> Option<Self> {
        // Pasted lines are treated like typed ones.
        let config = Config::builder().auto_add_history(true).bracketed_paste(false).build();
        let mut editor = DefaultEditor::with_config(config).ok()?;
        let printer = editor.create_external_printer().ok();
        Some(Self { editor, _printer: printer.map(|printer| Box::new(printer) as _) })
    }

    pub(crate) fn read(&mut self) -> Typed {
        loop {
            return match self.editor.readline("> ") {
                Ok(line) => Typed::Line(line.into_bytes()),
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
