//! Sends each client the output of a program: `fortune_server [ADDRESS [PROGRAM]]`.

use std::process::Command;
use std::{env, io};

use reactor::{Protocol, Reactor, Transport};

struct FortuneQuoter {
    transport: Transport,
    program: String,
}

impl Protocol for FortuneQuoter {
    fn connection_made(&mut self) {
        let output = self.transport.reactor().process_output(&mut Command::new(&self.program), 65_536);
        self.transport.defer(output, |this: &mut Self, output| {
            if let Ok(output) = output {
                this.transport.write(output.stdout);
            }
            this.transport.lose_connection();
        });
    }

    fn data_received(&mut self, _data: &[u8]) {}
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:10999".to_owned());
    let program = arguments.next().unwrap_or_else(|| "/usr/games/fortune".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, move |transport| FortuneQuoter { transport, program: program.clone() })?;
    println!("listening on {}", port.host());
    reactor.run()
}
