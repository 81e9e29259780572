use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A `nats-server` of this test, on a port of the loopback interface, which keeps its files in a folder of its own.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl Server {
    /// Starts a server with these arguments beside the usual ones. `None` if none is installed, which is said; with `CI=true` the
    /// test fails then.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        if Command::new("nats-server").arg("--version").output().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "nats-server is not installed");
            eprintln!("skipped: nats-server is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (child, port) = run(folder.path(), 0, &arguments);
        Some(Self { child, folder, port, arguments })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops the process, as `kill -STOP` does.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills it, without a chance to write anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Starts it again after that, on the same port and with the same files.
    pub(crate) fn start_again(&mut self) {
        (self.child, _) = run(self.folder.path(), self.port, &self.arguments);
    }

    /// Copies its files to another folder; it must have been killed.
    pub(crate) fn back_up(&self, to: &Path) {
        copy(&self.folder.path().join("jetstream"), &to.join("jetstream"));
    }

    /// Has the files that were copied, in place of its own; it must have been killed.
    pub(crate) fn restore(&self, from: &Path) {
        let files = self.folder.path().join("jetstream");
        std::fs::remove_dir_all(&files).expect("they are there");
        copy(&from.join("jetstream"), &files);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "{} is copied", from.display());
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server until it says that it is ready, and finds out its port; 0 stands for any.
fn run(folder: &Path, port: u16, arguments: &[String]) -> (Child, u16) {
    let any_or_port = if port == 0 { "-1".to_owned() } else { port.to_string() };
    let mut child = Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", &any_or_port, "-js", "-sd"])
        .arg(folder)
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .expect("nats-server starts");
    let mut log = BufReader::new(child.stderr.take().expect("it is a pipe"));
    let (mut port, mut text) = (port, String::new());
    loop {
        let begin = text.len();
        assert!(log.read_line(&mut text).expect("it writes text") > 0, "nats-server has ended: {text}");
        let line = &text[begin..];
        if let Some((_, address)) = line.split_once("client connections on ") {
            port = address.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("it names its port");
        }
        if line.contains("Server is ready") {
            break;
        }
    }
    // What it still says must not block it.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    (child, port)
}
