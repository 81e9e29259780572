use std::any::type_name;
use std::error::Error;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::{fmt, io};

use rustix::event::epoll::EventFlags;

use crate::io::poller::{Poller, Watched};
use crate::reactor::Reactor;
use crate::time::pulse::number_of;

impl Reactor {
    /// Calls `callback` whenever a descriptor is ready to be read or to be written, until the result is dropped: for C
    /// libraries, for what the system tells by descriptors (inotify, evdev, timers, signals), and for event loops of others,
    /// whose poller is a descriptor, too. For bytes that a protocol is to have there is [`connect_fds`](Self::connect_fds).
    /// Twisted's `addReader` and `addWriter`.
    ///
    /// The watch owns `fd`, which may be anything that has a descriptor, and lends it to the callback:
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use reactor::Reactor;
    /// use reactor::io::{Interest, Ready};
    ///
    /// let reactor = Reactor::new()?;
    /// let (input, mut output) = std::io::pipe()?;
    /// let stopping = reactor.clone();
    /// let _watch = reactor.watch(input, Interest::READABLE, move |input, ready: Ready| {
    ///     let mut buffer = [0; 1024];
    ///     match input.read(&mut buffer) {
    ///         Ok(1..) => println!("{}", buffer[0]),
    ///         Ok(0) | Err(_) => {
    ///             ready.stop();
    ///             stopping.stop();
    ///         }
    ///     }
    /// })?;
    /// output.write_all(b"hi")?;
    /// drop(output);
    /// reactor.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// **It is level-triggered**: a callback that leaves something to read is called again, in a later turn, with everything
    /// else in between. So a callback does one read, or a few, and need not go on until nothing is left. It must not block:
    /// that a descriptor was ready does not mean that it still is if others read it, too, so a descriptor that is shared
    /// should be non-blocking.
    ///
    /// **The end of a stream, and an error, make a descriptor ready** for what is wanted, for good: the callback finds out by
    /// its read or write, and ends the watch, or else it is called again and again.
    ///
    /// **One descriptor may be watched several times**, for reading and for writing by different callbacks: give each watch an
    /// [`Rc`] of the object, or a duplicate of the descriptor. What is open in C is watched by a duplicate
    /// (`try_clone_to_owned`), too. The reactor polls a duplicate of its own, so a descriptor that was closed too early, or
    /// replaced inside `fd`, harms no other.
    ///
    /// A panic in the callback is logged, and ends the watch; so does the end of the reactor.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the system cannot poll the descriptor, which holds for files and
    /// directories: they are always ready. If the system has no descriptor left, the reactor has stopped, or it belongs to
    /// a simulation ([`Unsupported`](io::ErrorKind::Unsupported)).
    pub fn watch<F, C>(&self, fd: F, interest: Interest, mut callback: C) -> io::Result<Watch>
    where
        F: AsFd + 'static,
        C: FnMut(&mut F, Ready) + 'static,
    {
        let polled = self.open_in_system("descriptors", || fd.as_fd().try_clone_to_owned())?;
        let mut fd = fd;
        let code = Box::new(move |watched: &Rc<Watched>, flags: EventFlags| {
            let ready = Ready { watched: Rc::clone(watched), flags };
            // It may be for what is no longer wanted.
            if ready.is_readable() || ready.is_writable() {
                callback(&mut fd, ready);
            }
        });
        let (core, flags, name) = (&self.0, interest.flags(), number_of(type_name::<C>()));
        let poller = core.parts.get::<Poller>();
        let watched = self.in_context(|| poller.add(core, polled, flags, name, code)).map_err(not_pollable)?;
        Ok(Watch(watched))
    }
}

/// What a [watched](Reactor::watch) descriptor is watched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interest {
    /// Whether to call when it can be read.
    pub readable: bool,
    /// Whether to call when it can be written.
    pub writable: bool,
}

