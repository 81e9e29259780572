//! Child processes as streams.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use pty_process::Size;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix;
use tokio::signal::unix::SignalKind;

use crate::driver::stream::Stream;
use crate::io::pipe::{Pipe, register};
use crate::process::terminated::ProcessTerminated;
use crate::process::transport::{ChildFd, Process, io_error};
use crate::transport::state::SocketOptions;
use crate::util::inherited_signals::unblock;
use crate::util::thread_pool::ThreadPool;

/// A child: its output is read, its standard input is written to, and the stream ends when the child has ended and all
/// of its output was read. What is written to a child that no longer reads is dropped, as in a shell.
pub(crate) struct ChildStream {
    process: Rc<Process>,
    running: Running,
    /// Standard input, output and error; in a terminal the first two are the same.
    pipes: [Option<Pipe>; 3],
    terminal: Terminal,
    /// Whether standard error is to be read next.
    err_is_next: bool,
    /// Whether it was asked to end, as the reactor does.
    told_to_end: bool,
}

/// Whether a child has a pseudo-terminal instead of pipes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Terminal {
    None,
    Open,
    /// The child was notified that it is gone.
    HungUp,
}

impl ChildStream {
    /// Starts a child with pipes to its standard input and from its standard output, and from its standard error if
    /// `with_stderr`; otherwise the command decides about standard error. Needs the runtime's context.
    ///
    /// Everything that can fail is done before the child is started: no error may be returned for a child that runs.
    pub(crate) fn spawn(command: &mut Command, with_stderr: bool) -> io::Result<(Self, Rc<Process>)> {
        let exits = exits()?;
        let ((childs_in, stdin), (stdout, childs_out)) = (io::pipe()?, io::pipe()?);
        let stdin = Pipe::own(stdin.into(), Interest::WRITABLE)?;
        let mut pipes = [Some(stdin), Some(Pipe::own(stdout.into(), Interest::READABLE)?), None];
        command.stdin(childs_in).stdout(childs_out);
        if with_stderr {
            let (stderr, childs_err) = io::pipe()?;
            pipes[ChildFd::Err as usize] = Some(Pipe::own(stderr.into(), Interest::READABLE)?);
            command.stderr(childs_err);
        }
        let spawned = command.spawn();
        // Otherwise the command keeps the child's ends open.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if with_stderr {
            command.stderr(Stdio::piped());
        }
        let running = Running::new(spawned?, exits);
        let process = Process::new(running.child.id(), None);
        Ok((Self::new(&process, running, pipes), process))
    }

    /// Starts a child in a new pseudo-terminal. Needs the runtime's context.
    pub(crate) fn spawn_in_terminal(command: Command, rows: u16, columns: u16) -> io::Result<(Self, Rc<Process>)> {
        let exits = exits()?;
        let (terminal, childs_side) = pty_process::blocking::open().map_err(io_error)?;
        terminal.resize(Size::new(rows, columns)).map_err(io_error)?;
        let pipe = |interest| Pipe::own(terminal.as_fd().try_clone_to_owned()?, interest);
        let pipes = [Some(pipe(Interest::WRITABLE)?), Some(pipe(Interest::READABLE)?), None];
        let child = pty_process::blocking::Command::from(command).spawn(childs_side).map_err(io_error)?;
        let running = Running::new(child, exits);
        let process = Process::new(running.child.id(), Some(terminal));
        Ok((Self::new(&process, running, pipes), process))
    }

    fn new(process: &Rc<Process>, running: Running, pipes: [Option<Pipe>; 3]) -> Self {
        Self {
            process: Rc::clone(process),
            running,
            pipes,
            terminal: if process.has_terminal() { Terminal::Open } else { Terminal::None },
            err_is_next: false,
            told_to_end: false,
        }
    }

    fn is_terminal(&self) -> bool {
        self.terminal != Terminal::None
    }

    fn close(&mut self, fd: ChildFd) {
        if self.pipes[fd as usize].take().is_some() && !self.is_terminal() {
            self.process.set_closed(fd);
        }
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<ExitStatus> {
        if let Some(status) = self.process.status() {
            return Poll::Ready(status);
        }
        let status = ready!(self.running.poll_wait(cx));
        self.process.set_status(status);
        Poll::Ready(status)
    }

    /// Notices the child's end, and its closing of standard input.
    fn watch(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_exit(cx);
        if !self.is_terminal()
            && let Some(stdin) = &mut self.pipes[ChildFd::In as usize]
            && stdin.poll_broken(cx).is_ready()
        {
            self.close(ChildFd::In);
        }
    }

    /// The kind of end of the stream, when there is nothing more to read.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pipes[ChildFd::Out as usize].is_some() || self.pipes[ChildFd::Err as usize].is_some() {
            return Poll::Pending;
        }
        let status = ready!(self.poll_exit(cx));
        self.close(ChildFd::In);
        Poll::Ready(if status.success() { Ok(()) } else { Err(io::Error::other(ProcessTerminated { status })) })
    }
}

