//! Both apps with endpoint descriptions.

use std::fs::read_link;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::apps::binaries::binary;
use crate::apps::net;
use crate::apps::program::Program;
use crate::apps::stamps::is_stamped;
use crate::apps::tools::is_there;
use crate::protocols::tls::Authority;
use crate::support::{connect_unix, fresh_path};

/// What a client gets for a line.
#[track_caller]
fn ask(arguments: &[&str], line: &str) {
    let mut client = Program::app("time-client", arguments);
    client.type_in(format!("{line}\n"));
    assert!(is_stamped(client.line(), line), "{arguments:?}");
    client.close_and_finish().with_code(0);
}

#[test]
fn client_and_server_meet_at_whatever_both_are_told() {
    let (folder, path) = fresh_path();
    let unix = format!("unix:{}:mode=600", path.display());
    let mut server = Program::app(
        "time-server",
        ["--tcp", &unix, "--lines", "tcp:0:interface=127.0.0.1", "--tcp", "web:tcp6:0", "--tcp", "haproxy:tcp:0"],
    );
    assert_eq!(server.line_after("waiting for connection... tcp "), path.display().to_string());
    let web = server.line_after("waiting for connection... tcp ws://[::]:").replace('/', "");
    let proxied = server.line_after("waiting for connection... tcp 0.0.0.0:");
    let lines = server.line_after("waiting for connection... lines 127.0.0.1:");
    ask(&[&format!("unix:{}", path.display())], "hello");
    ask(&["--lines", &format!("tcp:localhost:{lines}:timeout=20.5")], "a line");
    ask(&[&format!("web:tcp:127.0.0.1:{web}")], "in a message");
    let mut proxied = net::connect(format!("127.0.0.1:{proxied}").parse().unwrap());
    proxied.write_all(b"PROXY TCP4 192.0.2.1 203.0.113.7 56324 443\r\nhello").unwrap();
    assert!(is_stamped(net::read(&mut proxied, 32), "hello"));
    drop(proxied);
    server.signal(Signal::SIGTERM);
    let ended = server.finish().with_code(0);
    assert!(ended.stderr.is_empty() && ended.stdout.ends_with("...connected from: 192.0.2.1:56324\n"), "{ended:?}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn the_client_takes_every_address_that_the_server_prints() {
    let (folder, path) = fresh_path();
    let authority = Authority::new();
    authority.issue("server", &["127.0.0.1"]);
    let [ca, chain, key] = ["", "server.pem", "server.key"].map(|file| match file {
        "" => authority.path().display().to_string(),
        file => authority.folder().join(file).display().to_string(),
    });
    let tls = format!("tls:0:interface=127.0.0.1:certificate={chain}:key={key}");
    let web = format!("web:text=yes:path=/here:{tls}");
    let options = ["--tcp", "localhost:0", "--tcp", "[::1]:0", "--tcp", &tls, "--tcp", &web, "--lines", "127.0.0.1:0"];
    let more = ["--udp", "127.0.0.1:0", "--web", "localhost:0", "--web", &tls, "--unix", path.to_str().unwrap()];
    let mut server = Program::app("time-server", options.into_iter().chain(more));
    for (service, beginning) in [
        ("tcp", "127.0.0.1:"),
        ("tcp", "[::1]:"),
        ("tcp", "tls://127.0.0.1:"),
        ("tcp", "wss://127.0.0.1:"),
        ("lines", "127.0.0.1:"),
        ("web", "http://127.0.0.1:"),
        ("web", "https://127.0.0.1:"),
        ("unix", "/"),
        ("udp", "127.0.0.1:"),
    ] {
        let printed = server.line_after(&format!("waiting for connection... {service} "));
        assert!(printed.starts_with(beginning), "{printed}");
        let option = match service {
            "lines" | "udp" => vec![format!("--{service}")],
            _ if printed.contains("s://") => vec!["--ca".to_owned(), ca.clone()],
            _ => Vec::new(),
        };
        let arguments: Vec<_> = option.iter().map(String::as_str).chain([&*printed]).collect();
        ask(&arguments, "hello");
    }
    drop((server, folder));
}

#[test]
fn s142_a_client_talks_to_a_server_that_it_runs_itself() {
    let server = binary("time-server").display();
    let mut client = Program::app("time-client", ["--allow-exec", &format!("exec:{server}:--stdio")]);
    for line in ["hello", "again"] {
        client.type_in(format!("{line}\n"));
        assert!(is_stamped(client.line(), line));
    }
    client.close_and_finish().with_code(0);
    ask(&["--lines", "--allow-exec", &format!("exec:{server}:--lines=stdio\\:")], "a line");
    // It must be allowed first, because the description may come from others.
    let ended = Program::app("time-client", [format!("exec:{server}:--stdio")]).finish().with_code(2);
    assert!(ended.stderr.contains("\"exec\" (at 0) is not allowed here: it runs a program"), "{}", ended.stderr);
    let ended = Program::app("time-client", ["--allow-exec", "exec:false"]).finish().with_code(1);
    assert_eq!(ended.stderr, "time-client: connection lost: the process has ended with exit status: 1\n");
}

#[test]
fn s142_standard_input_and_output_are_one_connection_whose_end_closes_the_port() {
    let mut server = Program::app("time-server", ["--tcp", "stdio:"]);
    server.type_in("hello");
    server.close_stdin();
    assert!(is_stamped(server.line(), "hello"));
    let ended = server.finish().with_code(0);
    assert_eq!((&ended.stdout[..], &ended.stderr[..]), ("", ""));
}

/// A server that has inherited a listening socket as its standard input.
fn with_socket(arguments: &[&str]) -> (std::net::SocketAddr, Command) {
    let (listener, address) = net::listen();
    let mut command = Command::new(binary("time-server"));
    command.args(arguments).stdin(OwnedFd::from(listener)).stdout(Stdio::piped()).stderr(Stdio::piped());
    (address, command)
}

#[test]
fn s142_an_inherited_socket_is_taken_by_its_number() {
    let (address, mut command) = with_socket(&["--tcp", "fd:0"]);
    let mut server = command.spawn().unwrap();
    let mut client = net::connect(address);
    client.write_all(b"hello").unwrap();
    assert!(is_stamped(net::read(&mut client, 32), "hello"));
    // Neither the socket nor what was opened next.
    assert_eq!(read_link(format!("/proc/{}/fd/0", server.id())).unwrap(), Path::new("/dev/null"));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn s142_an_inherited_socket_is_taken_once_and_what_is_none_is_left_alone() {
    for (arguments, reason) in [
        (&["--tcp", "fd:0", "--lines", "fd:0"][..], "fd:0: descriptor 0 was already taken"),
        (&["--tcp", "fd:1"], "fd:1: descriptor 1 is not a socket"),
        (&["--tcp", "fd:777"], "fd:777: descriptor 777 is not open"),
        (&["--tcp", "fd:3"], "fd:3: descriptor 3 was opened by this process, not inherited"),
        (
            &["--tcp", "systemd:index=0"],
            "systemd:index=0: no sockets were passed to this program: LISTEN_PID is not set",
        ),
    ] {
        let (_, mut command) = with_socket(arguments);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("time-server: cannot listen on {reason}\n"));
    }
}

/// A command that starts a server when a client connects to one of these paths; `names` are those of the sockets, if any.
fn activated(sockets: &[&Path], names: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new("systemd-socket-activate");
    for socket in sockets {
        command.arg("--listen").arg(socket);
    }
    if !names.is_empty() {
        command.arg(format!("--fdname={names}"));
    }
    let mut program = Program::start(command.arg(binary("time-server")).args(arguments));
    for socket in sockets {
        program.stderr_line_with(&format!("Listening on {}", socket.display()));
    }
    program
}

/// Whether there is such a program.
fn is_installed(test: &str) -> bool {
    is_there("systemd-socket-activate", Command::new("systemd-socket-activate").arg("--version"), test)
}

#[test]
fn s142_sockets_of_systemd_are_taken_by_index_and_by_name() {
    if !is_installed("s142_sockets_of_systemd_are_taken_by_index_and_by_name") {
        return;
    }
    let ((_one, one), (_two, two), (_three, three)) = (fresh_path(), fresh_path(), fresh_path());
    let arguments =
        ["--tcp", "systemd:domain=UNIX:index=1", "--lines", "systemd:name=lines", "--lines", "systemd:name=lines"];
    let mut server = activated(&[&one, &two, &three], "lines:chunks:lines", &arguments);
    let mut client = connect_unix(&two);
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 32];
    client.read_exact(&mut answer).unwrap();
    assert!(is_stamped(answer, "hello"));
    for (service, path) in [("tcp", &two), ("lines", &one), ("lines", &three)] {
        assert_eq!(server.line(), format!("waiting for connection... {service} {}", path.display()));
    }
    for path in [&one, &three] {
        let mut client = connect_unix(path);
        client.write_all(b"a line\r\n").unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(is_stamped(String::from_utf8(answer).unwrap().trim_end(), "a line"));
    }
    server.signal(Signal::SIGTERM);
    server.finish().with_code(0);
    assert!(one.exists(), "the file is systemd's");
}

#[test]
fn s142_what_systemd_has_not_handed_over_is_explained() {
    if !is_installed("s142_what_systemd_has_not_handed_over_is_explained") {
        return;
    }
    for (endpoint, names, reason) in [
        ("systemd:index=1", "", "there is no socket with the index 1: there is one, with the index 0"),
        ("systemd:name=web", "time", "there is no socket with the name \"web\"; known names: time"),
        ("systemd:domain=INET:index=0", "", "descriptor 3 is a socket of another domain"),
    ] {
        let (_folder, path) = fresh_path();
        let server = activated(&[&path], names, &["--tcp", endpoint]);
        let _client = connect_unix(&path);
        let ended = server.finish().with_code(1);
        let expected = format!("time-server: cannot listen on {endpoint}: {reason}\n");
        assert!(ended.stderr.ends_with(&expected), "{}", ended.stderr);
    }
}
