//! Records what clients do, and replays it to the protocol as it is now: `record_and_replay record FILE [ADDRESS]`, and then,
//! when [`Greeter`] was changed, `record_and_replay replay FILE`.

use std::error::Error;
use std::fs::File;
use std::time::Duration;
use std::{env, io};

use protocols::policies::{Capture, CapturedConnection};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::{Factory, Reactor};

/// Greets everybody by name, and asks those who say nothing.
struct Greeter {
    lines: Lines,
}

impl LineHandler for Greeter {
    fn connection_made(&mut self) {
        self.lines.send_line("What's your name?");
        self.lines.call_later(Duration::from_secs(10), |this: &mut Self| this.lines.send_line("Are you there?"));
    }

    fn line_received(&mut self, name: &[u8]) {
        self.lines.send_line(format!("Hello, {}!", name.escape_ascii()));
    }
}

fn greeters() -> impl Factory {
    LineReceiver::factory(|lines| Greeter { lines }).any_newline()
}

/// Serves until it is stopped; the file is complete at any time.
fn record(file: File, address: &str) -> io::Result<()> {
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, Capture::new(file).around(greeters()))?;
    println!("listening on {}", port.host());
    reactor.run()
}

/// Says what is answered otherwise than it was; the number of connections, and of those that differ.
fn replay(file: impl io::Read) -> io::Result<(usize, usize)> {
    let connections = CapturedConnection::read_all(file)?;
    let mut different = 0;
    for connection in &connections {
        if let Err(difference) = connection.compare(greeters()) {
            println!("the connection from {} differs {difference}", connection.peer());
            different += 1;
        } else {
            connection.compare_every_cut(greeters);
        }
    }
    Ok((connections.len(), different))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["record", file] => record(File::create(file)?, "127.0.0.1:8007")?,
        ["record", file, address] => record(File::create(file)?, address)?,
        ["replay", file] => {
            let (connections, different) = replay(io::BufReader::new(File::open(file)?))?;
            println!("{different} of {connections} connections differ");
            if different > 0 {
                return Err("the answers are not those of the recording".into());
            }
        }
        _ => return Err("usage: record_and_replay record FILE [ADDRESS], or record_and_replay replay FILE".into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use reactor::testing::StringTransport;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Rc<RefCell<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(data)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn recording_of(factory: impl Factory) -> Vec<u8> {
        let memory = Memory::default();
        let mut wire = StringTransport::connect(Capture::new(memory.clone()).around(factory));
        wire.advance(Duration::from_secs(11));
        wire.receive("Ann\r\n");
        drop(wire);
        memory.0.take()
    }

    #[test]
    fn what_it_has_recorded_it_answers_again() {
        assert_eq!(replay(&*recording_of(greeters())).unwrap(), (1, 0));
    }

    /// Greets otherwise, and asks nobody.
    struct Older(Lines);

    impl LineHandler for Older {
        fn line_received(&mut self, name: &[u8]) {
            self.0.send_line(format!("Hi, {}!", name.escape_ascii()));
        }
    }

    #[test]
    fn what_another_has_answered_otherwise_is_told() {
        assert_eq!(replay(&*recording_of(LineReceiver::factory(Older))).unwrap(), (1, 1));
    }
}
