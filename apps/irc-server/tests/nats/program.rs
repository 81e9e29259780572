//! An `irc-server` as a program, and its clients.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocols::auth::{PasswordHash, ScramVerifier};
use tempfile::TempDir;

/// How long a client waits for a line before the test fails.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often something is asked before the test fails.
const MOST_QUESTIONS: usize = 100_000;

/// A number that tells nicks apart: nodes hear late that one is free again.
pub(crate) fn unique() -> usize {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// A node, in a folder of its own.
pub(crate) struct Node {
    folder: TempDir,
    name: String,
    child: Child,
    /// Not read to its end, and not closed.
    output: BufReader<ChildStdout>,
    address: SocketAddr,
    tls_address: SocketAddr,
}

impl Node {
    /// A node of the cluster on this NATS.
    pub(crate) fn start(url: &str, name: &str) -> Self {
        Self::start_with(name, Some(url), &[])
    }

    /// One with variables in its environment; without a URL it is a server of its own.
    pub(crate) fn start_with(name: &str, url: Option<&str>, environment: &[(&str, &Path)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        write_settings(&folder, name, url);
        let (child, output, [address, tls_address]) = run(&folder, environment);
        Self { folder, name: name.to_owned(), child, output, address, tls_address }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Starts it again after that.
    pub(crate) fn start_again(&mut self) {
        (self.child, self.output, [self.address, self.tls_address]) = run(&self.folder, &[]);
    }

    /// Starts it again as a node of the cluster on this NATS.
    pub(crate) fn join(&mut self, url: &str) {
        self.kill();
        write_settings(&self.folder, &self.name, Some(url));
        self.start_again();
    }

    /// A client that has said nothing yet.
    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
        let reader = stream.try_clone().expect("there are descriptors");
        Client { reader: BufReader::new(Box::new(reader)), writer: Box::new(stream) }
    }

    /// One by TLS, with the certificate and the key of this file, by `openssl`.
    pub(crate) fn connect_with(&self, certificate: &Path) -> Client {
        let (stream, theirs) = UnixStream::pair().expect("there are descriptors");
        stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
        let input = OwnedFd::from(theirs.try_clone().expect("there are descriptors"));
        let child = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_quiet", "-connect", &self.tls_address.to_string(), "-cert"])
            .arg(certificate)
            .stdin(input)
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let reader = stream.try_clone().expect("there are descriptors");
        Client { reader: BufReader::new(Box::new(reader)), writer: Box::new(OfChild(stream, child)) }
    }

    /// A user.
    pub(crate) fn user(&self, nick: &str) -> Client {
        let mut client = self.connect();
        client.register(nick);
        client
    }

    /// Somebody who joins the channel, and waits until these are there.
    pub(crate) fn member(&self, nick: &str, others: &[&str]) -> Client {
        let mut client = self.user(nick);
        client.ask("JOIN #lobby", " 366 ");
        client.wait_for(others);
        client
    }

    /// Somebody who has registered an account of this name, and is called otherwise, so that others may have the nick.
    pub(crate) fn owner(&self, name: &str, password: &str) -> Client {
        let mut client = self.user(name);
        client.ask(&format!("NS REGISTER {password}"), "is yours");
        client.ask(&format!("NICK {name}_"), " NICK ");
        client
    }

    /// An operator.
    pub(crate) fn operator(&self) -> Client {
        let mut client = self.user("root");
        client.ask("OPER root opensesame", " 381 ");
        client
    }

    /// Whether this password logs in to an account.
    pub(crate) fn logs_in(&self, name: &str, password: &str) -> bool {
        let mut client = self.connect();
        client.register(&format!("somebody{}", unique()));
        let mut answer = client.ask(&format!("NS IDENTIFY {name} {password}"), "NickServ!");
        for _ in 0..MOST_QUESTIONS {
            // The machine may be too busy.
            if !answer.contains("Try again later") {
                break;
            }
            answer = client.ask(&format!("NS IDENTIFY {name} {password}"), "NickServ!");
        }
        client.send("QUIT");
        client.until("ERROR");
        assert!(["logged in as", "Wrong account"].iter().any(|text| answer.contains(text)), "{answer}");
        answer.contains("logged in as")
    }

    /// Waits until the node knows that there is an account of this name, or that there is none. Of what was changed on one node
    /// another hears in the same order: so it knows then what was changed before, too.
    pub(crate) fn until_account(&self, name: &str, is_there: bool) {
        let mut client = self.connect();
        for _ in 0..MOST_QUESTIONS {
            client.send(&format!("NICK {name}"));
            // It is too short: no account is made.
            let answer = client.ask("REGISTER * * x", "FAIL REGISTER ");
            if answer.contains(" ACCOUNT_EXISTS ") == is_there {
                return;
            }
        }
        panic!("{} does not hear of {name}", self.name);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_settings(folder: &TempDir, name: &str, url: Option<&str>) {
    let password = PasswordHash::from(ScramVerifier::with_iterations("opensesame", 1)).to_text();
    let mut settings = format!(
        "[server]\nname = \"{name}.test\"\nnetwork = \"Test\"\n\
         [listen]\nplain = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\n\
         [accounts]\nregistrations-per-hour = 1000\n[flood]\ninterval = \"0s\"\n[history]\nrequest = 1000\n\
         [[oper]]\nname = \"root\"\npassword = \"{password}\"\n"
    );
    if let Some(url) = url {
        write!(settings, "[cluster]\nbus = \"{url}\"\n").expect("a text takes whatever is added to it");
    }
    std::fs::write(folder.path().join("irc.toml"), settings).expect("the folder is writable");
}

/// Runs a server until it says where it listens: without encryption, and by TLS.
fn run(folder: &TempDir, environment: &[(&str, &Path)]) -> (Child, BufReader<ChildStdout>, [SocketAddr; 2]) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_irc-server"))
        .args(["--config", "irc.toml", "--threads", "2", "-q"])
        .current_dir(folder.path())
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut output = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let addresses = [(); 2].map(|()| {
        let mut line = String::new();
        output.read_line(&mut line).expect("it writes text");
        let address = line.trim_end().rsplit('/').next().and_then(|address| address.parse().ok());
        address.unwrap_or_else(|| panic!("it says where it listens, not {line:?}"))
    });
    (child, output, addresses)
}

/// The connection of a child process, which ends with it.
struct OfChild(UnixStream, Child);

impl Write for OfChild {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Drop for OfChild {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}

pub(crate) struct Client {
    reader: BufReader<Box<dyn Read>>,
    writer: Box<dyn Write>,
}

impl Client {
    pub(crate) fn send(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).expect("the server reads");
    }

    /// The same, for somebody who may be disconnected already.
    pub(crate) fn send_if_open(&mut self, line: &str) {
        let _ = self.writer.write_all(format!("{line}\r\n").as_bytes());
    }

    /// The lines up to the next that has this text, with that.
    pub(crate) fn until(&mut self, text: &str) -> Vec<String> {
        self.until_line(|line| line.contains(text))
    }

    fn until_line(&mut self, is_last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let length = self.reader.read_line(&mut line).expect("a line comes in time");
            assert!(length > 0, "not the line that was waited for, but the end, after {lines:#?}");
            lines.push(line.trim_end().to_owned());
            if is_last(&line) {
                return lines;
            }
        }
    }

    /// The next line that has one of these texts.
    pub(crate) fn until_any(&mut self, texts: &[&str]) -> String {
        let lines = self.until_line(|line| texts.iter().any(|text| line.contains(text)));
        lines.into_iter().next_back().expect("the last has the text")
    }

    pub(crate) fn line(&mut self, text: &str) -> String {
        self.until(text).pop().expect("the last has the text")
    }

    pub(crate) fn ask(&mut self, line: &str, text: &str) -> String {
        self.send(line);
        self.line(text)
    }

    /// Asks until the answer has this text. Each answer has `any`.
    pub(crate) fn ask_until(&mut self, line: &str, any: &str, text: &str) {
        for _ in 0..MOST_QUESTIONS {
            if self.ask(line, any).contains(text) {
                return;
            }
        }
        panic!("{line} is never answered by {text}");
    }

    /// Becomes a user.
    pub(crate) fn register(&mut self, nick: &str) {
        self.send("CAP REQ :echo-message draft/chathistory standard-replies");
        self.send(&format!("NICK {nick}"));
        self.send(&format!("USER {nick} 0 * :{nick}"));
        self.ask("CAP END", " 376 ");
    }

    /// Asks until all these are in the channel.
    pub(crate) fn wait_for(&mut self, others: &[&str]) {
        for _ in 0..MOST_QUESTIONS {
            let names = self.ask("NAMES #lobby", " 353 ");
            let names = names.rsplit(':').next().unwrap_or_default();
            if others.iter().all(|nick| names.split(' ').any(|name| name.trim_start_matches('@') == *nick)) {
                return;
            }
        }
        panic!("not all of {others:?} are there");
    }

    /// Says lines, each when the one before has come back: then it is acknowledged.
    pub(crate) fn say(&mut self, from: &str, numbers: Range<u32>) {
        for number in numbers {
            let text = format!(" PRIVMSG #lobby :{from} {number}.");
            self.ask(text.trim_start(), &text);
        }
    }

    /// The numbers of the lines of somebody that the node has in its history, once it has that many.
    pub(crate) fn history(&mut self, from: &str, count: usize) -> Vec<u32> {
        for _ in 0..MOST_QUESTIONS {
            let lines = self.said("#lobby");
            let number = |line: &String| line.rsplit_once(&format!(" :{from} "))?.1.strip_suffix('.')?.parse().ok();
            let numbers: Vec<u32> = lines.iter().filter_map(number).collect();
            if numbers.len() >= count {
                return numbers;
            }
        }
        panic!("the history lacks lines of {from}");
    }

    /// What the node has in its history of a channel, or of a conversation with somebody.
    pub(crate) fn said(&mut self, target: &str) -> Vec<String> {
        self.send(&format!("CHATHISTORY LATEST {target} * 1000"));
        self.send("PING history");
        self.until(" PONG ").into_iter().filter(|line| line.contains(" PRIVMSG ")).collect()
    }
}
