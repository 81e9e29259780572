//! Who is measured: the servers in Rust, which are in this program, and those that the machine has what it takes for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use crate::servers::Role;

pub(crate) struct Peer {
    /// As the tables have it.
    pub(crate) name: &'static str,
    pub(crate) roles: &'static [Role],
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// `bench serve NAME`.
    Here(&'static str),
    /// C, with this library; the role has this name instead of its own.
    C {
        source: &'static str,
        library: Option<&'static str>,
        role: Option<&'static str>,
    },
    Go,
    Python(&'static str),
}

use Role::{Datagrams, Echo, Forward, Lines};

pub(crate) const OURS: &str = "this crate";

/// What the others are compared with.
pub(crate) const BASELINE: &str = "C, epoll";

pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: BASELINE,
        roles: &[Echo, Lines, Datagrams, Forward],
        kind: Kind::C { source: "epoll.c", library: None, role: None },
    },
    Peer {
        name: "C, `splice`",
        roles: &[Forward],
        kind: Kind::C { source: "epoll.c", library: None, role: Some("splice") },
    },
    Peer { name: OURS, roles: &[Echo, Lines, Datagrams, Forward], kind: Kind::Here("ours") },
    Peer { name: "Tokio", roles: &[Echo, Lines, Datagrams, Forward], kind: Kind::Here("tokio") },
    Peer { name: "actix-server", roles: &[Echo], kind: Kind::Here("actix") },
    Peer { name: "monoio", roles: &[Echo], kind: Kind::Here("monoio") },
    Peer {
        name: "libuv",
        roles: &[Echo, Datagrams],
        kind: Kind::C { source: "libuv.c", library: Some("uv"), role: None },
    },
    Peer { name: "Go", roles: &[Echo, Lines, Datagrams, Forward], kind: Kind::Go },
    Peer { name: "uvloop", roles: &[Echo, Datagrams], kind: Kind::Python("uvloop_server.py") },
    Peer { name: "Twisted", roles: &[Echo, Lines, Datagrams, Forward], kind: Kind::Python("twisted_server.py") },
];

impl Peer {
    /// Compiles it if need be.
    ///
    /// # Errors
    ///
    /// What the machine lacks.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        match self.kind {
            Kind::Here(_) => Ok(()),
            Kind::C { source, library, .. } => {
                let mut compiler = Command::new("cc");
                compiler.args(["-O2", "-o"]).arg(built(source)?).arg(sources().join(source));
                succeed(compiler.args(library.map(|library| format!("-l{library}"))), "cc, or the library")
            }
            Kind::Go => {
                let mut compiler = Command::new("go");
                compiler.current_dir(sources().join("go")).args(["build", "-o"]).arg(built("go")?).arg(".");
                succeed(&mut compiler, "go")
            }
            Kind::Python(source) => {
                let package = source.split('_').next().unwrap_or_default();
                let import = format!("import {package}");
                succeed(Command::new("python3").args(["-c", &import]), "python3, or its package")
            }
        }
    }

    /// The command that serves.
    pub(crate) fn command(&self, role: Role) -> io::Result<Command> {
        Ok(match self.kind {
            Kind::Here(name) => {
                let mut command = Command::new(env::current_exe()?);
                command.args(["serve", name, role.name()]);
                command
            }
            Kind::C { source, role: other, .. } => {
                let mut command = Command::new(built(source).map_err(io::Error::other)?);
                command.arg(other.unwrap_or_else(|| role.name()));
                command
            }
            Kind::Go => {
                let mut command = Command::new(built("go").map_err(io::Error::other)?);
                command.arg(role.name());
                command
            }
            Kind::Python(source) => {
                let mut command = Command::new("python3");
                command.arg(sources().join(source)).arg(role.name());
                command
            }
        })
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Where the program is put: beside this one.
fn built(source: &str) -> Result<PathBuf, String> {
    let here = env::current_exe().map_err(|error| error.to_string())?;
    Ok(here.with_file_name(format!("peer-{}", source.trim_end_matches(".c"))))
}

fn succeed(command: &mut Command, needed: &str) -> Result<(), String> {
    match command.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("{needed} is missing")),
    }
}
