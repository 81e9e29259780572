//! The socket under a connection, for what this crate has no method for.

use std::io;
use std::os::fd::OwnedFd;

use crate::transport::Transport;
use crate::transport::moving::pump::Pump;

impl Transport {
    /// Another descriptor of the connection's socket, to ask or set options by, from any callback, also inside layers. What
    /// is read or written by it is missing from the protocol's stream. **The peer sees the end of the connection only when
    /// this is closed, too.** Twisted's `getHandle`.
    ///
    /// ```
    /// # use std::net::TcpStream;
    /// # use reactor::{Protocol, Transport};
    /// # struct Probe { transport: Transport }
    /// # impl Protocol for Probe {
    /// fn connection_made(&mut self) {
    ///     if let Ok(socket) = self.transport.try_clone_socket() {
    ///         let hops = TcpStream::from(socket).ttl();
    ///         println!("{hops:?}");
    ///     }
    /// }
    /// # fn data_received(&mut self, _: &[u8]) {}
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) when the connection has ended;
    /// [`Unsupported`](io::ErrorKind::Unsupported) if it is neither TCP nor a UNIX socket; or if the system has no
    /// descriptor left.
    pub fn try_clone_socket(&self) -> io::Result<OwnedFd> {
        let pump = self.0.root().pump().and_then(std::rc::Weak::upgrade);
        let Some(pump) = pump.filter(|_| !self.0.has_ended()) else {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                format!("{} is not connected any more", self.peer()),
            ));
        };
        Pump::socket(&*pump).unwrap_or_else(|| {
            let message = format!("the connection with {} has no socket of its own", self.peer());
            Err(io::Error::new(io::ErrorKind::Unsupported, message))
        })
    }
}
