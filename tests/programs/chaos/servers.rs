//! The processes that are attacked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rig::Child;
use rig::ready_made::{Answer, Dialogue, dialogues};
use socket2::{Domain, SockAddr, Socket, Type};

/// A server, and how to reach it.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) dialogue: Dialogue,
    pub(crate) address: Address,
    pub(crate) child: Child,
    number: u8,
}

pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Udp(SocketAddr),
}

/// Starts all of them. UNIX sockets are in `folder`.
pub(crate) fn start(folder: &Path) -> io::Result<Vec<Server>> {
    let program = std::env::current_exe()?;
    let [time_server, irc_server] = ["time-server", "irc-server"].map(|name| program.with_file_name(name));
    if let Some(missing) = [&time_server, &irc_server].into_iter().find(|app| !app.exists()) {
        let builds = "cargo build --release -p time-server -p irc-server";
        let message = format!("{} is not there: {builds} builds it", missing.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let echo = limited(&program, &["serve", "echo"])?;
    let mut dialogues = dialogues(echo.address()).into_iter();
    let mut servers = Servers(Vec::new());
    let first = dialogues.next().ok_or_else(|| io::Error::other("there are no servers"))?;
    let echo_option = format!("echo={}", echo.address());
    servers.add(first.name, first, echo, Place::Tcp);
    for dialogue in dialogues {
        let child = limited(&program, &["serve", dialogue.name, &echo_option])?;
        servers.add(dialogue.name, dialogue, child, Place::Tcp);
    }
    for (name, kind, dialogue) in [
        ("unix", "echo", Dialogue::echo("echo", "hello")),
        ("descriptors", "descriptors", Dialogue::new("descriptors", "?", Answer::Exactly(b"0 ".to_vec()))),
    ] {
        let path = folder.join(name);
        let child = limited(&program, &["serve", kind, &format!("path={}", path.display())])?;
        servers.add(name, dialogue, child, Place::Unix(path));
    }
    let datagrams = limited(&program, &["serve", "datagrams"])?;
    servers.add("datagrams", Dialogue::echo("datagrams", "hello"), datagrams, Place::Udp);
    for (option, dialogue) in time_server_dialogues() {
        let path = folder.join(format!("time-server-{}", dialogue.name));
        let (place, address) = match option {
            "--unix" => (Place::Unix(path.clone()), path.display().to_string()),
            "--udp" => (Place::Udp, "127.0.0.1:0".to_owned()),
            _ => (Place::Tcp, "127.0.0.1:0".to_owned()),
        };
        let child = limited(&time_server, &[option, &address])?;
        servers.add(&format!("time-server {}", dialogue.name), dialogue, child, place);
    }
    let database = folder.join("irc.db").display().to_string();
    let options = ["--listen", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--database", &database];
    servers.add("irc-server", irc_dialogue(), limited(&irc_server, &options)?, Place::Tcp);
    Ok(servers.0)
}

enum Place {
    Tcp,
    Unix(PathBuf),
    Udp,
}

struct Servers(Vec<Server>);

impl Servers {
    fn add(&mut self, name: &str, dialogue: Dialogue, child: Child, place: Place) {
        let address = match place {
            Place::Tcp => Address::Tcp(child.address()),
            Place::Udp => Address::Udp(child.address()),
            Place::Unix(path) => Address::Unix(path),
        };
        let number = self.0.len() as u8;
        self.0.push(Server { name: name.to_owned(), dialogue, address, child, number });
    }
}

/// Starts a program with a limit of memory.
fn limited(program: &Path, arguments: &[&str]) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\"")]);
    Child::try_start(command.arg(program).args(arguments))
        .map_err(|log| io::Error::other(format!("{} {arguments:?} did not start: {log:?}", program.display())))
}

