//! Programs that run beside a test.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;

use nix::sys::signal;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rig::{descriptors_of, resident_of};

use crate::apps::DEADLINE;
use crate::apps::binaries::{binary, example};

/// Runs a program so that it hears signals: what was started in the background of a script, as this test may have been, has
/// inherited that it does not.
pub(crate) fn hearing_signals(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT").arg(program);
    command
}

/// A running program with pipes to its standard input and from its two outputs. Dropping it ends it.
pub(crate) struct Program {
    name: String,
    pid: Pid,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    exit: Receiver<ExitStatus>,
    ended: bool,
}

/// The result of a [`Program`] that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// What it wrote after the lines that were read before.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// Starts one of the apps.
    #[track_caller]
    pub(crate) fn app<A: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start(hearing_signals(binary(name)).args(arguments))
    }

    /// Starts one of the examples.
    #[track_caller]
    pub(crate) fn example<A: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start(hearing_signals(example(name)).args(arguments))
    }

    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(Stdio::piped(), command)
    }

    /// The same with another standard input, such as a socket.
    #[track_caller]
    pub(crate) fn start_with(stdin: impl Into<Stdio>, command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            name,
            pid: Pid::from_raw(child.id().try_into().expect("a process id")),
            stdin: child.stdin.take(),
            stdout: lines(child.stdout.take().expect("a pipe")),
            stderr: lines(child.stderr.take().expect("a pipe")),
            exit: exit(child),
            ended: false,
        }
    }

    /// Writes to its standard input.
    #[track_caller]
    pub(crate) fn type_in(&mut self, input: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("standard input to be open");
        stdin.write_all(input.as_ref()).expect("the program to read");
        stdin.flush().expect("the program to read");
    }

    /// Writes this to its standard input again and again, until it does not read any more.
    pub(crate) fn type_until_refused(&mut self, input: &str) {
        if let Some(mut stdin) = self.stdin.take() {
            while stdin.write_all(input.as_bytes()).is_ok() {}
        }
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line of its standard output.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.stdout.recv_timeout(DEADLINE) {
            Ok(line) => line.trim_end_matches('\n').to_owned(),
            Err(error) => panic!("no line from {}: {error}\n{}", self.name, self.stderr_so_far()),
        }
    }

    /// The next line of its standard output, which begins with `beginning`, without that.
    #[track_caller]
    pub(crate) fn line_after(&mut self, beginning: &str) -> String {
        let line = self.line();
        line.strip_prefix(beginning)
            .unwrap_or_else(|| panic!("{} wrote {line:?} instead of {beginning:?}", self.name))
            .to_owned()
    }

    /// The next line of its standard error in which `text` stands.
    #[track_caller]
    pub(crate) fn stderr_line_with(&mut self, text: &str) -> String {
        loop {
            match self.stderr.recv_timeout(DEADLINE) {
                Ok(line) if line.contains(text) => return line.trim_end_matches('\n').to_owned(),
                Ok(_) => {}
                Err(error) => panic!("{} does not write {text:?} to standard error: {error}", self.name),
            }
        }
    }

    /// Closes the reading end of its standard output.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = mpsc::channel().1;
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// How many descriptors it has.
    pub(crate) fn descriptors(&self) -> usize {
        descriptors_of(self.id()).unwrap()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> usize {
        resident_of(self.id()).unwrap()
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(self.pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ended {
        let Ok(status) = self.exit.recv_timeout(DEADLINE) else {
            panic!("{} does not end\n{}", self.name, self.stderr_so_far());
        };
        self.ended = true;
        Ended { status, stdout: self.stdout.iter().collect(), stderr: self.stderr.iter().collect() }
    }

    /// Closes its standard input and waits for its end.
    #[track_caller]
    pub(crate) fn close_and_finish(mut self) -> Ended {
        self.close_stdin();
        self.finish()
    }

    fn stderr_so_far(&self) -> String {
        self.stderr.try_iter().collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only a process that has not been waited for still owns its number.
        if !self.ended && self.exit.try_recv().is_err() {
            let _ = signal::kill(self.pid, Signal::SIGKILL);
        }
    }
}

/// What a stream carries, line by line, newlines included; bytes that are not UTF-8 as `\xff`.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = match str::from_utf8(&line) {
                Ok(text) => text.to_owned(),
                Err(_) => line.escape_ascii().to_string(),
            };
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

fn exit(mut child: Child) -> Receiver<ExitStatus> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        if let Ok(status) = child.wait() {
            let _ = sender.send(status);
        }
    });
    receiver
}

impl Ended {
    /// Checks the exit status.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }
}
