//! Forwards connections to another address: `port_forward LISTEN TARGET`, as in `port_forward 8080 example.org:80`.

use protocols::forward::PortForward;
use reactor::Reactor;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(target)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: port_forward LISTEN TARGET, as in: port_forward 8080 example.org:80");
        std::process::exit(2);
    };
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(&*address, PortForward::new(target))?;
    println!("listening on {}", port.host());
    reactor.run()
}
