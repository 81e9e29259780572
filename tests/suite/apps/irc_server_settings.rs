//! `irc-server` as its administrator sees it.

use std::fs;
use std::io::Write;
use std::net::TcpListener;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::tempdir;

use crate::apps::irc::{IrcServer, command, user};
use crate::apps::net;
use crate::apps::program::Program;

#[test]
fn the_settings_that_it_prints_are_those_that_it_has_without_any() {
    let folder = tempdir().unwrap();
    let printed = Program::app("irc-server", ["--print-config"]).finish().with_code(0).stdout;
    fs::write(folder.path().join("irc.toml"), printed).unwrap();
    let checked = Program::start(command(&folder).args(["--check-config", "--config", "irc.toml"])).finish();
    assert_eq!(checked.with_code(0).stdout, "the settings are right\n");
}

#[test]
fn wrong_settings_are_told_by_line_and_it_does_not_start() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("irc.toml");
    fs::write(&path, "[limits]\nnick-length = 0\nnick-lenght = 9\n").unwrap();
    let ended = Program::start(command(&folder).args(["--config", "irc.toml"])).finish().with_code(1);
    assert_eq!(
        ended.stderr,
        "irc-server: irc.toml:2: `nick-length` must be a whole number from 1 to 64, not 0\n\
         irc.toml:3: there is no `nick-lenght` in [limits]; did you mean `nick-length`?\n"
    );
    let ended = Program::start(command(&folder).args(["--config", "none.toml"])).finish().with_code(1);
    assert!(
        ended.stderr.starts_with("irc-server: cannot read the settings none.toml: No such file"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_keeps_it_from_serving_is_one_sentence() {
    let folder = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    fs::write(folder.path().join("text"), "not a database, but a text of some length".repeat(50)).unwrap();
    for (options, sentence) in [
        (["--listen", &taken.1], "end the other program, or choose another port (0: any)"),
        (["--listen", "nonsense"], "cannot listen where `plain` of the settings says: "),
        (["--database", "text"], "cannot use the database text: file is not a database"),
        (["--database", "none/irc.db"], "cannot use the database none/irc.db: No such file"),
    ] {
        let ended = Program::start(command(&folder).args(["-q"]).args(options)).finish().with_code(1);
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.starts_with("irc-server: ") && last.contains(sentence), "{options:?}: {}", ended.stderr);
    }
}

#[test]
fn an_operator_has_the_settings_read_again() {
    let folder = tempdir().unwrap();
    let mut hashing = Program::app("irc-server", ["--hash-password"]);
    hashing.type_in("opensesame\n");
    let hash = hashing.finish().with_code(0).stdout;
    let write = |motd: &str, name: &str| {
        let oper = format!("[[oper]]\nname = \"root\"\npassword = \"{}\"\n", hash.trim());
        let text = format!("[server]\nmotd = \"{motd}\"\nname = \"{name}\"\n{oper}");
        fs::write(folder.path().join("irc.toml"), text).unwrap();
    };
    write("old news", "irc.one.example");
    let mut server = IrcServer::start(&folder, &["--config", "irc.toml"]);
    let mut ann = user(server.plain, "ann");
    ann.ask("MOTD", ":- old news");
    write("good news", "irc.other.example");
    ann.ask("OPER root opensesame", " 381 ");
    ann.ask("REHASH", " 382 ");
    server.program.stderr_line_with("these change only with a new start: [server] name");
    assert!(ann.ask("MOTD", ":- good news").starts_with(":irc.one.example "));
    write("no news", "irc.one.example");
    server.program.signal(Signal::SIGHUP);
    server.program.stderr_line_with("the settings were read again");
    ann.ask("MOTD", ":- no news");
    fs::write(folder.path().join("irc.toml"), "nonsense").unwrap();
    server.program.signal(Signal::SIGHUP);
    server.program.stderr_line_with("irc.toml:1: ");
    ann.ask("MOTD", ":- no news");
}

#[test]
fn it_tells_its_numbers_and_its_log_as_json() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("irc.toml"), "[listen]\nmetrics = [\"localhost:0\"]\n").unwrap();
    let options = ["--config", "irc.toml", "--log-format", "json"];
    let mut program = Program::start(command(&folder).args(options));
    let plain = program.line_after("listening on irc://").parse().unwrap();
    program.line_after("listening on ircs://");
    let metrics = program.line_after("listening on http://").parse().unwrap();
    let mut ann = user(plain, "ann");
    ann.ask("JOIN #lobby", " 366 ");
    let mut request = net::connect(metrics);
    request.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let page = String::from_utf8(net::read_to_end(&mut request)).unwrap();
    for line in ["irc_server_clients 1", "irc_server_users 1", "irc_server_channels 1", "irc_server_store_waiting 0"] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
    program.signal(Signal::SIGTERM);
    for line in program.finish().with_code(0).stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"] == "INFO"), "{line}");
    }
}
