//! The votes without Python.

mod votes;

use reactor::Reactor;

fn main() -> std::io::Result<()> {
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp("127.0.0.1:0", votes::factory(votes::Votes::default()))?;
    println!("{}", port.host());
    reactor.run()
}
