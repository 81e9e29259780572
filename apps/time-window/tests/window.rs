//! The program in a window, on a screen in memory (Xvfb), with keys from xdotool. Pictures of it are left in
//! `target/tmp`. Where these programs are missing, there is nothing to test with, unless `CI` is set.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use std::{env, fs, iter};

#[test]
fn with_two_threads_it_sends_shows_and_connects_again() {
    sends_shows_and_connects_again("two-threads", &[]);
}

#[test]
fn with_one_loop_it_sends_shows_and_connects_again() {
    sends_shows_and_connects_again("one-loop", &["--one-loop"]);
}

fn sends_shows_and_connects_again(name: &str, options: &[&str]) {
    let Some(screen) = Screen::open() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_time-window"));
    program.arg(address.to_string()).args(options).env("DISPLAY", &screen.display).env_remove("WAYLAND_DISPLAY");
    let mut program = Ended(program.env("LIBGL_ALWAYS_SOFTWARE", "1").spawn().unwrap());
    let mut server = accept(&listener);
    screen.focus();
    let before = screen.picture();
    screen.type_line("hello");
    assert_eq!(answer(&mut server), "hello");
    let first = screen.changed(&before);
    // Nobody listens any more, until somebody does.
    drop((server, listener));
    let away = screen.changed(&first);
    let listener = TcpListener::bind(address).unwrap();
    let mut server = accept(&listener);
    let back = screen.changed(&away);
    screen.type_line("again");
    assert_eq!(answer(&mut server), "again");
    screen.changed(&back);
    screen.keep_picture(name);
    assert!(run(Command::new("kill").arg(program.0.id().to_string())).status.success());
    assert!(program.0.wait().unwrap().success());
}

/// The next connection to the server.
fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    BufReader::new(stream)
}

/// Answers the next line, as a time server does; returns it.
fn answer(server: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    server.read_line(&mut line).unwrap();
    write!(server.get_mut(), "[Sun Nov  1 16:58:06 2026] {line}").unwrap();
    line.trim_end().to_owned()
}

/// Generous: everything is drawn by the processor.
const DEADLINE: Duration = Duration::from_secs(120);

struct Screen {
    display: String,
    _server: Ended,
}

/// A process that is killed when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Screen {
    /// `None` if it cannot be had here.
    fn open() -> Option<Self> {
        for program in ["Xvfb", "xdotool", "import"] {
            if Command::new(program).arg("-version").output().is_err() {
                assert!(env::var_os("CI").is_none(), "{program} is missing");
                return None;
            }
        }
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-screen", "0", "640x400x24", "-nolisten", "tcp"]);
        let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut number = Vec::new();
        let mut output = server.stdout.take().unwrap();
        while number.last() != Some(&b'\n') {
            let mut byte = [0];
            assert_eq!(output.read(&mut byte).unwrap(), 1, "Xvfb has ended");
            number.extend(byte);
        }
        let display = format!(":{}", String::from_utf8(number).unwrap().trim());
        Some(Self { display, _server: Ended(server) })
    }

    /// Lets the window have what is typed, as a window manager would.
    fn focus(&self) {
        let search = [
            "search",
            "--sync",
            "--onlyvisible",
            "--name",
            "^Time$",
            "windowsize",
            "640",
            "400",
            "windowfocus",
            "--sync",
        ];
        assert!(self.run("xdotool", &search).status.success());
    }

    fn type_line(&self, text: &str) {
        assert!(self.run("xdotool", &["type", text]).status.success());
        assert!(self.run("xdotool", &["key", "Return"]).status.success());
    }

    fn picture(&self) -> Vec<u8> {
        self.run("import", &["-window", "root", "ppm:-"]).stdout
    }

    /// The picture, as soon as it is another.
    #[track_caller]
    fn changed(&self, before: &[u8]) -> Vec<u8> {
        let pictures = iter::repeat_with(|| self.picture()).take(2_000);
        // More than a cursor that blinks.
        let differs = |now: &[u8]| now.iter().zip(before).filter(|(now, before)| now != before).count() > 500;
        pictures.into_iter().find(|now| differs(now)).expect("the screen changes")
    }

    fn keep_picture(&self, name: &str) {
        let path = format!("{}/{name}.png", env!("CARGO_TARGET_TMPDIR"));
        fs::write(path, self.run("import", &["-window", "root", "png:-"]).stdout).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        run(Command::new(program).args(arguments).env("DISPLAY", &self.display))
    }
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}
