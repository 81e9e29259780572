use crate::address::unix::UnixAddress;
use crate::datagram::buffer_sizes::BufferSizes;
use crate::net::connection_options::ConnectionOptions;
use crate::port::accept_limits::AcceptLimits;

/// Where and how to listen on a UNIX socket. With the defaults, anything that converts into a [`UnixAddress`], such as
/// a path, is enough.
///
/// ```
/// use reactor::Reactor;
/// use reactor::unix::UnixListenOptions;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
/// # let path = std::env::temp_dir().join(format!("reactor-doc-{}.sock", std::process::id()));
///
/// let reactor = Reactor::new()?;
/// let options = UnixListenOptions::new(&path).mode(0o600).lock(true);
/// let port = reactor.listen_unix(options, |transport| Echo { transport })?;
/// println!("listening on {}", port.host());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct UnixListenOptions {
    pub(crate) address: UnixAddress,
    pub(crate) mode: u32,
    pub(crate) lock: bool,
    pub(crate) receive_file_descriptors: bool,
    pub(crate) backlog: u32,
    pub(crate) limits: AcceptLimits,
    pub(crate) connection: ConnectionOptions,
}

impl UnixListenOptions {
    /// The defaults for this address.
    pub fn new(address: impl Into<UnixAddress>) -> Self {
        Self {
            address: address.into(),
            mode: MODE,
            lock: false,
            receive_file_descriptors: false,
            backlog: 1024,
            limits: AcceptLimits::default(),
            connection: ConnectionOptions::default(),
        }
    }

    /// The permissions of the socket's file (`0o666`, whatever the process's umask is): users who may write to it may
    /// connect. The file never has more than these. An abstract name has none.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Whether to hold a lock while listening (off): a symbolic link beside the socket, `PATH.lock`, whose target is
    /// the process id. The error of a second server names the process that holds it. The lock of a process that has
    /// ended is broken, and the socket that it left behind is removed. Whether the process has ended is decided by the
    /// socket, if no process has it open any more; by the process id only if there is no socket. While the lock is
    /// taken there is a file `PATH.lock.turn` that other users cannot open. An abstract name needs no lock. Twisted's
    /// `wantPID`; the two respect each other's locks.
    pub fn lock(mut self, on: bool) -> Self {
        self.lock = on;
        self
    }

    /// Whether clients may send descriptors
    /// ([`file_descriptor_received`](crate::Protocol::file_descriptor_received)) (off). Otherwise the system refuses
    /// them, and the client learns that it may not send any; on Linux before 6.16 they are received and closed, on
    /// another thread. Sending descriptors to clients is always possible.
    pub fn receive_file_descriptors(mut self, on: bool) -> Self {
        self.receive_file_descriptors = on;
        self
    }

    /// As [`ListenOptions::backlog`](crate::net::ListenOptions::backlog): a client that finds no room fails at once.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// How many connections to accept, in total and per second.
    pub fn limits(mut self, limits: AcceptLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What holds for each of the port's connections.
    pub fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }
}

impl<A: Into<UnixAddress>> From<A> for UnixListenOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

/// Where and how to connect to a UNIX socket. With the defaults, anything that converts into a [`UnixAddress`], such as
/// a path, is enough.
///
/// ```
/// use reactor::unix::UnixConnectOptions;
///
/// let options = UnixConnectOptions::new("/run/time.sock").check_lock(true);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct UnixConnectOptions {
    pub(crate) address: UnixAddress,
    pub(crate) check_lock: bool,
    pub(crate) connection: ConnectionOptions,
}

impl UnixConnectOptions {
    /// The defaults for this address.
    pub fn new(address: impl Into<UnixAddress>) -> Self {
        Self { address: address.into(), check_lock: false, connection: ConnectionOptions::default() }
    }

    /// Whether to connect only if a living process holds the server's [lock](UnixListenOptions::lock) (off). Twisted's
    /// `checkPID`.
    pub fn check_lock(mut self, on: bool) -> Self {
        self.check_lock = on;
        self
    }

    /// What holds for the connection.
    pub fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }
}

impl<A: Into<UnixAddress>> From<A> for UnixConnectOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

/// Where and how to receive datagrams on a UNIX socket. With the defaults, anything that converts into a
/// [`UnixAddress`], such as a path, is enough; [`UnixAddress::unnamed`] is for sockets that only send.
#[derive(Clone, Debug)]
#[must_use]
pub struct UnixDatagramOptions {
    pub(crate) address: UnixAddress,
    pub(crate) mode: u32,
    pub(crate) lock: bool,
    pub(crate) buffers: BufferSizes,
}

impl UnixDatagramOptions {
    /// The defaults for this address.
    pub fn new(address: impl Into<UnixAddress>) -> Self {
        Self { address: address.into(), mode: MODE, lock: false, buffers: BufferSizes::default() }
    }

    /// As [`UnixListenOptions::mode`]: users who may write to the file may send.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// As [`UnixListenOptions::lock`].
    pub fn lock(mut self, on: bool) -> Self {
        self.lock = on;
        self
    }

    /// As [`DatagramOptions::receive_buffer`](crate::datagram::DatagramOptions::receive_buffer), but nothing is lost
    /// silently: see [`DatagramTransport::write`](crate::datagram::DatagramTransport::write).
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.buffers.receive = Some(bytes);
        self
    }

    /// As [`DatagramOptions::send_buffer`](crate::datagram::DatagramOptions::send_buffer); it also limits the length of
    /// a datagram.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.buffers.send = Some(bytes);
        self
    }
}

impl<A: Into<UnixAddress>> From<A> for UnixDatagramOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

/// Everyone may connect, as in Twisted.
const MODE: u32 = 0o666;
