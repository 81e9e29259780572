//! A running `irc-server`, and its clients.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::apps::binaries::binary;
use crate::apps::net;
use crate::apps::program::{Program, hearing_signals};

/// An `irc-server` in a folder of its own, on ports that the system has chosen.
pub(crate) struct IrcServer {
    pub(crate) program: Program,
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// What it has printed behind where it listens.
    pub(crate) printed: String,
}

impl IrcServer {
    /// Starts it in this folder, with these options besides.
    #[track_caller]
    pub(crate) fn start(folder: &TempDir, options: &[&str]) -> Self {
        let mut program = Program::start(command(folder).args(options));
        let mut address = |scheme: &str| program.line_after(&format!("listening on {scheme}://")).parse().unwrap();
        let (plain, tls) = (address("irc"), address("ircs"));
        let printed = program.line();
        Self { program, plain, tls, printed }
    }
}

/// An `irc-server` in this folder, which listens on two ports.
pub(crate) fn command(folder: &TempDir) -> Command {
    let mut command = hearing_signals(binary("irc-server"));
    command.args(["--listen", "localhost:0", "--tls", "localhost:0", "--threads", "2"]).current_dir(folder.path());
    command
}

/// Settings without a limit of speed.
pub(crate) fn unlimited(folder: &TempDir) -> String {
    let path = folder.path().join("unlimited.toml");
    fs::write(&path, "[flood]\ninterval = \"0s\"\n").unwrap();
    path.display().to_string()
}

/// A client, line by line.
pub(crate) struct IrcClient<S: Read + Write>(BufReader<S>);

/// A client that presents this certificate, with its key, if there is one, and trusts the server's own.
#[track_caller]
pub(crate) fn secure(
    server: SocketAddr,
    trusted: &Path,
    own: Option<&str>,
) -> IrcClient<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match own {
        Some(pem) => {
            let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    IrcClient(BufReader::new(StreamOwned::new(session, net::connect(server))))
}

/// A client without encryption.
#[track_caller]
pub(crate) fn plain(server: SocketAddr) -> IrcClient<TcpStream> {
    IrcClient(BufReader::new(net::connect(server)))
}

/// One that has registered.
#[track_caller]
pub(crate) fn user(server: SocketAddr, nick: &str) -> IrcClient<TcpStream> {
    let mut client = plain(server);
    client.register(nick);
    client
}

impl<S: Read + Write> IrcClient<S> {
    #[track_caller]
    pub(crate) fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    #[track_caller]
    pub(crate) fn register(&mut self, nick: &str) {
        self.send("CAP REQ :sasl echo-message draft/chathistory");
        self.send(&format!("NICK {nick}"));
        self.send(&format!("USER {nick} 0 * :{nick}"));
        self.send("CAP END");
        self.until(" 376 ");
    }

    /// The next line that has this text.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Ok(length) if length > 0 => {}
                ended => panic!("{ended:?} instead of {text:?} after {seen}"),
            }
            if line.contains(text) {
                return line.trim_end().to_owned();
            }
            seen += &line;
        }
    }

    /// Says it, and waits for the answer that has this text.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str, text: &str) -> String {
        self.send(line);
        self.until(text)
    }
}

/// Counts a line of one of the clients `nick0`, `nick1` and so on, which is to be the next of its sender: they say `0 `, `1 ` and so
/// on.
#[track_caller]
pub(crate) fn hear(line: &str, next: &mut [usize]) {
    let from: usize = line[":nick".len()..].split('!').next().unwrap().parse().unwrap();
    let (_, said) = line.rsplit_once(" :").unwrap();
    assert_eq!(said.trim().parse(), Ok(next[from]), "{line}");
    next[from] += 1;
}
