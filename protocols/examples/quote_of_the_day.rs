//! Sends a quote to each client, and closes. The command line sets the source of the quotes: see `--help`.

use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use std::{fs, io};

use clap::Parser;
use protocols::wire::Qotd;
use reactor::{Reactor, Transport};

/// A source of quotes.
trait Quoter {
    /// A quote, chosen by a random number.
    fn quote(&self, random: usize) -> io::Result<String>;
}

/// Always the same quote.
struct StaticQuoter(String);

impl Quoter for StaticQuoter {
    fn quote(&self, _random: usize) -> io::Result<String> {
        Ok(self.0.clone())
    }
}

/// A quote from a file in the fortune format: separated by lines with `%`. The file is read again for each client.
struct FortuneQuoter(PathBuf);

impl Quoter for FortuneQuoter {
    fn quote(&self, random: usize) -> io::Result<String> {
        let text = fs::read_to_string(&self.0)?;
        let quotes: Vec<_> = text.trim_end().split("\n%\n").collect();
        Ok(quotes[random % quotes.len()].to_owned())
    }
}

#[derive(Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8007")]
    address: String,
    /// The quote to send.
    #[arg(long, default_value = "An apple a day keeps the doctor away.")]
    r#static: String,
    /// A file of the fortune format to take quotes from.
    #[arg(long)]
    file: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let quoter: Rc<dyn Quoter> = match options.file {
        Some(file) => Rc::new(FortuneQuoter(file)),
        None => Rc::new(StaticQuoter(options.r#static)),
    };
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(options.address, move |transport: Transport| {
        match quoter.quote(transport.reactor().random() as usize) {
            Ok(quote) => Some(Qotd::new(transport, quote + "\r\n")),
            Err(error) => {
                eprintln!("no quote: {error}");
                None
            }
        }
    })?;
    println!("listening on {}", port.host());
    reactor.run()?;
    Ok(())
}
