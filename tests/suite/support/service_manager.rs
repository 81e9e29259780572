use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::PATIENCE;

/// What a program takes for systemd: it hears what systemd is told.
pub(crate) struct ServiceManager {
    directory: TempDir,
    socket: UnixDatagram,
}

impl ServiceManager {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        Self { directory, socket }
    }

    /// Has the program tell it what it does and, at half this interval, that it is alive.
    pub(crate) fn manage<'a>(&self, command: &'a mut Command, watchdog: Duration) -> &'a mut Command {
        command
            .env("NOTIFY_SOCKET", self.directory.path().join("notify"))
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
    }

    /// The next that is told, other than that the program is alive.
    #[track_caller]
    pub(crate) fn next(&self) -> String {
        loop {
            let message = self.next_within(PATIENCE).expect("the program to say something");
            if message != ALIVE {
                return message;
            }
        }
    }

    /// The next that is told; `None` if nothing is for so long.
    fn next_within(&self, time: Duration) -> Option<String> {
        let mut message = [0; 1024];
        self.socket.set_read_timeout(Some(time)).unwrap();
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    /// Waits until the program says that it is alive.
    #[track_caller]
    pub(crate) fn wait_for_life(&self) {
        while self.next_within(PATIENCE).expect("the program to be alive") != ALIVE {}
    }

    /// Waits until nothing is told for this long. What was under way may still come, but not much.
    #[track_caller]
    pub(crate) fn wait_for_silence(&self, time: Duration) {
        let told = (0..10).take_while(|_| self.next_within(time).is_some()).count();
        assert!(told < 10, "it goes on to say that it is alive");
    }

    /// What was told and not heard yet.
    pub(crate) fn told(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next_within(Duration::from_millis(1))).collect()
    }
}

const ALIVE: &str = "WATCHDOG=1\n";
