//! The servers, and how each is started so that it serves a crowd from one address.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io, thread};

/// An IRC server.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    program: fn() -> PathBuf,
    configuration: fn(port: u16) -> String,
    arguments: fn(&Path) -> Vec<String>,
}

pub(crate) const SERVERS: &[Server] = &[
    Server {
        name: "irc-server",
        program: own_server,
        configuration: |port| {
            format!(
                "[server]\ndatabase = \"\"\n[listen]\nplain = [\"127.0.0.1:{port}\"]\ntls = []\n\
                 [limits]\nclients = 100000\n[flood]\ninterval = \"0s\"\n"
            )
        },
        arguments: |file| vec!["--threads=1".into(), "--config".into(), file.display().to_string()],
    },
    Server {
        name: "ngircd",
        program: || "/usr/sbin/ngircd".into(),
        configuration: |port| {
            format!(
                "[Global]\nName = irc.test\nInfo = test\nListen = 127.0.0.1\nPorts = {port}\n\
                 [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxPenaltyTime = 0\nPingTimeout = 600\n\
                 [Options]\nDNS = no\nIdent = no\nPAM = no\nCloakHostModeX =\n"
            )
        },
        arguments: |file| vec!["--nodaemon".into(), "--config".into(), file.display().to_string()],
    },
    Server {
        name: "inspircd",
        program: || "/usr/sbin/inspircd".into(),
        configuration: |port| {
            format!(
                "<server name=\"irc.test\" description=\"test\" network=\"Test\">\n<admin name=\"a\" nick=\"a\" email=\"a@b\">\n\
                 <bind address=\"127.0.0.1\" port=\"{port}\" type=\"clients\">\n\
                 <connect allow=\"*\" localmax=\"100000\" globalmax=\"100000\" limit=\"100000\" maxchans=\"100\" \
                 commandrate=\"1000000000\" fakelag=\"no\" threshold=\"1000000\" recvq=\"1000000\" hardsendq=\"100000000\" \
                 softsendq=\"100000000\" resolvehostnames=\"no\" useident=\"no\" pingfreq=\"600\">\n\
                 <performance softlimit=\"100000\" somaxconn=\"4096\" limitsomaxconn=\"4096\">\n<options>\n\
                 <log method=\"file\" type=\"*\" level=\"default\" target=\"/dev/null\">\n"
            )
        },
        arguments: |file| {
            vec!["--nofork".into(), "--runasroot".into(), "--nopid".into(), format!("--config={}", file.display())]
        },
    },
];

fn own_server() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    own.with_file_name("irc-server")
}

/// A server that runs, until this is dropped.
pub(crate) struct Running {
    process: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) fn is_installed(&self) -> bool {
        (self.program)().exists()
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&self) -> io::Result<Running> {
        let folder = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let file = folder.path().join("configuration");
        fs::write(&file, (self.configuration)(port))?;
        let process = Command::new((self.program)())
            .args((self.arguments)(&file))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut running = Running { process, port, _folder: folder };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(running);
            }
            if let Some(status) = running.process.try_wait()? {
                return Err(io::Error::other(format!("{} has ended: {status}", self.name)));
            }
            thread::park_timeout(Duration::from_millis(50));
        }
        Err(io::Error::other(format!("{} does not listen", self.name)))
    }
}

impl Running {
    /// Bytes of memory, by the kernel's count.
    pub(crate) fn resident(&self) -> io::Result<f64> {
        Ok(rig::resident_of(self.process.id())? as f64)
    }

    /// Seconds of processor time so far.
    pub(crate) fn cpu(&self) -> io::Result<f64> {
        let (user, system) = rig::cpu_of(self.process.id())?;
        Ok((user + system).as_secs_f64())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
