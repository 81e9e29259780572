//! Stands between a client and a server on UNIX sockets, and breaks connections after any number of bytes.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

/// A folder with a socket of its own, by which the server of another folder is reached.
pub(crate) struct BreakingLink {
    directory: TempDir,
    broken: Arc<AtomicUsize>,
}

impl BreakingLink {
    /// Each connection passes on up to `most` bytes of both ends together, how many is drawn.
    pub(crate) fn to(server: &Path, most: usize, seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (here, there) = (socket_in(directory.path()), socket_in(server));
        let listener = UnixListener::bind(here).unwrap();
        let broken = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&broken);
        thread::spawn(move || {
            let mut random = fastrand::Rng::with_seed(seed);
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&there) else { continue };
                let left = Arc::new(AtomicUsize::new(random.usize(1..most)));
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (left, broken) = (Arc::clone(&left), Arc::clone(&counted));
                    thread::spawn(move || pass_on(from, to, &left, &broken));
                }
            }
        });
        Self { directory, broken }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How many connections it has broken.
    pub(crate) fn broken(&self) -> usize {
        self.broken.load(Ordering::Relaxed)
    }
}

impl Drop for BreakingLink {
    fn drop(&mut self) {
        // The thread that accepts ends with the next client that finds no server.
        let _ = UnixStream::connect(socket_in(self.directory.path()));
    }
}

fn pass_on(mut from: UnixStream, mut to: UnixStream, left: &AtomicUsize, broken: &AtomicUsize) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let had = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(read)))
            .unwrap_or(0);
        if to.write_all(&buffer[..read.min(had)]).is_err() {
            break;
        }
        if had <= read {
            broken.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join(".s.PGSQL.5432")
}
