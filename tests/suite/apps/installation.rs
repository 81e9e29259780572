//! What is installed with the apps.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::apps::binaries::binary;
use crate::apps::program::Program;
use crate::apps::tools::is_there;

/// A directory with everything below it.
#[track_caller]
fn installed() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("install"));
    command.arg("--programs").arg(binary("time-server").parent().unwrap()).arg("--root").arg(root.path()).arg("/usr");
    let ended = Program::start(&mut command).finish().with_code(0);
    let files = ended.stdout.lines().map(Path::new);
    assert!(files.clone().count() >= 23 && files.clone().all(Path::is_file), "{}", ended.stdout);
    root
}

#[test]
fn programs_run_from_where_they_are_installed_and_units_name_that_place() {
    let root = installed();
    for program in ["time-server", "time-client", "reactor-top", "irc-server"] {
        let path = root.path().join("usr/bin").join(program);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        Program::start(Command::new(path).arg("--version")).finish().with_code(0);
    }
    for (name, program) in [("time.service", "time-server"), ("irc.service", "irc-server")] {
        let unit = fs::read_to_string(root.path().join("usr/lib/systemd/system").join(name)).unwrap();
        let starts = format!("\nExecStart=/usr/bin/{program} ");
        assert!(unit.contains(&starts) && !unit.contains("/usr/local"), "{unit}");
    }
}

#[test]
fn manual_pages_say_what_the_help_says() {
    let test = "manual_pages_say_what_the_help_says";
    if !is_there("man", Command::new("man").arg("--version"), test) {
        return;
    }
    let root = installed();
    for (program, expected) in [
        ("time-server", ["--log-format", "  unix:PATH[:mode=666][:backlog=N]", "Exit status: 0 after a signal"]),
        (
            "time-client",
            [
                "--no-history",
                "  tcp://HOST:PORT, tls://HOST:PORT    the same as a URL",
                "  130  it was interrupted while",
            ],
        ),
        ("irc-server", ["--print-config", "  port (127.0.0.1:6667, [::1]:6667", "Exit status: 0 after a signal"]),
        ("reactor-top", ["--interval", "  unix:/run/time-server.sock     the same", "  1  there is no terminal"]),
    ] {
        let page = root.path().join(format!("usr/share/man/man1/{program}.1"));
        let mut command = Command::new("man");
        command.args(["--warnings", "--encoding=utf8", "--local-file"]).arg(page).env("MANWIDTH", "100");
        let ended = Program::start(command.env("LC_ALL", "C.UTF-8")).finish().with_code(0);
        assert_eq!(ended.stderr, "");
        for text in expected {
            assert!(ended.stdout.contains(text), "{text:?} is not in\n{}", ended.stdout);
        }
    }
}

#[test]
fn shells_complete_the_options() {
    let test = "shells_complete_the_options";
    if !is_there("bash", Command::new("bash").arg("--version"), test) {
        return;
    }
    let root = installed();
    for (program, option) in
        [("time-server", "--log-f"), ("time-client", "--no-h"), ("reactor-top", "--int"), ("irc-server", "--print-c")]
    {
        let file = root.path().join("usr/share/bash-completion/completions").join(program);
        let script = "source \"$0\"; COMP_WORDS=(\"$1\" \"$2\"); COMP_CWORD=1; COMP_LINE=\"$1 $2\"; COMP_POINT=${#COMP_LINE}
            function=$(complete -p \"$1\" | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \"$function\" \"$1\" \"$2\" \"$1\"; echo \"${COMPREPLY[*]}\"";
        let mut command = Command::new("bash");
        let ended =
            Program::start(command.args(["-c", script]).arg(file).args([program, option])).finish().with_code(0);
        assert!(ended.stdout.starts_with(option), "{ended:?}");
    }
}
