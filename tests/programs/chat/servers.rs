//! The servers, and how each is configured for a crowd from one address.

use std::path::{Path, PathBuf};
use std::{env, io};

/// An IRC server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) program: fn() -> PathBuf,
    pub(crate) configuration: fn(port: u16, flood: Flood) -> String,
    pub(crate) arguments: fn(file: &Path) -> Vec<String>,
}

/// What a server does about clients that send fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// What it does if nobody sets anything.
    Protected,
    /// Nothing.
    Unprotected,
}

pub(crate) const SERVERS: &[Server] = &[
    Server {
        name: "irc-server",
        program: own_server,
        configuration: |port, flood| own_configuration(port, flood, true),
        arguments: own_arguments,
    },
    // The others keep no history.
    Server {
        name: "irc-server-without-history",
        program: own_server,
        configuration: |port, flood| own_configuration(port, flood, false),
        arguments: own_arguments,
    },
    Server {
        name: "ngircd",
        program: || "/usr/sbin/ngircd".into(),
        configuration: |port, flood| {
            let flood = match flood {
                Flood::Protected => "",
                Flood::Unprotected => "MaxPenaltyTime = 0\n",
            };
            format!(
                "[Global]\nName = irc.test\nInfo = test\nListen = 127.0.0.1\nPorts = {port}\n\
                 [Limits]\nMaxConnectionsIP = 0\nPingTimeout = 600\nPongTimeout = 600\n{flood}\
                 [Options]\nDNS = no\nIdent = no\nPAM = no\n"
            )
        },
        arguments: |file| vec!["--nodaemon".into(), "--config".into(), file.display().to_string()],
    },
    Server {
        name: "inspircd",
        program: || "/usr/sbin/inspircd".into(),
        configuration: |port, flood| {
            let flood = match flood {
                Flood::Protected => "",
                Flood::Unprotected => {
                    "fakelag=\"no\" threshold=\"1000000000\" commandrate=\"1000000000\" recvq=\"1000000\""
                }
            };
            format!(
                "<server name=\"irc.test\" description=\"test\" network=\"Test\">\n<admin name=\"a\" nick=\"a\" email=\"a@b\">\n\
                 <bind address=\"127.0.0.1\" port=\"{port}\" type=\"clients\">\n\
                 <connect allow=\"*\" localmax=\"100000\" globalmax=\"100000\" limit=\"100000\" timeout=\"600\" \
                 resolvehostnames=\"no\" pingfreq=\"600\" {flood}>\n\
                 <performance softlimit=\"100000\" somaxconn=\"4096\">\n\
                 <log method=\"file\" type=\"*\" level=\"default\" target=\"/dev/null\">\n"
            )
        },
        arguments: |file| {
            vec!["--nofork".into(), "--runasroot".into(), "--nopid".into(), format!("--config={}", file.display())]
        },
    },
];

fn own_server() -> PathBuf {
    env::current_exe().unwrap_or_default().with_file_name("irc-server")
}

fn own_configuration(port: u16, flood: Flood, history: bool) -> String {
    let flood = match flood {
        Flood::Protected => "",
        Flood::Unprotected => "[flood]\ninterval = \"0s\"\n",
    };
    format!(
        "[server]\ndatabase = \"\"\n[listen]\nplain = [\"127.0.0.1:{port}\"]\ntls = []\n\
         [limits]\nregistration = \"10min\"\nping = \"10min\"\n[history]\nenabled = {history}\n{flood}"
    )
}

fn own_arguments(file: &Path) -> Vec<String> {
    vec!["--threads=1".into(), "--config".into(), file.display().to_string()]
}

impl Server {
    pub(crate) fn is_installed(&self) -> bool {
        (self.program)().exists()
    }
}

/// The server of this name, if it is installed.
pub(crate) fn find(name: &str) -> io::Result<&'static Server> {
    let Some(server) = SERVERS.iter().find(|server| server.name == name) else {
        let names: Vec<_> = SERVERS.iter().map(|server| server.name).collect();
        return Err(io::Error::other(format!("`{name}` cannot be measured; these can: {}", names.join(", "))));
    };
    if !server.is_installed() {
        let program = (server.program)();
        return Err(io::Error::other(format!("{name} is not installed: there is no {}", program.display())));
    }
    Ok(server)
}
