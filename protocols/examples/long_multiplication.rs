//! Multiplies the numbers of a line, one step per turn, so that a long line does not delay other clients:
//! `long_multiplication [ADDRESS]`.

use std::collections::VecDeque;
use std::time::Duration;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

struct LongMultiplication {
    lines: Lines,
    /// The numbers of each line that are still to be multiplied.
    work: VecDeque<Vec<i128>>,
}

impl LineHandler for LongMultiplication {
    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let numbers: Result<Vec<_>, _> = line.split_whitespace().map(str::parse).collect();
        match numbers {
            Ok(numbers) if numbers.len() > 1 => self.work.push_back(numbers),
            _ => return self.lines.send_line("Error."),
        }
        if self.work.len() == 1 {
            self.lines.call_later(Duration::ZERO, Self::calculate);
        }
    }
}

impl LongMultiplication {
    /// One step: [a, b, c, …] becomes [a * b, c, …], with the list stored in reverse.
    fn calculate(&mut self) {
        let Some(numbers) = self.work.front_mut() else { return };
        if let (Some(a), Some(b)) = (numbers.pop(), numbers.pop()) {
            match a.checked_mul(b) {
                Some(product) => numbers.push(product),
                None => numbers.clear(),
            }
        }
        if numbers.len() < 2 {
            let answer = numbers.pop().map_or_else(|| "Error.".to_owned(), |product| product.to_string());
            println!("{answer}");
            self.lines.send_line(answer);
            self.work.pop_front();
        }
        if !self.work.is_empty() {
            self.lines.call_later(Duration::ZERO, Self::calculate);
        }
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1234".to_owned());
    let reactor = Reactor::new()?;
    let factory = LineReceiver::factory(|lines| LongMultiplication { lines, work: VecDeque::new() });
    let port = reactor.listen_tcp(address, factory)?;
    println!("listening on {}", port.host());
    reactor.run()
}
