//! Line editing, and how to get out of it.

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
    /// Not to be printed with: while it exists, the editor waits for signals as well as for keys.
    _printer: Option<Box<dyn rustyline::ExternalPrinter + Send>>,
}

impl Editor {
    /// Nothing if this terminal cannot be used for it.
    pub(crate) fn open() -> Option<Self> {
        // Pasted lines are lines like any others.
        let config = Config::builder().auto_add_history(true).bracketed_paste(false).build();
        let mut editor = DefaultEditor::with_config(config).ok()?;
        let printer = editor.create_external_printer().ok();
        Some(Self { editor, _printer: printer.map(|printer| Box::new(printer) as _) })
    }

    pub(crate) fn read(&mut self) -> Typed {
        loop {
            return match self.editor.readline("> ") {
                Ok(line) => Typed::Line(line.into_bytes()),
                // Ctrl-D; Ctrl-C, or what a signal makes of it.
                Err(ReadlineError::Eof | ReadlineError::Interrupted | ReadlineError::Signal(_)) => Typed::End,
                Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                    notice("what was typed is not UTF-8, and is left out");
                    continue;
                }
                Err(error) => Typed::Failed(format!("cannot read from the terminal: {error}")),
            };
        }
    }
}

/// Makes the editor that a thread is running let go of the terminal, wherever in it that thread is.
///
/// An editor takes this signal while it reads, and returns. At any other time it does no more than any other Ctrl-C
/// that comes when the reactor has stopped.
pub(crate) fn interrupt(thread: &JoinHandle<()>) {
    // It fails only if the thread has ended, which is as good.
    let _ = pthread_kill(thread.as_pthread_t(), Signal::SIGINT);
}

/// The mode a terminal is in.
pub(crate) struct Mode(Termios);

impl Mode {
    /// Nothing if standard input is no terminal.
    pub(crate) fn of_stdin() -> Option<Self> {
        termios::tcgetattr(io::stdin()).ok().map(Self)
    }

    /// Puts standard input into this mode.
    pub(crate) fn restore(&self) {
        // Without a terminal there is nothing to put back.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
