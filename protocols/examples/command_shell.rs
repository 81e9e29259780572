//! A console that checks web pages: `command_shell`, then `help`.

use std::io;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;
use reactor::io::TokioStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const COMMANDS: [(&str, &str); 3] = [
    ("check", "check <url>: Attempt to download the given web page"),
    ("help", "help [command]: List commands, or show help on the given command"),
    ("quit", "quit: Quit this session"),
];

struct Shell {
    lines: Lines,
}

impl LineHandler for Shell {
    fn connection_made(&mut self) {
        self.lines.send_line("Web checker console. Type 'help' for help.");
    }

    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [] => {}
            ["help"] => self.lines.send_line(format!("Valid commands: {}", COMMANDS.map(|(name, _)| name).join(" "))),
            ["help", command] => self.help(command),
            ["quit"] => {
                self.lines.send_line("Goodbye.");
                self.lines.lose_connection();
            }
            ["check", url] => self.check(url),
            [command, ..] if COMMANDS.iter().any(|(name, _)| *name == command) => self.help(command),
            _ => self.lines.send_line("Error: no such command."),
        }
    }
}

impl Shell {
    fn help(&self, command: &str) {
        let help = COMMANDS.iter().find(|(name, _)| *name == command);
        self.lines.send_line(help.map_or("Error: no such command.", |(_, help)| help));
    }

    fn check(&self, url: &str) {
        let page = get_page(self.lines.reactor(), url.to_owned());
        self.lines.defer(page, |this: &mut Self, page| match page {
            Ok(page) => this.lines.send_line(format!("Success: got {} bytes.", page.len())),
            Err(error) => this.lines.send_line(format!("Failure: {error}")),
        });
    }
}

async fn get_page(reactor: Reactor, url: String) -> io::Result<Vec<u8>> {
    let place = url.strip_prefix("http://").ok_or_else(|| io::Error::other("only http:// is understood"))?;
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    let server = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TokioStream::connect(&reactor, &*server).await?;
    stream.write_all(format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(1 << 24).read_to_end(&mut response).await?;
    let head = response.windows(4).position(|end| end == b"\r\n\r\n");
    Ok(response.split_off(head.ok_or_else(|| io::Error::other("the server does not speak HTTP"))? + 4))
}

fn main() -> io::Result<()> {
    let reactor = Reactor::new()?;
    let session = reactor.stdio(LineReceiver::factory(|lines| Shell { lines }).delimiter("\n"))?;
    reactor.run_until(session)?;
    Ok(())
}
