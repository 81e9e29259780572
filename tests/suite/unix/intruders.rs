//! What others on the machine can and cannot do to a socket's file and its lock.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::parent_id;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use reactor::address::UnixAddress;
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::unix::{UnixDatagramOptions, UnixListenOptions};

use crate::support::{fresh_path, test_reactor};
use crate::unix::{dead_process, idle};

/// A protocol that does nothing with datagrams.
struct Deaf;

impl DatagramProtocol<UnixAddress> for Deaf {
    fn datagram_received(&mut self, _data: &[u8], _peer: UnixAddress) {}
}

fn deaf(_transport: DatagramTransport<UnixAddress>) -> Deaf {
    Deaf
}

#[test]
fn a_user_who_can_only_read_the_directory_does_not_keep_a_server_from_replacing_a_dead_one() {
    let (folder, path) = fresh_path();
    drop(UnixListener::bind(&path).unwrap());
    symlink(dead_process().to_string(), path.with_extension("lock")).unwrap();
    let stranger = File::open(folder.path()).unwrap();
    stranger.lock().unwrap();
    test_reactor().listen_unix(UnixListenOptions::new(&path).lock(true), idle).unwrap();
}

#[test]
fn a_lock_is_taken_in_turns_by_way_of_a_file_that_nobody_else_can_open() {
    let (folder, path) = fresh_path();
    let turn = path.with_extension("lock.turn");
    let other = File::create(&turn).unwrap();
    other.lock().unwrap();
    let options = UnixListenOptions::new(&path).lock(true);
    let error = test_reactor().listen_unix(options.clone(), idle).unwrap_err().to_string();
    assert!(error.ends_with(&format!("another process is taking the lock {}", path.with_extension("lock").display())));
    drop(other);
    let reactor = test_reactor();
    reactor.listen_unix(options.clone(), idle).unwrap();
    assert!(!turn.exists());
    drop(reactor);

    let precious = folder.path().join("precious");
    fs::write(&precious, "").unwrap();
    symlink(&precious, &turn).unwrap();
    let error = test_reactor().listen_unix(options, idle).unwrap_err().to_string();
    assert!(error.ends_with(".lock.turn is in the way, and is not a lock"), "{error}");
}

#[test]
fn a_dead_socket_is_replaced_though_the_number_of_its_process_is_another_programs_by_now() {
    let (_folder, path) = fresh_path();
    drop(UnixListener::bind(&path).unwrap());
    symlink(parent_id().to_string(), path.with_extension("lock")).unwrap();
    test_reactor().listen_unix(UnixListenOptions::new(&path).lock(true), idle).unwrap();

    let (_folder, path) = fresh_path();
    drop(UnixDatagram::bind(&path).unwrap());
    symlink(parent_id().to_string(), path.with_extension("lock")).unwrap();
    let reactor = test_reactor();
    reactor.listen_unix_datagram(UnixDatagramOptions::new(&path).lock(true), deaf).unwrap();
    // The second finds the first alive, though that takes no connections.
    let options = UnixDatagramOptions::new(&path).lock(true);
    let error = test_reactor().listen_unix_datagram(options, deaf).unwrap_err().to_string();
    assert!(error.contains("has the lock"), "{error}");
}

/// The mode is not set by path, because another user could have replaced the file by a link.
#[test]
fn the_mode_of_a_socket_is_never_given_to_a_file_that_takes_its_name() {
    let (folder, path) = fresh_path();
    let precious = folder.path().join("precious");
    fs::write(&precious, "").unwrap();
    fs::set_permissions(&precious, Permissions::from_mode(0o600)).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if fs::remove_file(&path).is_ok() {
                    let _ = symlink(&precious, &path);
                }
            }
        });
        for _ in 0..STARTS {
            // It fails where the link is in its way.
            drop(test_reactor().listen_unix(UnixListenOptions::new(&path).mode(0o666), idle));
            let _ = fs::remove_file(&path);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::metadata(&precious).unwrap().permissions().mode() & 0o777, 0o600);
}

const STARTS: usize = 1_000;