impl Stream for ChildStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.watch(cx);
        let mut order = [ChildFd::Out, ChildFd::Err];
        if self.err_is_next {
            order.reverse();
        }
        for fd in order {
            let Some(pipe) = &mut self.pipes[fd as usize] else { continue };
            match pipe.poll_read(cx, buffer) {
                Poll::Ready(Ok(n @ 1..)) => {
                    self.process.set_source(fd);
                    self.err_is_next = fd == ChildFd::Out;
                    return Poll::Ready(Ok(n));
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                    return Poll::Ready(Err(error));
                }
                // A terminal fails when no process has it open any more.
                Poll::Ready(Ok(0) | Err(_)) => self.close(fd),
                Poll::Pending => {}
            }
        }
        self.poll_over(cx).map_ok(|()| 0)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(cx);
        for fd in [ChildFd::Out, ChildFd::Err] {
            if let Some(pipe) = &mut self.pipes[fd as usize]
                && pipe.poll_end(cx).is_ready()
            {
                self.close(fd);
            }
        }
        self.poll_over(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.process.is_closing() && !self.is_terminal() {
            // A child that waits for its output to be read would not accept what is to be flushed.
            self.close(ChildFd::Out);
            self.close(ChildFd::Err);
        }
        let Some(stdin) = &mut self.pipes[ChildFd::In as usize] else { return Poll::Ready(Ok(data.len())) };
        match stdin.poll_write(cx, data) {
            Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::Interrupted => {
                self.close(ChildFd::In);
                Poll::Ready(Ok(data.len()))
            }
            written => written,
        }
    }

    fn poll_shut(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_terminal() {
            self.close(ChildFd::In);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, at_once: bool) -> Poll<io::Result<()>> {
        for fd in [ChildFd::In, ChildFd::Out, ChildFd::Err] {
            self.close(fd);
        }
        self.process.close_terminal();
        // This fails if the child has ended, which is just as good.
        if at_once {
            let _ = self.process.signal(Signal::KILL);
        } else if self.process.reactor_is_stopping() && !mem::replace(&mut self.told_to_end, true) {
            let _ = self.process.signal(Signal::TERM);
        } else if self.terminal == Terminal::Open {
            self.terminal = Terminal::HungUp;
            // The system only does this when our side is open nowhere any more, and a program started by another thread
            // at the very moment it was opened has inherited it.
            let _ = self.process.signal(Signal::HUP);
        }
        self.poll_exit(cx).map(|_| Ok(()))
    }

    fn reset(&mut self) {}

    fn set_options(&mut self, _options: SocketOptions) -> io::Result<()> {
        Ok(())
    }

    fn pid(&self) -> Option<u32> {
        Some(self.process.pid())
    }
}

/// Subscribes to the end of any child. From here on SIGCHLD is not ignored, even if this process was started with it
/// ignored: the system would discard the children's exit statuses.
fn exits() -> io::Result<unix::Signal> {
    let exits = unix::signal(SignalKind::child())?;
    unblock(SignalKind::child().as_raw_value())?;
    Ok(exits)
}

/// A child to wait for.
struct Running {
    child: Reaped,
    exit: Exit,
}

/// How the end of a child is noticed.
enum Exit {
    /// Becomes readable when the child has ended.
    Descriptor(AsyncFd<OwnedFd>),
    /// For systems without such descriptors, such as some containers: received whenever any child has ended.
    AnyChild(unix::Signal),
}

impl Running {
    fn new(child: Child, exits: unix::Signal) -> Self {
        let descriptor = pidfd_open(Pid::from_child(&child), PidfdFlags::NONBLOCK).map_err(io::Error::from);
        let exit = match descriptor.and_then(|descriptor| register(descriptor, Interest::READABLE)) {
            Ok(descriptor) => Exit::Descriptor(descriptor),
            Err(_) => Exit::AnyChild(exits),
        };
        Self { child: Reaped(Some(child)), exit }
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<ExitStatus> {
        loop {
            match &mut self.exit {
                Exit::Descriptor(descriptor) => {
                    // This fails when the runtime is shutting down, and everything with it.
                    let Ok(mut guard) = ready!(descriptor.poll_read_ready(cx)) else { return Poll::Pending };
                    if let Some(status) = self.child.try_wait() {
                        return Poll::Ready(status);
                    }
                    guard.clear_ready();
                }
                Exit::AnyChild(exits) => {
                    if let Some(status) = self.child.try_wait() {
                        return Poll::Ready(status);
                    }
                    if ready!(exits.poll_recv(cx)).is_none() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

/// A child that leaves no zombie: if it still runs when this is dropped, it is killed, and a thread waits for it. The
/// threads are few, however many children are killed at once.
struct Reaped(Option<Child>);

impl Reaped {
    fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        self.0.as_mut()?.try_wait().unwrap_or_else(|error| {
            tracing::error!(%error, "other code has waited for a child: its exit status is lost");
            Some(ExitStatus::from_raw(UNKNOWN))
        })
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        if self.try_wait().is_none()
            && let Some(mut child) = self.0.take()
        {
            // Both can only fail if it has ended.
            let _ = child.kill();
            static REAPERS: OnceLock<ThreadPool> = OnceLock::new();
            let reapers = REAPERS.get_or_init(|| ThreadPool::new("reactor-reaper", 4, usize::MAX));
            if let Err(error) = reapers.call(move || drop(child.wait())) {
                tracing::error!(%error, "cannot wait for a child that was killed");
            }
        }
    }
}

/// Exit code 255, as the system's wait reports it.
const UNKNOWN: i32 = 255 << 8;
