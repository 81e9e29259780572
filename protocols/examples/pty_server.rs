//! Gives each client a shell in a pseudo-terminal: `pty_server [ADDRESS]`. It does not authenticate clients, so it is
//! for this machine only. Try `socat -,raw,echo=0 tcp:127.0.0.1:5823`.

use std::process::{Command, ExitStatus};
use std::{env, io};

use reactor::process::{ProcessProtocol, ProcessTransport};
use reactor::{CloseReason, Protocol, Reactor, Transport};

struct FakeTelnet {
    transport: Transport,
    shell: Option<ProcessTransport>,
}

impl Protocol for FakeTelnet {
    fn connection_made(&mut self) {
        println!("connection made");
        let client = self.transport.clone();
        let mut command = Command::new("/bin/sh");
        let shell = self.transport.reactor().spawn_pty(command.current_dir("/tmp"), 24, 80, |_| Shell { client });
        match shell {
            Ok(shell) => {
                shell.transport().paced_by(&self.transport);
                self.transport.paced_by(shell.transport());
                self.shell = Some(shell);
            }
            Err(error) => self.transport.fail_connection(CloseReason::failed(error)),
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        if let Some(shell) = &self.shell {
            shell.write(data);
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        println!("connection lost");
        if let Some(shell) = &self.shell {
            shell.lose_connection();
        }
    }
}

struct Shell {
    client: Transport,
}

impl ProcessProtocol for Shell {
    fn out_received(&mut self, data: &[u8]) {
        self.client.write(data);
    }

    fn process_ended(&mut self, status: ExitStatus) {
        println!("the shell has ended: {status}");
        self.client.lose_connection();
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5823".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, |transport| FakeTelnet { transport, shell: None })?;
    println!("listening on {}", port.host());
    reactor.run()
}
