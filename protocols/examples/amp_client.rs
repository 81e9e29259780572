//! Calls a calculator over AMP, two operations at a time: `amp_client [SERVER]`. The server may be Twisted's
//! `ampserver.py`.

use std::env;
use std::error::Error;

use futures_util::future::try_join;
use protocols::amp::{Amp, AmpBox, AmpError, AmpHandler, AmpReceiver};
use reactor::Reactor;

async fn sum(amp: &Amp, a: i64, b: i64) -> Result<i64, AmpError> {
    amp.call("Sum", AmpBox::new().with("a", a).with("b", b)).await?.get("total")
}

async fn divide(amp: &Amp, numerator: i64, denominator: i64) -> Result<f64, AmpError> {
    let arguments = AmpBox::new().with("numerator", numerator).with("denominator", denominator);
    match amp.call("Divide", arguments).await {
        Err(error) if error.code() == Some("ZERO_DIVISION") => {
            println!("Divided by zero: returning INF");
            Ok(f64::INFINITY)
        }
        answer => answer?.get("result"),
    }
}

struct Client {
    amp: Amp,
}

impl AmpHandler for Client {
    fn connection_made(&mut self) {
        let amp = self.amp.clone();
        let both = async move { try_join(sum(&amp, 13, 81), divide(&amp, 1234, 0)).await };
        self.amp.defer(both, |this: &mut Self, result| {
            println!("Done with math: {result:?}");
            this.amp.lose_connection();
        });
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1234".to_owned());
    let reactor = Reactor::new()?;
    let connector = reactor.connect_tcp(server, AmpReceiver::factory(|amp| Client { amp }));
    reactor.run_until(connector.finished())??;
    Ok(())
}
