//! A server that runs in a process of its own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, io, thread};

use tempfile::TempDir;

use crate::interruption;
use crate::servers::{Flood, Server};

/// It is ended when this is dropped.
pub(crate) struct Running {
    process: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Running {
    /// Starts the server on a free port and a processor of its own, and waits until it listens.
    pub(crate) fn start(server: &Server, flood: Flood) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let file = folder.path().join("configuration");
        fs::write(&file, (server.configuration)(port, flood))?;
        rig::stay_on_processor(0);
        let process = Command::new((server.program)())
            .args((server.arguments)(&file))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        rig::stay_on_processor(1);
        let mut running = Self { process: process?, port, _folder: folder };
        let deadline = rig::now() + PATIENCE;
        while rig::now() < deadline {
            if is_listened_to(port)? {
                return Ok(running);
            }
            if let Some(status) = running.process.try_wait()? {
                return Err(io::Error::other(format!("it has ended instead of listening: {status}")));
            }
            thread::park_timeout(PAUSE);
        }
        Err(io::Error::other(format!("it does not listen on port {port}")))
    }

    /// Bytes of memory, by the kernel's count.
    pub(crate) fn memory(&self) -> io::Result<f64> {
        Ok(rig::resident_of(self.process.id())? as f64)
    }

    /// How long its threads have run.
    pub(crate) fn processor_time(&self) -> io::Result<Duration> {
        rig::processor_time_of(self.process.id())
    }

    /// Waits until it has this many descriptors.
    pub(crate) fn wait_for_descriptors(&self, descriptors: usize) -> io::Result<()> {
        let deadline = rig::now() + PATIENCE;
        while self.descriptors()? < descriptors {
            if interruption::is_asked_for() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if rig::now() > deadline {
                let there = self.descriptors()?;
                return Err(io::Error::other(format!(
                    "it accepts no connection: it has {there} descriptors open where {descriptors} were to be"
                )));
            }
            thread::yield_now();
        }
        Ok(())
    }

    pub(crate) fn descriptors(&self) -> io::Result<usize> {
        rig::descriptors_of(self.process.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether anybody listens on this port of the machine. To connect would make a connection that is then counted.
fn is_listened_to(port: u16) -> io::Result<bool> {
    let sockets = fs::read_to_string("/proc/net/tcp")?;
    Ok(sockets.lines().any(|line| listening_port(line) == Some(port)))
}

/// The port of a listening socket, from its line of `/proc/net/tcp`.
fn listening_port(line: &str) -> Option<u16> {
    let mut fields = line.split_whitespace().skip(1);
    let (address, _peer, state) = (fields.next()?, fields.next()?, fields.next()?);
    let (_, port) = address.split_once(':')?;
    (state == "0A").then(|| u16::from_str_radix(port, 16).ok())?
}

/// How long it may take to listen, or to accept a connection.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);
