//! Finger, stage 10: fetches users from the web: `finger10 [ADDRESS [SERVER]]`. The user `moshez` is the page `/~moshez`.

use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;
use reactor::io::TokioStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Finger {
    lines: Lines,
    server: String,
}

impl LineHandler for Finger {
    fn line_received(&mut self, user: &[u8]) {
        self.lines.pause_reading();
        let page = get_page(self.lines.reactor(), self.server.clone(), user.escape_ascii().to_string());
        self.lines.defer(page, |this: &mut Self, page| {
            this.lines.send_line(page.unwrap_or_else(|_| "Internal error in server".to_owned()));
            this.lines.lose_connection();
        });
    }
}

async fn get_page(reactor: Reactor, server: String, user: String) -> io::Result<String> {
    let mut stream = TokioStream::connect(&reactor, &*server).await?;
    let request = format!("GET /~{user} HTTP/1.0\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.take(65_536).read_to_string(&mut response).await?;
    let page = response.split_once("\r\n\r\n").filter(|(head, _)| head.contains(" 200 "));
    page.map(|(_, body)| body.to_owned()).ok_or_else(|| io::Error::other("no such page"))
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:1079".to_owned());
    let server = arguments.next().unwrap_or_else(|| "livejournal.com:80".to_owned());
    let reactor = Reactor::new()?;
    let factory = LineReceiver::factory(move |lines| Finger { lines, server: server.clone() });
    let port = reactor.listen_tcp(address, factory)?;
    println!("listening on {}", port.host());
    reactor.run()
}
