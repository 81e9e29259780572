use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::{fs, io, process, thread};

use reactor::address::UnixAddress;
use reactor::port::AcceptLimits;
use reactor::testing::Simulation;
use reactor::unix::UnixListenOptions;
use reactor::{Address, Port, Reactor, Transport, run_on_threads};
use tempfile::tempdir;

use crate::support::{Callback, Log, PATIENCE, Recorder, connect_unix, fresh_path, in_time, test_reactor};
use crate::unix::{dead_process, echoing, idle};

fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

fn close(reactor: &Reactor, port: &Port) {
    reactor.run_until(port.stop_listening()).unwrap();
}

#[track_caller]
fn failure(options: impl Into<UnixListenOptions>) -> io::Error {
    test_reactor().listen_unix(options, idle).unwrap_err()
}

#[test]
fn s185_the_socket_has_the_mode_asked_for_and_its_file_goes_with_the_port() {
    for (asked, mode) in [(None, 0o666), (Some(0o600), 0o600), (Some(0o777), 0o777), (Some(0), 0)] {
        in_time(move || {
            let (folder, path) = fresh_path();
            let reactor = test_reactor();
            let options = UnixListenOptions::new(&path);
            let options = asked.into_iter().fold(options, UnixListenOptions::mode);
            let port = reactor.listen_unix(options, idle).unwrap();
            let file = fs::symlink_metadata(&path).unwrap();
            assert!(file.file_type().is_socket());
            assert_eq!(file.permissions().mode() & 0o777, mode);
            close(&reactor, &port);
            assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        });
    }
}

#[test]
fn s185_a_reactor_that_never_ran_removes_the_file_too() {
    let (folder, path) = fresh_path();
    let reactor = test_reactor();
    reactor.listen_unix(UnixListenOptions::new(&path).lock(true), idle).unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    drop(reactor);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn s185_a_file_that_is_no_longer_the_ports_is_left_alone() {
    in_time(|| {
        let (_folder, path) = fresh_path();
        let reactor = test_reactor();
        let port = reactor.listen_unix(&path, idle).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        close(&reactor, &port);
        assert!(path.exists());
    });
}

#[test]
fn s185_an_abstract_name_leaves_no_file_and_is_free_again_when_the_port_has_closed() {
    in_time(|| {
        let name = format!("@reactor-test-{}", process::id());
        let reactor = test_reactor();
        let port = reactor.listen_unix(&*name, idle).unwrap();
        assert_eq!(port.host().to_string(), name);
        let error = failure(&*name);
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("cannot listen on {name}: another socket has this name"));
        close(&reactor, &port);
        test_reactor().listen_unix(UnixListenOptions::new(&*name).lock(true), idle).unwrap();
    });
}

#[test]
fn s186_a_lock_names_the_process_and_lasts_as_long_as_the_port() {
    in_time(|| {
        let (folder, path) = fresh_path();
        let reactor = test_reactor();
        let options = UnixListenOptions::new(&path).lock(true);
        let port = reactor.listen_unix(options.clone(), idle).unwrap();
        assert_eq!(fs::read_link(lock_of(&path)).unwrap().to_str(), Some(&*process::id().to_string()));
        let error = failure(options.clone());
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let (path, holder) = (path.display(), process::id());
        assert_eq!(error.to_string(), format!("cannot listen on {path}: process {holder} has the lock {path}.lock"));
        close(&reactor, &port);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        test_reactor().listen_unix(options, idle).unwrap();
    });
}

#[test]
fn s186_the_lock_of_a_living_process_is_respected_and_what_is_no_lock_left_alone() {
    let (_folder, path) = fresh_path();
    let lock = lock_of(&path);
    symlink(parent_id().to_string(), &lock).unwrap();
    let options = UnixListenOptions::new(&path).lock(true);
    let error = failure(options.clone()).to_string();
    assert!(error.contains(&format!("process {} has the lock", parent_id())), "{error}");
    fs::remove_file(&lock).unwrap();
    for make in [|lock: &Path| fs::write(lock, "1").unwrap(), |lock: &Path| symlink("elsewhere", lock).unwrap()] {
        make(&lock);
        let error = failure(options.clone()).to_string();
        assert!(error.ends_with(".lock is in the way, and is not a lock"), "{error}");
        assert!(fs::symlink_metadata(&lock).is_ok());
        fs::remove_file(&lock).unwrap();
    }
}

