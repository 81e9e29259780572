//! A terminal, and a program that runs on it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Child;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::{io, iter, thread};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use rig::now;
use tempfile::TempDir;

use crate::apps::DEADLINE;
use crate::apps::program::hearing_signals;

/// A shell in a pseudo-terminal that runs one command, and then tells what has become of it and of the terminal.
pub(crate) struct Terminal {
    keyboard: File,
    screen: Receiver<u8>,
    /// What was on the screen since the last match, without escape sequences.
    shown: Vec<u8>,
    /// The screen as a picture.
    drawn: vt100::Parser,
    shell: Child,
    /// Where the command may keep what it needs in its next run.
    _state: TempDir,
}

impl Terminal {
    /// Runs a line of shell.
    #[track_caller]
    pub(crate) fn run(line: &str) -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let (keyboard, terminal) = open().expect("a pseudo-terminal");
        let stream = || terminal.try_clone().expect("another descriptor");
        let shell = hearing_signals("setsid")
            .args(["--ctty", "--wait", "sh", "-c", &format!("{BEFORE}; {line}; {AFTER}")])
            .env("TERM", "xterm")
            .env("XDG_STATE_HOME", state.path())
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .expect("setsid (of util-linux) to run");
        let screen = watch(keyboard.try_clone().expect("another descriptor"));
        Self { keyboard, screen, shown: Vec::new(), drawn: vt100::Parser::default(), shell, _state: state }
    }

    /// Types these bytes.
    #[track_caller]
    pub(crate) fn type_in(&mut self, input: impl AsRef<[u8]>) {
        self.keyboard.write_all(input.as_ref()).expect("the terminal to be there");
    }

    /// Waits until this is on the screen, and returns what was there before it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(start) = self.shown.windows(text.len()).position(|shown| shown == text.as_bytes()) {
                let behind = self.shown.split_off(start + text.len());
                let mut before = std::mem::replace(&mut self.shown, behind);
                before.truncate(start);
                return String::from_utf8_lossy(&before).into_owned();
            }
            match self.screen.recv_timeout(DEADLINE) {
                Ok(b'\x1b') => self.skip_escape_sequence(),
                Ok(byte) => self.shown.push(byte),
                Err(error) => {
                    panic!("{text:?} is not shown: {error}, after {:?}", String::from_utf8_lossy(&self.shown))
                }
            }
        }
    }

    /// Waits until this is on the screen of a program that draws all over it, and again and again.
    #[track_caller]
    pub(crate) fn expect_drawn(&mut self, text: &str) {
        self.expect_drawn_by(text, || ());
    }

    /// The same, and does something before each look.
    #[track_caller]
    pub(crate) fn expect_drawn_by(&mut self, text: &str, mut prompt: impl FnMut()) {
        let until = now() + DEADLINE;
        while !self.drawn.screen().contents().contains(text) {
            prompt();
            let first = self.screen.recv_timeout(DEADLINE).ok().filter(|_| now() < until);
            let first = first.unwrap_or_else(|| panic!("{text:?} is not on\n{}", self.drawn.screen().contents()));
            let bytes: Vec<_> = iter::once(first).chain(self.screen.try_iter()).collect();
            self.drawn.process(&bytes);
        }
    }

    /// Waits for the end of the command, which is to have this exit status and to leave the mode of the terminal as it
    /// was. Returns what was shown before.
    #[track_caller]
    pub(crate) fn expect_exit(mut self, code: i32) -> String {
        let shown = self.expect("<exit ");
        assert_eq!(self.expect(">"), code.to_string(), "after {shown:?}");
        self.expect("<the mode is the same>");
        shown
    }

    fn skip_escape_sequence(&mut self) {
        let rest = self.screen.iter().find(|byte| byte.is_ascii_alphabetic());
        assert!(rest.is_some(), "the end comes inside an escape sequence");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // What still runs in it is hung up on when the terminal is closed.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Ctrl-C is for the command alone.
const BEFORE: &str = "trap : INT; stty rows 24 columns 80; mode=$(stty --save)";
const AFTER: &str = r#"echo "<exit $?>"; [ "$(stty --save)" = "$mode" ] && echo '<the mode is the same>'"#;

/// Both ends of a new pseudo-terminal: the person's and the program's.
fn open() -> io::Result<(File, OwnedFd)> {
    let person = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&person)?;
    unlockpt(&person)?;
    let no_ctty = OFlag::O_NOCTTY.bits();
    let program = OpenOptions::new().read(true).write(true).custom_flags(no_ctty).open(ptsname_r(&person)?)?;
    Ok((OwnedFd::from(person).into(), program.into()))
}

/// What is written to the screen, until no process has the terminal open.
fn watch(mut screen: File) -> Receiver<u8> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            if buffer[..length].iter().any(|byte| sender.send(*byte).is_err()) {
                break;
            }
        }
    });
    receiver
}
