//! `irc-server` with the clients that people have: each talks with one of our own.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use tempfile::tempdir;

use crate::apps::irc::{IrcClient, IrcServer, user};
use crate::apps::peers;
use crate::apps::program::{Program, hearing_signals};
use crate::apps::terminal::Terminal;
use crate::apps::tools::is_there;

/// A client of ours in `#lobby`.
fn ann(server: &IrcServer) -> IrcClient<impl Read + Write + use<>> {
    let mut ann = user(server.plain, "ann");
    ann.ask("JOIN #lobby", " 366 ");
    ann
}

/// An account of this name, with the password `sesame-open`.
fn register(server: &IrcServer, account: &str) {
    let mut owner = user(server.plain, account);
    owner.ask("NS REGISTER sesame-open", "is yours");
    owner.ask("QUIT", "ERROR");
}

fn is_installed(program: &str, test: &str) -> bool {
    is_there(program, Command::new("sh").args(["-c", &format!("command -v {program}")]), test)
}

#[test]
fn irssi_logs_in_by_tls_with_the_certificate_pinned_and_talks() {
    if !is_installed("irssi", "irssi_logs_in_by_tls_with_the_certificate_pinned_and_talks") {
        return;
    }
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    register(&server, "irssi");
    let mut ann = ann(&server);
    let (_, fingerprint) = server.printed.rsplit_once(' ').unwrap();
    let configuration = format!(
        r##"servers = ({{ address = "127.0.0.1"; chatnet = "local"; port = "{}"; use_tls = "yes"; tls_verify = "no";
            tls_pinned_cert = "{fingerprint}"; autoconnect = "yes"; }});
        chatnets = {{ local = {{ type = "IRC"; nick = "irssi";
            sasl_mechanism = "PLAIN"; sasl_username = "irssi"; sasl_password = "sesame-open"; }}; }};
        channels = ({{ name = "#lobby"; chatnet = "local"; autojoin = "yes"; }});"##,
        server.tls.port()
    );
    fs::write(folder.path().join("config"), configuration).unwrap();
    let mut irssi = Terminal::run(&format!("LC_ALL=C.UTF-8 irssi --home='{}'", folder.path().display()));
    ann.until(":irssi!");
    ann.ask("WHOIS irssi", " 330 ann irssi irssi ");
    irssi.type_in("/window goto #lobby\r");
    irssi.type_in("grüße\r");
    assert!(ann.until("PRIVMSG").ends_with(" PRIVMSG #lobby :grüße"));
    ann.send("PRIVMSG #lobby :good \x1b[2Jmorning");
    irssi.expect_drawn("morning");
    irssi.type_in("/nick irssi2\r");
    ann.until(" NICK ");
    irssi.type_in("/quit enough\r");
    assert!(ann.until(" QUIT ").ends_with("enough"));
    irssi.expect_drawn("<exit 0>");
}

#[test]
fn weechat_takes_all_capabilities_that_it_knows_and_talks() {
    if !is_installed("weechat", "weechat_takes_all_capabilities_that_it_knows_and_talks") {
        return;
    }
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    let mut ann = ann(&server);
    let commands = [
        r#"/set irc.server_default.capabilities "*""#,
        &format!("/server add local 127.0.0.1/{} -notls", server.plain.port()),
        "/set irc.server.local.nicks weechat",
        "/set irc.server.local.autojoin #lobby",
        "/connect local",
    ];
    let commands: String = commands.iter().map(|command| format!(" -r '{command}'")).collect();
    let mut weechat = Terminal::run(&format!("LC_ALL=C.UTF-8 weechat --dir '{}'{commands}", folder.path().display()));
    ann.until(":weechat!");
    weechat.expect_drawn("ann");
    weechat.type_in("grüße\r");
    assert!(ann.until("PRIVMSG").ends_with(" PRIVMSG #lobby :grüße"));
    ann.send("PRIVMSG #lobby :good morning");
    weechat.expect_drawn("good morning");
    weechat.type_in("/away out\r");
    // It takes two lines at once for a paste, and asks.
    weechat.expect_drawn("](out)");
    weechat.type_in("/me waves\r");
    ann.until("\x01ACTION waves\x01");
    ann.ask("WHOIS weechat", " 301 ann weechat :out");
    weechat.type_in("/quit enough\r");
    assert!(ann.until(" QUIT ").ends_with("enough"));
    weechat.expect_drawn("<exit 0>");
}

