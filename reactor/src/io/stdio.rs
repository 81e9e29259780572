//! Connections over standard input and output, and over other descriptors.

use std::fs::OpenOptions;
use std::future::Future;
use std::io;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::stdio::{dup2_stdin, dup2_stdout};
use tokio::io::Interest;

use crate::connection::factory::Factory;
use crate::io::pipe::{Pipe, PipeStream};
use crate::reactor::Reactor;
use crate::reactor::core::Backend;
use crate::reactor::standalone::between_pipes;
use crate::transport::close_reason::CloseReason;

impl Reactor {
    /// Makes a connection of standard input and output; `factory` builds its protocol in the reactor's next turn. The
    /// future resolves with the close reason; dropping it changes nothing. Twisted's `StandardIO`.
    ///
    /// It is a connection like any other: the end of standard input is [`eof_received`](crate::Protocol::eof_received),
    /// [`lose_connection`](crate::Transport::lose_connection) first sends everything written, and the protocol is
    /// paused while the reader does not keep up. When the reader of standard output goes away, the connection is lost
    /// as soon as there is nothing to read; on a terminal, a file or a socket, the next write finds out. Both of its
    /// addresses are [`Address::Pipe`](crate::Address::Pipe). Standard error is left alone.
    ///
    /// The two descriptors may be anything: pipes, terminals, sockets, files, `/dev/null`. Their modes are not changed,
    /// so the shell and other programs that share them notice nothing.
    ///
    /// From here on they belong to the connection. Descriptors 0 and 1 are replaced by `/dev/null`, so that a stray
    /// `println!` does not end up in a message, children inherit nothing, and the peer sees the end of the stream when
    /// the connection ends, not only when the program does. A second call connects `/dev/null`.
    ///
    /// ```no_run
    /// use reactor::{Protocol, Reactor, Transport};
    ///
    /// struct Upper { transport: Transport }
    ///
    /// impl Protocol for Upper {
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         self.transport.write(data.to_ascii_uppercase());
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// let session = reactor.stdio(|transport| Upper { transport })?;
    /// let reason = reactor.run_until(session)?;
    /// eprintln!("{reason}");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the system has no descriptor left, the reactor has stopped, or it belongs to a simulation
    /// ([`Unsupported`](io::ErrorKind::Unsupported)). Nothing is taken then.
    pub fn stdio<F: Factory>(&self, factory: F) -> io::Result<impl Future<Output = CloseReason> + 'static + use<F>> {
        Ok(self.run_standalone(between_pipes(self.take_stdio()?), None, factory))
    }

    pub(crate) fn take_stdio(&self) -> io::Result<PipeStream> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        let stream = self.open_pipes(input, output)?;
        let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        io::stdout().flush()?;
        dup2_stdin(&nothing)?;
        dup2_stdout(&nothing)?;
        Ok(stream)
    }

    /// Like [`stdio`](Self::stdio), but over other descriptors, which are closed when the connection ends: one to read
    /// from and one to write to. They may be duplicates of the same socket or terminal.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use reactor::{Protocol, Reactor, Transport};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// let (input, mut near) = std::io::pipe()?;
    /// let (mut far, output) = std::io::pipe()?;
    /// let session = reactor.connect_fds(input.into(), output.into(), |transport| Echo { transport })?;
    /// near.write_all(b"hello")?;
    /// drop(near);
    /// assert!(reactor.run_until(session)?.is_clean());
    /// let mut answer = String::new();
    /// far.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`stdio`](Self::stdio).
    pub fn connect_fds<F: Factory>(
        &self,
        input: OwnedFd,
        output: OwnedFd,
        factory: F,
    ) -> io::Result<impl Future<Output = CloseReason> + 'static + use<F>> {
        Ok(self.run_standalone(between_pipes(self.open_pipes(input, output)?), None, factory))
    }

    fn open_pipes(&self, input: OwnedFd, output: OwnedFd) -> io::Result<PipeStream> {
        self.open_in_system("descriptors", || {
            let input = Pipe::shared(input, Interest::READABLE)?;
            Ok(PipeStream::new(input, Pipe::shared(output, Interest::WRITABLE)?))
        })
    }

    /// Opens something of the system, except in a simulation or after the reactor has stopped.
    pub(crate) fn open_in_system<T>(&self, what: &str, open: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if matches!(self.0.backend, Backend::Memory(_)) {
            let message = format!("this reactor is in memory and has no {what}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        self.unless_stopped(|| self.in_context(open))
    }
}