/// What the clients of `time-server` say, by its options.
fn time_server_dialogues() -> [(&'static str, Dialogue); 6] {
    let stamped = |before: &[u8]| Answer::Stamped(before.to_vec(), b"hello".to_vec());
    let upgrade = "GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let page = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    [
        ("--tcp", Dialogue::new("tcp", "hello", stamped(b""))),
        (
            "--lines",
            Dialogue::new("lines", "hello\n", Answer::Last(|line| line.starts_with(b"[") && line.ends_with(b"] hello\n")))
                .unfinished([filled("", 65_000)])
                .forbidden([filled("", 100_000)]),
        ),
        (
            "--web",
            Dialogue::new("page", page, Answer::Last(|page| page.starts_with(b"HTTP/1.1 200") && page.ends_with(b"</html>\n")))
                .unfinished([
                    filled("GET / HTTP/1.1\r\nX: ", 300_000),
                    filled("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n", 100_000),
                    filled("GET / HTTP/1.1\r\n", 0),
                ])
                .forbidden(
                    [
                        "GET / HTTP/1.1\r\n\r\n",
                        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
                        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                    ]
                    .map(Into::into),
                )
                .forbidden([["GET / HTTP/1.1\r\nHost: x\r\n", &"A: b\r\n".repeat(1_000), "\r\n"].concat().into_bytes()]),
        ),
        (
            "--web",
            Dialogue::new("web socket", b"\x81\x85\0\0\0\0hello", stamped(b"\x81\x20"))
                .opening(upgrade, |head| head.ends_with(b"\r\n\r\n"))
                .unfinished([filled(&[upgrade, "\u{1}\u{7e}"].concat(), 0)])
                .forbidden([b"\x89\xfe\0\x80\0\0\0\0x".to_vec(), b"\x81\x82\0\0\0\0\xff\xff".to_vec()]),
        ),
        ("--unix", Dialogue::new("unix", "hello", stamped(b""))),
        ("--udp", Dialogue::new("udp", "hello", stamped(b""))),
    ]
}

/// What the clients of `irc-server` say before they have a nick, which only one may have.
fn irc_dialogue() -> Dialogue {
    let is_list = |line: &[u8]| line.starts_with(b":") && line.ends_with(b"\r\n");
    Dialogue::new("irc-server", "CAP LS\r\nQUIT\r\n", Answer::Last(is_list))
        .unfinished([filled("NICK ", 8_000), filled("@tag=", 8_000), filled("CAP REQ :", 500)])
        .forbidden([
            filled("PRIVMSG #lobby :", 65_536),
            b"@\xff\xff :\0\xc3\x28 \x01\r\n".to_vec(),
            b"AUTHENTICATE =\r\nAUTHENTICATE PLAIN\r\nAUTHENTICATE !\r\n".to_vec(),
            b"OPER a b\r\nPASS \r\nNICK\r\nUSER\r\nJOIN 0\r\nMODE\r\nWHO\r\nLIST\r\nCAP END\r\n".repeat(100),
        ])
}

fn filled(beginning: &str, length: usize) -> Vec<u8> {
    [beginning.as_bytes(), &vec![b'x'; length]].concat()
}

impl Server {
    /// Connects from an address of this machine.
    pub(crate) fn connect(&self, source: Ipv4Addr) -> io::Result<Socket> {
        self.connect_with(source, |_| Ok(()))
    }

    /// The same, with options that are set before.
    pub(crate) fn connect_with(
        &self,
        source: Ipv4Addr,
        set: impl FnOnce(&Socket) -> io::Result<()>,
    ) -> io::Result<Socket> {
        let (domain, address) = match &self.address {
            Address::Tcp(address) | Address::Udp(address) => (Domain::IPV4, SockAddr::from(*address)),
            Address::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
        };
        let kind = if self.is_datagrams() { Type::DGRAM } else { Type::STREAM };
        let socket = Socket::new(domain, kind, None)?;
        set(&socket)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        if domain == Domain::UNIX {
            socket.connect(&address)?;
        } else {
            socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into())?;
            socket.connect_timeout(&address, PATIENCE)?;
        }
        Ok(socket)
    }

    /// The address of those who attack it. They have one of their own for each server, because an address has no more
    /// than 28,000 ports, and each closed connection keeps one for a minute.
    pub(crate) fn attacker(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 10 + self.number, 1)
    }

    /// An address of honest clients.
    pub(crate) fn honest(&self, number: usize) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 110 + self.number, 1 + (number % 200) as u8)
    }

    pub(crate) fn is_datagrams(&self) -> bool {
        matches!(self.address, Address::Udp(_))
    }

    pub(crate) fn is_unix(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }
}

/// An honest client gives up after this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const ADDRESS_SPACE_KIB: usize = 300 << 10;
