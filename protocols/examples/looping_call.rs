//! Does something every second until it has been done three times or fails: `looping_call [fail [SECONDS]]`.

use std::cell::Cell;
use std::env;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use reactor::Reactor;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let fails = arguments.next().is_some_and(|argument| argument == "fail");
    let seconds = arguments.next().map_or(Ok(1.0), |seconds| seconds.parse())?;
    let reactor = Reactor::new()?;
    let outcome = Rc::new(Cell::new(Ok(())));
    let told = Rc::clone(&outcome);
    let mut times = 0;
    let looping = reactor.call_every(Duration::from_secs_f64(seconds), move |tick| {
        if times < 3 {
            times += 1;
            println!("A new second has passed.");
            return;
        }
        if fails {
            told.set(Err("Failure during loop execution."));
        }
        tick.stop();
    });
    reactor.run_until(looping.now().finished())?;
    outcome.get()?;
    println!("Loop done.");
    Ok(())
}
