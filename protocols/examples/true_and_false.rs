//! Reports how two programs end, one after the other.

use std::error::Error;
use std::io;
use std::process::Command;

use reactor::Reactor;

async fn print_statuses(reactor: Reactor) -> io::Result<()> {
    for program in ["/bin/true", "/bin/false"] {
        let output = reactor.process_output(&mut Command::new(program), 0).await?;
        println!("{program} ends with {}", output.status);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    reactor.run_until(print_statuses(reactor.clone()))??;
    Ok(())
}