impl Interest {
    /// Neither: the watch rests, and even the end of the stream is not told.
    pub const NONE: Self = Self { readable: false, writable: false };
    /// Only reading.
    pub const READABLE: Self = Self { readable: true, writable: false };
    /// Only writing.
    pub const WRITABLE: Self = Self { readable: false, writable: true };
    /// Reading and writing.
    pub const BOTH: Self = Self { readable: true, writable: true };

    fn flags(self) -> EventFlags {
        // The system reports a hang-up to each; to one that wants nothing only once, by the last of these.
        match (self.readable, self.writable) {
            (true, true) => EventFlags::IN | EventFlags::OUT,
            (true, false) => EventFlags::IN,
            (false, true) => EventFlags::OUT,
            (false, false) => EventFlags::ET,
        }
    }

    fn of(flags: EventFlags) -> Self {
        Self { readable: flags.contains(EventFlags::IN), writable: flags.contains(EventFlags::OUT) }
    }
}

/// A descriptor that is [watched](Reactor::watch). Dropping this ends it: the callback is not called any more, and dropped
/// with the object that has the descriptor, at once, or when it returns if it is what runs.
#[must_use = "a watch ends when it is dropped"]
pub struct Watch(Rc<Watched>);

impl Watch {
    /// Sets what to wait for. [`Interest::NONE`] lets the watch rest. Does nothing once it has ended.
    pub fn set_interest(&self, interest: Interest) {
        self.0.set_flags(interest.flags());
    }

    /// What it waits for.
    pub fn interest(&self) -> Interest {
        Interest::of(self.0.flags())
    }

    /// Whether it was not ended: by [`Ready::stop`], by a panic, or by the end of the reactor.
    pub fn is_active(&self) -> bool {
        !self.0.has_ended()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Why a watched descriptor's callback is called. Dropping it changes nothing.
pub struct Ready {
    watched: Rc<Watched>,
    flags: EventFlags,
}

impl Ready {
    /// Whether to read: there is something, or the end, or an error. False unless that is [wanted](Interest::readable).
    pub fn is_readable(&self) -> bool {
        self.is_any(EventFlags::IN) && self.interest().readable
    }

    /// Whether to write: there is room, or an error. False unless that is [wanted](Interest::writable).
    pub fn is_writable(&self) -> bool {
        self.is_any(EventFlags::OUT) && self.interest().writable
    }

    /// Whether the other end is gone. There may still be something to read.
    pub fn is_hung_up(&self) -> bool {
        self.flags.contains(EventFlags::HUP)
    }

    /// Whether the system has an error for the next read or write; or, for the writing end of a pipe, nobody reads it.
    pub fn is_error(&self) -> bool {
        self.flags.contains(EventFlags::ERR)
    }

    /// What the watch waits for, as [`Watch::interest`].
    pub fn interest(&self) -> Interest {
        Interest::of(self.watched.flags())
    }

    /// Sets what the watch waits for, as [`Watch::set_interest`].
    pub fn set_interest(&self, interest: Interest) {
        self.watched.set_flags(interest.flags());
    }

    /// Ends the watch. The callback, and the object that has the descriptor, are dropped when it returns.
    pub fn stop(self) {
        self.watched.end();
    }

    fn is_any(&self, flag: EventFlags) -> bool {
        self.flags.intersects(flag | EventFlags::HUP | EventFlags::ERR)
    }
}

fn not_pollable(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::new(io::ErrorKind::InvalidInput, NotPollable(error)),
        _ => error,
    }
}

/// The system cannot say when a descriptor is ready.
#[derive(Debug)]
struct NotPollable(io::Error);

impl fmt::Display for NotPollable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot watch this descriptor: files and directories are always ready, so read it without waiting")
    }
}

impl Error for NotPollable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("interest", &self.interest()).field("active", &self.is_active()).finish()
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("readable", &self.is_readable())
            .field("writable", &self.is_writable())
            .field("hung_up", &self.is_hung_up())
            .field("error", &self.is_error())
            .finish()
    }
}
