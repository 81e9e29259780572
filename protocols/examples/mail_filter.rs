//! A mail filter for the Courier server: `mail_filter SOCKET`. Courier connects to the UNIX socket, and sends the name
//! of a message's file and those of its control files, one per line, and an empty line; the answer decides what happens
//! to the message. The filter runs until its standard input ends, and closes descriptor 3 when it is ready.

use std::error::Error;
use std::os::fd::RawFd;
use std::{env, fs, io, process};

use nix::unistd::close;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::{Protocol, Reactor};

/// The descriptor whose closing Courier waits for.
const READY: RawFd = 3;

/// Reads until the end; nothing is expected.
struct UntilTheEnd;

impl Protocol for UntilTheEnd {
    fn data_received(&mut self, _data: &[u8]) {}
}

struct MailProcessor {
    lines: Lines,
    /// The file of the message, then the control files.
    files: Vec<String>,
}

impl LineHandler for MailProcessor {
    fn line_received(&mut self, line: &[u8]) {
        if !line.is_empty() {
            self.files.push(String::from_utf8_lossy(line).into_owned());
        } else if self.files.is_empty() {
            self.lines.lose_connection();
        } else {
            self.filter_message();
        }
    }
}

impl MailProcessor {
    fn filter_message(&mut self) {
        let file = self.files.swap_remove(0);
        self.files.clear();
        let filtered = self.lines.reactor().defer_to_thread(move || filter(&file));
        self.lines.pause_reading();
        self.lines.defer(filtered, |this: &mut Self, filtered| {
            match filtered {
                Ok(Ok(())) => this.lines.send_line("200 Ok"),
                failure => {
                    eprintln!("{failure:?}");
                    this.lines.send_line("435 mail_filter processing error");
                }
            }
            this.lines.resume_reading();
        });
    }
}

/// Decides about a message. This example accepts any file with a header.
fn filter(file: &str) -> io::Result<()> {
    let message = fs::read(file)?;
    let header = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if header.contains(&b':') { Ok(()) } else { Err(io::Error::other(format!("{file} is not a message"))) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(socket) = env::args().nth(1) else {
        eprintln!("usage: mail_filter SOCKET");
        process::exit(2);
    };
    // If the descriptor was not opened for this program, it may be used for something else.
    let is_awaited = fs::exists(format!("/dev/fd/{READY}"))?;
    let reactor = Reactor::new()?;
    let _ = fs::remove_file(&socket);
    let factory = LineReceiver::factory(|lines| MailProcessor { lines, files: Vec::new() }).delimiter("\n");
    let port = reactor.listen_unix(&*socket, factory)?;
    println!("listening on {}", port.host());
    if is_awaited {
        reactor.call_when_running(|| {
            let _ = close(READY);
        });
    }
    let input = reactor.stdio(|_| UntilTheEnd)?;
    reactor.run_until(input)?;
    Ok(())
}
