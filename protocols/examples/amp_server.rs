//! A calculator whose operations are called over AMP: `amp_server [ADDRESS]`. Twisted's `ampclient.py` can call them
//! too.

use std::{env, io};

use protocols::amp::{AmpAnswer, AmpBox, AmpError, AmpHandler, AmpReceiver};
use reactor::Reactor;

struct Math;

impl AmpHandler for Math {
    fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        match command {
            "Sum" => sum(arguments.get("a")?, arguments.get("b")?),
            "Divide" => divide(arguments.get("numerator")?, arguments.get("denominator")?),
            _ => Err(AmpError::unhandled(command)),
        }
    }
}

fn sum(a: i64, b: i64) -> Result<AmpAnswer, AmpError> {
    let total = i128::from(a) + i128::from(b);
    println!("Did a sum: {a} + {b} = {total}");
    Ok(AmpBox::new().with("total", total).into())
}

fn divide(numerator: i64, denominator: i64) -> Result<AmpAnswer, AmpError> {
    if denominator == 0 {
        return Err(AmpError::remote("ZERO_DIVISION", "division by zero"));
    }
    let result = numerator as f64 / denominator as f64;
    println!("Divided: {numerator} / {denominator} = {result}");
    Ok(AmpBox::new().with("result", result).into())
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1234".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, AmpReceiver::factory(|_| Math))?;
    println!("listening on {}", port.host());
    reactor.run()
}
