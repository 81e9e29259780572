//! The servers: `chaos serve NAME [echo=ADDRESS] [path=PATH]`. Each prints a line that ends with its address.

use std::io;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use protocols::wire::udp;
use reactor::unix::UnixListenOptions;
use reactor::{Port, Reactor};
use rig::ready_made::factory;

pub(crate) fn serve(name: &str, options: &[String]) -> io::Result<()> {
    let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
    let echo = option("echo").and_then(|address| address.parse().ok());
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let reactor = Reactor::new()?;
    let port = match (name, option("path")) {
        ("datagrams", _) => reactor.listen_udp(anywhere, udp::echo)?,
        (_, Some(path)) => {
            let options = UnixListenOptions::new(path).receive_file_descriptors(name == "descriptors");
            reactor.listen_unix(options, factory(name, anywhere).map_err(io::Error::other)?)?
        }
        _ => reactor.listen_tcp(anywhere, factory(name, echo.unwrap_or(anywhere)).map_err(io::Error::other)?)?,
    };
    reactor.call_when_running(move || say_ready(&port));
    reactor.run()
}

fn say_ready(port: &Port) {
    println!("ready {}", port.host());
    let _ = io::stdout().flush();
}