#[test]
fn s186_a_stale_lock_is_broken_and_the_dead_socket_beside_it_replaced() {
    // The second is what the same program in a container leaves behind: every time it has the same number.
    for holder in [dead_process(), process::id()] {
        let (_folder, path) = fresh_path();
        drop(UnixListener::bind(&path).unwrap());
        symlink(holder.to_string(), lock_of(&path)).unwrap();
        let reactor = test_reactor();
        reactor.listen_unix(UnixListenOptions::new(&path).lock(true), idle).unwrap();
        assert_eq!(fs::read_link(lock_of(&path)).unwrap().to_str(), Some(&*process::id().to_string()));
        UnixListener::bind(&path).unwrap_err();
    }
}

#[test]
fn s186_beside_a_stale_lock_nothing_but_a_dead_socket_is_removed() {
    let (_folder, path) = fresh_path();
    let living = UnixListener::bind(&path).unwrap();
    let holder = dead_process();
    symlink(holder.to_string(), lock_of(&path)).unwrap();
    let options = UnixListenOptions::new(&path).lock(true);
    let error = failure(options.clone()).to_string();
    assert!(error.ends_with(&format!("process {holder} has the lock {}", lock_of(&path).display())), "{error}");
    assert!(
        path.exists() && lock_of(&path).is_symlink(),
        "in a container of its own the process may have another number"
    );

    fs::remove_file(lock_of(&path)).unwrap();
    drop(living);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    symlink(dead_process().to_string(), lock_of(&path)).unwrap();
    let error = failure(options);
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}: a file that is not a socket is in the way", path.display())
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn s187_a_left_over_socket_is_an_error_that_says_what_to_do() {
    let (_folder, path) = fresh_path();
    drop(UnixListener::bind(&path).unwrap());
    let error = failure(&path);
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let reason =
        "in use: another program listens there, or has left its socket behind (then remove it, or listen with a lock)";
    assert_eq!(error.to_string(), format!("cannot listen on {}: {reason}", path.display()));
    assert!(path.exists());
}

#[test]
fn what_cannot_be_listened_on_is_an_error_that_names_it_and_says_why() {
    let folder = tempdir().unwrap();
    let folder = folder.path().display();
    let long = format!("{folder}/{}", "x".repeat(120));
    let len = long.len();
    for (path, kind, reason) in [
        (format!("{folder}/no/socket"), io::ErrorKind::NotFound, format!("there is no directory {folder}/no")),
        (
            long,
            io::ErrorKind::InvalidInput,
            format!("the path is {len} bytes long, and the maximum is 107; choose a shorter one"),
        ),
        (String::new(), io::ErrorKind::InvalidInput, "the path is empty".to_owned()),
        (format!("{folder}/a\0b"), io::ErrorKind::InvalidInput, "the path has a NUL byte in it".to_owned()),
    ] {
        let error = failure(&*path);
        let path = path.replace('\0', "\\x00");
        assert_eq!((error.kind(), error.to_string()), (kind, format!("cannot listen on {path}: {reason}")));
    }
    assert_eq!(failure(UnixAddress::unnamed()).to_string(), "cannot listen on (unnamed): it has no name");
}

#[test]
fn where_there_are_no_unix_sockets_the_error_says_so() {
    let sim = Simulation::new(1);
    let error = sim.host("here").listen_unix("/run/a", idle).unwrap_err();
    assert_eq!(error.to_string(), "cannot listen on /run/a: this reactor is in memory and has no sockets");
}

