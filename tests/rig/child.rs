use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::{io, process, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::figures::{cpu_of, descriptors_of, is_asleep, resident_of};

/// A server in its own process: it has printed a line that ends with its address, and is killed when this is dropped.
///
/// Its output is read continuously: a full pipe would block the process that writes to it.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    address: String,
    output: Option<JoinHandle<Vec<String>>>,
    errors: Option<JoinHandle<Vec<String>>>,
}

/// The end of a process.
#[derive(Debug)]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// The lines printed after the first.
    pub output: Vec<String>,
    /// The log lines.
    pub errors: Vec<String>,
}

impl Ended {
    /// The number printed after `name`.
    ///
    /// # Panics
    ///
    /// If none was printed.
    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        let count = self.output.iter().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        count.unwrap_or_else(|| panic!("the server did not print a count of {name}: {:?}", self.output))
    }
}

impl Child {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or ends before it listens.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        match Self::try_start(command) {
            Ok(server) => server,
            Err(errors) => panic!("the server did not start: {errors:?}"),
        }
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    ///
    /// Its log, if it ends before it listens.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[track_caller]
    pub fn try_start(command: &mut Command) -> Result<Self, Vec<String>> {
        let mut process = command
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's program can be started");
        let errors = lines(process.stderr.take().expect("stderr is a pipe"));
        let mut output = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        let mut ready = String::new();
        output.read_line(&mut ready).expect("the server's output can be read");
        let address = ready.split_whitespace().last().unwrap_or_default().to_owned();
        if address.is_empty() {
            let _ = process.kill();
            let _ = process.wait();
            return Err(errors.join().unwrap_or_default());
        }
        Ok(Self { process, address, output: Some(lines(output)), errors: Some(errors) })
    }

    /// The address it listens on, also if it has printed that as a URL.
    ///
    /// # Panics
    ///
    /// If that is not an IP address and a port.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let address = self.address.split_once("://").map_or(&*self.address, |(_, address)| address);
        address.trim_end_matches('/').parse().expect("it listens on an IP address")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The number of its open descriptors.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    pub fn descriptors(&self) -> usize {
        descriptors_of(self.pid()).expect("the server is alive")
    }

    /// Its resident memory, in bytes.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    pub fn resident(&self) -> usize {
        resident_of(self.pid()).expect("the server is alive")
    }

    /// The seconds of processor time it has used, in user and in system mode.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    pub fn cpu(&self) -> (f64, f64) {
        let (user, system) = cpu_of(self.pid()).expect("the server is alive");
        (user.as_secs_f64(), system.as_secs_f64())
    }

    /// Waits until all of its threads wait for something.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn wait_until_asleep(&self) -> io::Result<()> {
        while !is_asleep(self.pid())? {
            thread::yield_now();
        }
        Ok(())
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        terminate(self.pid());
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If waiting fails.
    pub fn wait(mut self) -> Ended {
        let status = self.process.wait().expect("the server was not waited for before");
        let join = |reader: Option<JoinHandle<_>>| reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
        Ended { status, output: join(self.output.take()), errors: join(self.errors.take()) }
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(self) -> Ended {
        self.terminate();
        self.wait()
    }
}

/// Sends SIGTERM.
pub(crate) fn terminate(pid: u32) {
    let _ = i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM));
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).collect())
}
