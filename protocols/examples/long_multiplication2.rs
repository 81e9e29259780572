//! Multiplies the numbers of a line with an iterator whose steps take turns with other work, separate from lines and
//! connections: `long_multiplication2 [ADDRESS]`.

use std::cell::Cell;
use std::rc::Rc;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;

/// Reports the result for a line of numbers.
struct Numbers {
    lines: Lines,
}

impl LineHandler for Numbers {
    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let numbers: Result<Vec<_>, _> = line.split_whitespace().map(str::parse).collect();
        let Ok(numbers) = numbers else { return self.lines.send_line("Error.") };
        let product = multiply(&self.lines.reactor(), numbers);
        self.lines.defer(product, |this: &mut Self, product| {
            let answer = product.map_or_else(|| "Error.".to_owned(), |product| product.to_string());
            println!("{answer}");
            this.lines.send_line(answer);
        });
    }
}

/// The product of these numbers, calculated in steps beside other work; `None` if it is too large. Without numbers it
/// is 1.
fn multiply(reactor: &Reactor, numbers: Vec<i128>) -> impl Future<Output = Option<i128>> + use<> {
    let product = Rc::new(Cell::new(Some(1_i128)));
    let so_far = Rc::clone(&product);
    let steps = numbers.into_iter().map(move |number| so_far.set(so_far.get().and_then(|it| it.checked_mul(number))));
    let done = reactor.cooperate(steps).finished();
    async move {
        done.await;
        product.get()
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1234".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, LineReceiver::factory(|lines| Numbers { lines }))?;
    println!("listening on {}", port.host());
    reactor.run()
}
