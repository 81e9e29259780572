//! Three ways to schedule a call: `timers [SECONDS]`.

use std::env;
use std::error::Error;
use std::time::Duration;

use reactor::Reactor;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = env::args().nth(1).map_or(Ok(3.5), |seconds| seconds.parse())?;
    let delay = Duration::from_secs_f64(seconds);
    let reactor = Reactor::new()?;

    reactor.call_later(delay, move || println!("this runs {seconds} seconds after it was scheduled: hello, world"));

    let cancelled = reactor.call_later(delay, || println!("I'll never run."));
    cancelled.cancel();

    let pause = reactor.sleep(delay);
    let text = async move {
        pause.await;
        format!("this was made {seconds} seconds after it was scheduled: hello, world")
    };
    println!("{}", reactor.run_until(text)?);
    Ok(())
}
