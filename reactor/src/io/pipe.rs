//! Descriptors as streams: pipes, terminals, files, or any other standard input and output.

use std::fs::{File, OpenOptions};
use std::io;
use std::io::IsTerminal as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::ioctl_fionread;
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf};

use crate::driver::stream::Stream;
use crate::hub::buffers::READ_BUFFER;
use crate::transport::state::SocketOptions;
use crate::util::panics::catch_panic_of_stream;

/// One direction of a stream: a descriptor to read from or to write to.
///
/// Whether a descriptor blocks is a property of the file it refers to, which is shared: a shell and its children share
/// the terminal, and a terminal left non-blocking breaks the next program that reads it. So the mode of a descriptor
/// that came from elsewhere is never changed, and however the process ends, nothing has to be restored:
///
/// - a pipe or a terminal is reopened, which gives it a mode of its own
/// - a socket cannot be reopened, but each call can ask not to wait
/// - everything else blocks, on a thread: files and devices, which the poller cannot wait for, and what cannot be
///   reopened, because there is no `/proc` or another user owns it
pub(crate) enum Pipe {
    Polled {
        fd: AsyncFd<OwnedFd>,
        is_socket: bool,
    },
    /// Panics when no thread can be started.
    Blocking(tokio::fs::File),
}

impl Pipe {
    /// A descriptor that other processes may share. Needs the runtime's context.
    pub(crate) fn shared(fd: OwnedFd, interest: Interest) -> io::Result<Self> {
        let file = File::from(fd);
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        if kind.is_socket() {
            return Ok(Self::Polled { fd: register(file.into(), interest)?, is_socket: true });
        }
        // Reopening the controlling side of a pseudo-terminal would create another one.
        let may_be_opened_anew = kind.is_fifo() || (file.is_terminal() && metadata.rdev() != CONTROLLING_SIDE);
        if may_be_opened_anew
            && let Ok(own) = open_anew(&file, interest)
            && let Ok(fd) = register(own.into(), interest)
        {
            return Ok(Self::Polled { fd, is_socket: false });
        }
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(READ_BUFFER);
        Ok(Self::Blocking(file))
    }

    /// A descriptor that this process has made; its other end is not affected. Needs the runtime's context.
    #[cfg(feature = "service")]
    pub(crate) fn own(fd: OwnedFd, interest: Interest) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self::Polled { fd: register(fd, interest)?, is_socket: false })
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            // Reads first: the poller does not report again what `poll_end` has seen.
            Self::Polled { fd, is_socket } => loop {
                match read(fd.get_ref(), *is_socket, buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read),
                }
                ready!(fd.poll_read_ready(cx))?.clear_ready();
            },
            Self::Blocking(file) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(catch_panic_of_stream(|| Pin::new(file).poll_read(cx, &mut buffer)))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Waits for the end of the input, with nothing unread before it.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Polled { fd, is_socket } = self else { return Poll::Pending };
        loop {
            let mut guard = ready!(fd.poll_read_ready(cx))?;
            if !guard.ready().is_read_closed() {
                guard.clear_ready();
            } else if ioctl_fionread(fd.get_ref())? == 0 {
                return Poll::Ready(read(fd.get_ref(), *is_socket, &mut [0]).map(drop));
            } else {
                // Ready for good; the next read finds what is there.
                return Poll::Pending;
            }
        }
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            // Writes first: the poller does not report again what `poll_broken` has seen.
            Self::Polled { fd, is_socket } => loop {
                match write(fd.get_ref(), *is_socket, data) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written),
                }
                ready!(fd.poll_write_ready(cx))?.clear_ready();
            },
            Self::Blocking(file) => catch_panic_of_stream(|| Pin::new(file).poll_write(cx, data)),
        }
    }

    /// Waits until the reader of the output is gone.
    pub(crate) fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self::Polled { fd, .. } = self else { return Poll::Pending };
        loop {
            match ready!(fd.poll_write_ready(cx)) {
                Ok(mut guard) if !guard.ready().is_write_closed() => guard.clear_ready(),
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Waits until everything written has reached its destination.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Polled { .. } => Poll::Ready(Ok(())),
            Self::Blocking(file) => catch_panic_of_stream(|| Pin::new(file).poll_flush(cx)),
        }
    }

    fn socket(&self) -> Option<SockRef<'_>> {
        match self {
            Self::Polled { fd, is_socket: true } => Some(SockRef::from(fd.get_ref())),
            _ => None,
        }
    }
}

#[expect(deprecated, reason = "sound for what owns its descriptor; what replaces it is unsafe for the sake of others")]
pub(crate) fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

fn open_anew(file: &File, interest: Interest) -> io::Result<File> {
    OpenOptions::new()
        .read(interest.is_readable())
        .write(interest.is_writable())
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn read(fd: &OwnedFd, is_socket: bool, buffer: &mut [u8]) -> io::Result<usize> {
    let read = if is_socket {
        rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT).map(|(n, _)| n)
    } else {
        rustix::io::read(fd, buffer)
    };
    Ok(read?)
}

fn write(fd: &OwnedFd, is_socket: bool, data: &[u8]) -> io::Result<usize> {
    let written = if is_socket {
        rustix::net::send(fd, data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
    } else {
        rustix::io::write(fd, data)
    };
    Ok(written?)
}

/// The device number of every pseudo-terminal's controlling side.
const CONTROLLING_SIDE: u64 = libc::makedev(5, 2);

/// A stream over two descriptors, which may be one socket.
pub(crate) struct PipeStream {
    input: Pipe,
    /// `None` once this side has ended its stream.
    output: Option<Pipe>,
    /// Nothing more is read: further input belongs to the next reader.
    closed: bool,
}

impl PipeStream {
    pub(crate) fn new(input: Pipe, output: Pipe) -> Self {
        Self { input, output: Some(output), closed: false }
    }

    /// The failure of a stream whose reader is gone, which is noticed when there is nothing to read.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(output) = &mut self.output else { return Poll::Pending };
        output.poll_broken(cx).map(|()| io::ErrorKind::BrokenPipe.into())
    }
}

impl Stream for PipeStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.closed {
            return Poll::Ready(Ok(0));
        }
        match self.input.poll_read(cx, buffer) {
            Poll::Pending => self.poll_broken(cx).map(Err),
            read => read,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.input.poll_end(cx) {
            Poll::Pending => self.poll_broken(cx).map(Err),
            end => end,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.output {
            Some(output) => output.poll_write(cx, data),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(output) = &mut self.output else { return Poll::Ready(Ok(())) };
        ready!(output.poll_flush(cx))?;
        let shut = output.socket().map_or(Ok(()), |socket| socket.shutdown(std::net::Shutdown::Write));
        self.output = None;
        Poll::Ready(shut)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, at_once: bool) -> Poll<io::Result<()>> {
        if let Some(output) = &mut self.output
            && !at_once
        {
            ready!(output.poll_flush(cx))?;
        }
        // A socket may linger, as a TCP one does.
        self.closed = self.input.socket().is_none();
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {
        if let Some(socket) = self.input.socket() {
            // If this fails, the peer is already gone.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }

    fn set_options(&mut self, _options: SocketOptions) -> io::Result<()> {
        Ok(())
    }
}
