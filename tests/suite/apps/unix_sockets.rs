//! Both apps over UNIX sockets; R24: a socket that cannot be opened gives a clear error, and a dead socket is replaced.

use std::fs::Permissions;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, thread};

use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};

use crate::apps::program::Program;
use crate::apps::stamps::is_stamped;
use crate::apps::tools::as_nobody;
use crate::support::{PATIENCE, connect_unix, fresh_path, offer_descriptors};

/// A `time-server` that listens here.
#[track_caller]
fn serve(option: &str, path: &Path) -> Program {
    let mut server = Program::app("time-server", [option.as_ref(), path.as_os_str()]);
    assert_eq!(server.line_after(&format!("waiting for connection... {} ", &option[2..])), path.display().to_string());
    server
}

#[test]
fn client_and_server_talk_by_chunks_and_by_lines_and_leave_nothing_behind() {
    for (served, asked) in [("--unix", &[][..]), ("--unix-lines", &["--lines"])] {
        let (folder, path) = fresh_path();
        let mut server = serve(served, &path);
        let arguments = asked.iter().copied().chain(["--unix", path.to_str().unwrap()]);
        let mut client = Program::app("time-client", arguments);
        client.type_in("hello\n");
        assert!(is_stamped(client.line(), "hello"));
        client.type_in("again\n");
        assert!(is_stamped(client.line(), "again"));
        client.close_and_finish().with_code(0);
        assert_eq!(server.line(), "...connected from: (unnamed)");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.finish().with_code(0).stderr, "");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}

#[test]
fn an_abstract_name_does_as_well() {
    let name = format!("@time-server-test-{}", std::process::id());
    let _server = serve("--unix", Path::new(&name));
    let mut client = Program::app("time-client", ["--unix", &name]);
    client.type_in("hello\n");
    assert!(is_stamped(client.line(), "hello"));
    client.close_and_finish().with_code(0);
}

#[test]
fn a_server_that_was_killed_is_replaced_and_one_that_lives_is_not() {
    let (_folder, path) = fresh_path();
    let killed = serve("--unix", &path);
    let second = Program::app("time-server", ["--unix".as_ref(), path.as_os_str()]).finish().with_code(1);
    let expected = format!("time-server: cannot listen on {}: process ", path.display());
    assert!(second.stderr.starts_with(&expected) && second.stderr.lines().count() == 1, "{}", second.stderr);
    killed.signal(Signal::SIGKILL);
    killed.finish();
    assert!(path.exists());
    let client = Program::app("time-client", ["--unix".as_ref(), path.as_os_str()]).finish().with_code(1);
    assert_eq!(client.stderr, format!("time-client: cannot connect to {}: connection refused\n", path.display()));
    serve("--unix", &path);
}

#[test]
fn what_cannot_be_had_is_one_line_with_the_path_and_status_1_and_what_cannot_be_with_status_2() {
    let (folder, path) = fresh_path();
    fs::write(&path, "precious").unwrap();
    let long = folder.path().join("x".repeat(120));
    let missing = folder.path().join("no/socket");
    for (path, reason) in [
        (&path, "a file that is not a socket is in the way".to_owned()),
        (&missing, format!("there is no directory {}", missing.parent().unwrap().display())),
    ] {
        let ended = Program::app("time-server", ["--unix".as_ref(), path.as_os_str()]).finish().with_code(1);
        assert_eq!(ended.stderr, format!("time-server: cannot listen on {}: {reason}\n", path.display()));
    }
    let ended = Program::app("time-server", ["--unix".as_ref(), long.as_os_str()]).finish().with_code(2);
    let reason =
        format!("the path is {} bytes long, and the maximum is 107; choose a shorter one", long.as_os_str().len());
    assert!(ended.stderr.contains(&reason), "{}", ended.stderr);
    let ended = Program::app("time-client", ["--unix".as_ref(), missing.as_os_str()]).finish().with_code(1);
    assert_eq!(ended.stderr, format!("time-client: cannot connect to {}: no such file\n", missing.display()));
}

#[test]
fn without_the_permission_both_say_so() {
    let test = "without_the_permission_both_say_so";
    let (folder, path) = fresh_path();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let _server = serve("--unix", &path);
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    let Some((_copy, mut client)) = as_nobody("time-client", test) else { return };
    let ended = Program::start(client.arg("--unix").arg(&path)).finish().with_code(1);
    assert_eq!(ended.stderr, format!("time-client: cannot connect to {}: permission denied\n", path.display()));

    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let Some((_copy, mut server)) = as_nobody("time-server", test) else { return };
    let other = folder.path().join("other");
    let ended = Program::start(server.arg("--unix").arg(&other)).finish().with_code(1);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let reason = format!("permission denied (to write in {})", folder.path().display());
    assert_eq!(ended.stderr, format!("time-server: cannot listen on {}: {reason}\n", other.display()));
}

#[test]
fn descriptors_that_nobody_asked_for_are_closed() {
    let (_folder, path) = fresh_path();
    let server = serve("--unix", &path);
    let idle = server.descriptors();
    for _ in 0..20 {
        let mut client = connect_unix(&path);
        if let Err(refused) = offer_descriptors(&client, b"hi", &[client.as_fd(); 100]) {
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
            client.write_all(b"hi").unwrap();
        }
        let mut answer = [0; 29];
        client.read_exact(&mut answer).unwrap();
        assert!(is_stamped(answer, "hi"));
        client.write_all(b"bye").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
    }
    // They are closed on other threads. The last client's socket may still be there.
    let deadline = rig::now() + PATIENCE;
    while server.descriptors() > idle + 1 {
        assert!(rig::now() < deadline, "{} descriptors, {idle} before", server.descriptors());
        thread::yield_now();
    }
}

#[test]
fn a_client_whose_name_has_control_characters_in_it_writes_no_line_of_the_servers() {
    let (folder, path) = fresh_path();
    let mut server = serve("--unix", &path);
    let client = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
    let name = folder.path().join("a\n...connected from: root\x1b[2J");
    bind(client.as_raw_fd(), &UnixAddr::new(&name).unwrap()).unwrap();
    connect(client.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    let name = format!("{}/a\\n...connected from: root\\x1b[2J", folder.path().display());
    assert_eq!(server.line(), format!("...connected from: {name}"));
}
