//! A calculator whose operations are called over AMP: `amp_calculator serve` and `amp_calculator ask` talk with each
//! other, and with Twisted's `ampserver.py` and `ampclient.py`.

use std::error::Error;

use protocols::Amp;
use protocols::AmpAnswer;
use protocols::AmpBox;
use protocols::AmpError;
use protocols::AmpHandler;
use protocols::AmpReceiver;
use reactor::Reactor;

const PORT: u16 = 1234;

/// Answers `Sum` and `Divide`.
struct Calculator;

impl AmpHandler for Calculator {
    fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        match command {
            "Sum" => {
                let (a, b) = (arguments.get::<i64>("a")?, arguments.get::<i64>("b")?);
                println!("did a sum: {a} + {b}");
                Ok(AmpBox::new().with("total", i128::from(a) + i128::from(b)).into())
            }
            "Divide" => {
                let (numerator, denominator): (i64, i64) = (arguments.get("numerator")?, arguments.get("denominator")?);
                println!("divided: {numerator} / {denominator}");
                if denominator == 0 {
                    return Err(AmpError::remote("ZERO_DIVISION", "division by zero"));
                }
                Ok(AmpBox::new().with("result", numerator as f64 / denominator as f64).into())
            }
            _ => Err(AmpError::unhandled(command)),
        }
    }
}

/// Only calls.
struct Client;

impl AmpHandler for Client {}

async fn sum(amp: &Amp, a: i64, b: i64) -> Result<i128, AmpError> {
    let arguments = AmpBox::new().with("a", a).with("b", b);
    amp.call("Sum", arguments).await?.get("total")
}

async fn divide(amp: &Amp, numerator: i64, denominator: i64) -> Result<f64, AmpError> {
    let arguments = AmpBox::new().with("numerator", numerator).with("denominator", denominator);
    amp.call("Divide", arguments).await?.get("result")
}

async fn ask(amp: &Amp) -> Result<(), AmpError> {
    println!("13 + 81 = {}", sum(amp, 13, 81).await?);
    println!("1 / 3 = {}", divide(amp, 1, 3).await?);
    match divide(amp, 1234, 0).await {
        Err(error) if error.code() == Some("ZERO_DIVISION") => println!("Divided by zero: INF"),
        result => println!("1234 / 0 = {}", result?),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    match std::env::args().nth(1).as_deref() {
        Some("serve") => {
            reactor.listen_tcp(PORT, AmpReceiver::factory(|_| Calculator))?;
            reactor.run()?;
        }
        Some("ask") => {
            let client = AmpReceiver::factory(|amp: Amp| {
                amp.transport().reactor().spawn(async move {
                    if let Err(error) = ask(&amp).await {
                        eprintln!("{error}");
                    }
                    amp.lose_connection();
                });
                Client
            });
            let connector = reactor.connect_tcp(("localhost", PORT), client);
            reactor.run_until(connector.finished())??;
        }
        _ => eprintln!("usage: amp_calculator serve | ask"),
    }
    Ok(())
}