#[test]
fn several_reactors_share_a_socket_and_its_lock_and_the_last_removes_them() {
    let (folder, path) = fresh_path();
    let options = UnixListenOptions::new(&path).lock(true);
    let (tell, told) = mpsc::channel();
    let running = thread::spawn(move || {
        run_on_threads(2, |reactor| {
            reactor.set_signal_handling(false);
            reactor.listen_tcp("127.0.0.1:0", idle)?;
            reactor.listen_unix(options.clone(), echoing)?;
            let (tell, running) = (tell.clone(), reactor.clone());
            reactor.call_when_running(move || tell.send(running.remote()).unwrap());
            Ok(())
        })
    });
    let remotes = [told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap()];
    for _ in 0..20 {
        let mut client = connect_unix(&path);
        client.write_all(b"hi").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
    }
    remotes[0].stop();
    running.join().unwrap().unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_reactor_that_shares_a_socket_goes_on_when_another_has_closed_its_port() {
    let (_folder, path) = fresh_path();
    let socket = path.clone();
    let (tell, told) = mpsc::channel();
    let running = thread::spawn(move || {
        run_on_threads(2, |reactor| {
            reactor.set_signal_handling(false);
            let port = reactor.listen_unix(&socket, echoing)?;
            let is_first = thread::current().name().is_none();
            let (tell, running) = (tell.clone(), reactor.clone());
            reactor.call_when_running(move || {
                let closing = is_first.then(|| port.stop_listening());
                let remote = running.remote();
                running.spawn(async move {
                    if let Some(closing) = closing {
                        closing.await;
                    }
                    tell.send(remote).unwrap();
                });
            });
            Ok(())
        })
    });
    let remotes = [told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap()];
    let mut client = connect_unix(&path);
    client.write_all(b"hi").unwrap();
    client.read_exact(&mut [0; 2]).unwrap();
    remotes[0].stop();
    running.join().unwrap().unwrap();
    assert!(!path.exists());
}

#[test]
fn s189_addresses_are_paths_names_or_nothing_and_compare_by_value() {
    in_time(|| {
        let (_folder, path) = fresh_path();
        let reactor = test_reactor();
        let ends = Log::default();
        let note = {
            let ends = ends.clone();
            move |transport: Transport| {
                let ends = ends.clone();
                let is_client = transport.host() == Address::from(UnixAddress::unnamed());
                Recorder::new(transport, Log::default()).on(Callback::Made, move |this| {
                    let who = if is_client { "client" } else { "server" };
                    ends.add(format!("{who}: {} {}", this.transport.host(), this.transport.peer()));
                    let credentials = this.transport.peer_credentials().unwrap();
                    assert_eq!(credentials.process, i32::try_from(process::id()).ok());
                    if !is_client {
                        this.transport.lose_connection();
                    }
                })
            }
        };
        let note = reactor::share(note);
        let port = reactor.listen_unix(&path, note.clone()).unwrap();
        assert_eq!(port.host(), Address::Unix(UnixAddress::from_path(&path)));
        assert_eq!(port.host().socket_addr(), None);
        let client = reactor.connect_unix(&path, note);
        reactor.run_until(client.finished()).unwrap().unwrap();
        let mut lines = ends.lines();
        lines.sort();
        let path = path.display();
        assert_eq!(lines, [format!("client: (unnamed) {path}"), format!("server: {path} (unnamed)")]);
    });
    assert_eq!(UnixAddress::from("@a\0b").to_string(), "@a\\x00b");
    assert_eq!(UnixAddress::from_path("/run/a\n\x1b[2Jb").to_string(), "/run/a\\n\\x1b[2Jb");
    assert_ne!(UnixAddress::from_path("@a"), UnixAddress::from("@a"));
    assert_eq!(UnixAddress::from("\0a"), UnixAddress::from("@a"));
}

#[test]
fn clients_beyond_the_maximum_are_closed_at_once() {
    in_time(|| {
        let (_folder, path) = fresh_path();
        let reactor = test_reactor();
        let options = UnixListenOptions::new(&path).limits(AcceptLimits::new().connections(1));
        let port = reactor.listen_unix(options, idle).unwrap();
        let clients = [(); 2].map(|()| reactor.connect_unix(&path, idle));
        reactor.run_until(clients[1].finished()).unwrap().unwrap();
        assert_eq!(port.refusals().total(), 1);
    });
}
