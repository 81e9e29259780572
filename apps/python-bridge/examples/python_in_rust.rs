//! A program in Rust that serves a port by a factory of Python's. It prints the port's number, and ends at a line `bye`.

use std::error::Error;

use pyo3::ffi::c_str;
use pyo3::prelude::*;
use reactor::Reactor;

const SERVER: &std::ffi::CStr = c_str!(
    r#"
from twisted.internet import protocol, reactor
from twisted.protocols.basic import LineReceiver

class Shout(LineReceiver):
    def lineReceived(self, line):
        self.sendLine(line.upper())
        if line == b"bye":
            self.transport.loseConnection()
            reactor.callLater(0, reactor.stop)

factory = protocol.Factory.forProtocol(Shout)
"#
);

fn main() -> Result<(), Box<dyn Error>> {
    Python::initialize();
    let reactor = Reactor::new()?;
    let shout = Python::attach(|py| {
        let twisted = bridge::Twisted::install(py, &reactor)?;
        let server = PyModule::from_code(py, SERVER, c_str!("server.py"), c_str!("server"))?;
        Ok::<_, PyErr>(twisted.factory(server.getattr("factory")?.unbind()))
    })?;
    let port = reactor.listen_tcp("127.0.0.1:0", shout)?;
    println!("{}", port.host());
    reactor.run()?;
    Ok(())
}
