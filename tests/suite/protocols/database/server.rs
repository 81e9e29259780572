//! A PostgreSQL of a test's own.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};
use postgres::{Client, Config, NoTls};
use protocols::database::Database;
use tempfile::TempDir;

use crate::apps::program::Program;
use crate::apps::tools::is_there;

/// A server that is reached by a UNIX socket, and ends with this.
pub(crate) struct Server {
    directory: TempDir,
    program: Option<Program>,
}

impl Server {
    /// Starts one; `None` if the test called `test` is skipped.
    #[track_caller]
    pub(crate) fn start(test: &str) -> Option<Self> {
        if !is_there("PostgreSQL", command("initdb").arg("--version"), test) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        if Uid::effective().is_root() {
            let nobody = User::from_name("nobody").unwrap().expect("a user called nobody");
            chown(directory.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
        }
        let mut initdb = command("initdb");
        initdb.args(["-A", "trust", "-N", "-U", USER, "-E", "UTF8", "--locale=C", "-D"]);
        let made = initdb.arg(directory.path().join("data")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { directory, program: None };
        server.run();
        Some(server)
    }

    /// Runs it, the first time or again.
    pub(crate) fn run(&mut self) {
        let mut command = command("postgres");
        command.arg("-D").arg(self.directory.path().join("data")).arg("-k").arg(self.directory.path());
        for setting in ["listen_addresses=", "fsync=off", "max_connections=50", "log_min_messages=log"] {
            command.args(["-c", setting]);
        }
        let mut program = Program::start(&mut command);
        program.stderr_line_with("database system is ready to accept connections");
        self.program = Some(program);
    }

    /// Ends it as a crash does, at once and with everything open.
    pub(crate) fn kill(&mut self) {
        if let Some(program) = self.program.take() {
            program.signal(Signal::SIGQUIT);
            program.finish();
        }
    }

    /// Where its socket is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn database(&self) -> Postgres {
        Postgres::at(self.directory())
    }

    /// A connection that no pool knows of.
    pub(crate) fn client(&self) -> Client {
        self.database().0.connect(NoTls).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// PostgreSQL, by the crate `postgres`.
#[derive(Clone)]
pub(crate) struct Postgres(pub(crate) Config);

impl Postgres {
    pub(crate) fn at(directory: &Path) -> Self {
        let mut config = Config::new();
        config.host_path(directory).user(USER).dbname("postgres");
        Self(config)
    }
}

impl Database for Postgres {
    type Connection = Client;
    type Error = postgres::Error;

    fn connect(&self) -> Result<Client, postgres::Error> {
        self.0.connect(NoTls)
    }

    fn is_alive(&self, client: &mut Client) -> bool {
        client.is_valid(std::time::Duration::from_secs(5)).is_ok()
    }

    fn begin(&self, client: &mut Client) -> Result<(), postgres::Error> {
        client.batch_execute("BEGIN")
    }

    fn commit(&self, client: &mut Client) -> Result<(), postgres::Error> {
        // Behind a statement that has failed, COMMIT alone rolls back, and is no error; SELECT is one.
        client.batch_execute("SELECT; COMMIT")
    }

    fn roll_back(&self, client: &mut Client) -> Result<(), postgres::Error> {
        client.batch_execute("ROLLBACK")
    }
}

const USER: &str = "tester";

/// One of PostgreSQL's programs, as a user that they accept.
fn command(name: &str) -> Command {
    let program = installed(name).unwrap_or_else(|| PathBuf::from(name));
    if !Uid::effective().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program).current_dir("/");
    command
}

/// The newest one, where Debian puts them: not on the `PATH`.
fn installed(name: &str) -> Option<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)));
    versions.filter(|path| path.exists()).max()
}