#[test]
fn ii_talks_by_its_files() {
    if !is_installed("ii", "ii_talks_by_its_files") {
        return;
    }
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    let mut ann = ann(&server);
    let files = folder.path().join("127.0.0.1");
    let port = server.plain.port().to_string();
    ann.send("MONITOR + ii");
    let mut command = hearing_signals("ii");
    let ii = Program::start(command.args(["-s", "127.0.0.1", "-n", "ii", "-p", &port, "-i"]).arg(folder.path()));
    let write = |file: &str, line: &str| {
        let mut pipe = fs::OpenOptions::new().write(true).open(files.join(file)).unwrap();
        // At once: it drops what is not yet a whole line when it reads.
        pipe.write_all(format!("{line}\n").as_bytes()).unwrap();
    };
    // Its pipes are there before it says so to the server.
    ann.until(" 730 ");
    write("in", "/j #lobby");
    ann.until(":ii!");
    write("#lobby/in", "grüße");
    assert!(ann.until("PRIVMSG").ends_with(" PRIVMSG #lobby :grüße"));
    let mut heard = Program::start(Command::new("tail").args(["-F", "-n", "+1"]).arg(files.join("#lobby/out")));
    ann.send("PRIVMSG #lobby :good morning");
    while !heard.line().ends_with(" <ann> good morning") {}
    write("in", "/q enough");
    ann.until(" QUIT ");
    ii.finish().with_code(0);
}

#[test]
fn twisteds_client_joins_and_hears() {
    if !peers::twisted("twisteds_client_joins_and_hears") {
        return;
    }
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    let mut ann = user(server.plain, "ann");
    ann.ask("JOIN #test", " 366 ");
    ann.ask("TOPIC #test :what we test", " TOPIC ");
    let arguments = ["127.0.0.1".to_owned(), server.plain.port().to_string()];
    let client = Program::start(peers::script("twisted_irc_client.py").args(arguments));
    ann.until("\x01ACTION waves\x01");
    let mode = ann.ask("MODE #test +l 9", " MODE ");
    let who = mode[1..].split(' ').next().unwrap();
    ann.send("PRIVMSG #test :that is all");
    assert!(ann.until(" QUIT ").ends_with("enough"));
    let ended = client.finish().with_code(0);
    let told: Vec<_> = ended.stdout.lines().collect();
    let expected = [
        "signed on as twisty",
        "supported 9 k", // once for each line of what the server supports
        "supported 32 k",
        "supported 32 k",
        "joined #test",
        "topic irc.localhost #test what we test",
        &format!("mode {who} #test True l ('9',)"),
        &format!("privmsg {who} #test that is all"),
        "lost",
    ];
    assert_eq!(told, expected, "{}", ended.stderr);
}

#[test]
fn pydle_logs_in_and_talks() {
    let has_pydle = &mut Command::new("python3");
    if !is_there("Python's pydle", has_pydle.args(["-c", "import pydle, puresasl"]), "pydle_logs_in_and_talks") {
        return;
    }
    let folder = tempdir().unwrap();
    let server = IrcServer::start(&folder, &[]);
    register(&server, "pydle");
    let mut ann = ann(&server);
    let arguments = ["127.0.0.1", &server.plain.port().to_string(), "pydle", "sesame-open"].map(str::to_owned);
    let client = Program::start(peers::script("pydle_client.py").args(arguments));
    assert!(ann.until("PRIVMSG").ends_with(" PRIVMSG #lobby :grüße"));
    ann.ask("WHOIS pydle", " 330 ann pydle pydle ");
    ann.send("PRIVMSG #lobby :good morning");
    assert!(ann.until(" QUIT ").ends_with("enough"));
    let ended = client.finish().with_code(0);
    let told: Vec<_> = ended.stdout.lines().collect();
    let expected = ["joined #lobby pydle", "message #lobby ann good morning from ann", "lost, as expected"];
    assert_eq!(told, expected, "{}", ended.stderr);
}
