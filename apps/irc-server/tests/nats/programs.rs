//! Several `irc-server`s as programs: their clients, and what is lost when a node is stopped or killed.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::server::Server;

/// How long a client waits for a line before the test fails.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often something is asked before the test fails.
const MOST_QUESTIONS: usize = 10_000;

/// A node of a cluster, in a folder of its own.
struct Node {
    folder: TempDir,
    child: Child,
    /// Not read to its end, and not closed.
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Node {
    fn start(nats: &Server, name: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let settings = format!(
            "[server]\nname = \"{name}.test\"\nnetwork = \"Test\"\n[listen]\nplain = [\"127.0.0.1:0\"]\ntls = []\n\
             [cluster]\nbus = \"{}\"\n[flood]\ninterval = \"0s\"\n[history]\nrequest = 1000\n",
            nats.url()
        );
        std::fs::write(folder.path().join("irc.toml"), settings).expect("the folder is writable");
        let (child, output, address) = run(&folder);
        Self { folder, child, output, address }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    /// Kills it, and starts it again.
    fn kill_and_start_again(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
        (self.child, self.output, self.address) = run(&self.folder);
    }

    /// Somebody who joins the channel, and waits until these are there.
    fn member(&self, nick: &str, others: &[&str]) -> Client {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
        let mut client = Client(BufReader::new(stream));
        client.send("CAP REQ :echo-message draft/chathistory");
        client.send(&format!("NICK {nick}"));
        client.send(&format!("USER {nick} 0 * :{nick}"));
        client.ask("CAP END", " 376 ");
        client.ask("JOIN #lobby", " 366 ");
        client.wait_for(others);
        client
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server until it says where it listens.
fn run(folder: &TempDir) -> (Child, BufReader<ChildStdout>, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_irc-server"))
        .args(["--config", "irc.toml", "--threads", "2", "-q"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut output = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it writes text");
    let address = line.trim_end().rsplit('/').next().and_then(|address| address.parse().ok());
    let address = address.unwrap_or_else(|| panic!("it says where it listens, not {line:?}"));
    (child, output, address)
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("the server reads");
    }

    /// The lines up to the next that has this text, with that.
    fn until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let length = self.0.read_line(&mut line).expect("a line comes in time");
            assert!(length > 0, "no {text:?}, but the end, after {lines:#?}");
            let is_last = line.contains(text);
            lines.push(line.trim_end().to_owned());
            if is_last {
                return lines;
            }
        }
    }

    fn line(&mut self, text: &str) -> String {
        self.until(text).pop().expect("the last has the text")
    }

    fn ask(&mut self, line: &str, text: &str) -> String {
        self.send(line);
        self.line(text)
    }

    /// Asks until all these are in the channel.
    fn wait_for(&mut self, others: &[&str]) {
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
    fn say(&mut self, from: &str, numbers: Range<u32>) {
        for number in numbers {
            let text = format!(" PRIVMSG #lobby :{from} {number}.");
            self.ask(text.trim_start(), &text);
        }
    }

    /// The numbers of the lines of somebody that the node has in its history, once it has that many.
    fn history(&mut self, from: &str, count: usize) -> Vec<u32> {
        for _ in 0..MOST_QUESTIONS {
            self.send("CHATHISTORY LATEST #lobby * 1000");
            self.send("PING history");
            let lines = self.until(" PONG ");
            let number = |line: &String| line.rsplit_once(&format!(" :{from} "))?.1.strip_suffix('.')?.parse().ok();
            let numbers: Vec<u32> = lines.iter().filter_map(number).collect();
            if numbers.len() >= count {
                return numbers;
            }
        }
        panic!("the history lacks lines of {from}");
    }
}

#[test]
fn people_on_three_nodes_talk_as_if_they_were_on_one() {
    let Some(nats) = Server::start(&[]) else { return };
    let [one, two, three] = ["one", "two", "three"].map(|name| Node::start(&nats, name));
    let mut ann = one.member("ann", &[]);
    let mut bob = two.member("bob", &["ann"]);
    let mut eve = three.member("eve", &["ann", "bob"]);
    ann.wait_for(&["bob", "eve"]);
    ann.say("ann", 0..10);
    for client in [&mut bob, &mut eve] {
        for number in 0..10 {
            assert!(client.line(" PRIVMSG #lobby ").ends_with(&format!(":ann {number}.")));
        }
    }
    bob.wait_for(&["eve"]);
    bob.send("PRIVMSG eve :psst");
    assert!(eve.line("psst").starts_with(":bob!"));
    assert!(ann.ask("WHOIS eve", " 312 ").contains("three.test"));
    eve.send("QUIT :bye");
    for client in [&mut ann, &mut bob] {
        assert!(client.line(" QUIT ").starts_with(":eve!"));
    }
}

#[test]
fn nodes_that_are_stopped_or_killed_lose_double_and_reorder_nothing_that_was_acknowledged() {
    let Some(nats) = Server::start(&[]) else { return };
    let [one, mut two, three] = ["one", "two", "three"].map(|name| Node::start(&nats, name));
    let mut ann = one.member("ann", &[]);
    let mut bob = two.member("bob", &["ann"]);
    let mut eve = three.member("eve", &["ann", "bob"]);
    ann.say("ann", 0..50);
    bob.say("bob", 0..50);
    eve.say("eve", 0..50);

    three.signal(Signal::SIGSTOP);
    ann.say("ann", 50..100);
    bob.say("bob", 50..100);
    three.signal(Signal::SIGCONT);
    eve.say("eve", 50..100);

    two.kill_and_start_again();
    ann.say("ann", 100..150);
    eve.say("eve", 100..150);
    let mut bob = two.member("bob_", &["ann", "eve"]);
    bob.say("bob", 100..150);

    let expected: Vec<_> = (0..150).collect();
    for client in [&mut ann, &mut bob, &mut eve] {
        for from in ["ann", "bob", "eve"] {
            assert_eq!(client.history(from, expected.len()), expected, "{from}");
        }
    }
}
