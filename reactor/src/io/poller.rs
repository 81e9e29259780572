//! The descriptors that a reactor watches for the program.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{CreateFlags, EventData, EventFlags};
use rustix::event::{Timespec, epoll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::driver::task::yield_now;
use crate::io::pipe::register;
use crate::reactor::core::Core;
use crate::reactor::parts::Part;
use crate::time::panic_log::{log_panic, report_panic};
use crate::time::pulse::{Callback, Subject, observed};
use crate::util::panics::catch_panic;

/// A poller inside Tokio's. That reports changes, and keeps what it has seen: a FIFO that was hung up once would be so for good.
/// This one reports states.
#[derive(Default)]
pub(crate) struct Poller {
    /// Made with the first descriptor.
    epoll: OnceCell<AsyncFd<OwnedFd>>,
    watched: RefCell<HashMap<u64, Rc<Watched>>>,
    /// Numbers are not used again: what was reported may be for one that has just been replaced.
    last: Cell<u64>,
}

/// A descriptor, and what to call when it is ready.
pub(crate) struct Watched {
    poller: Weak<Poller>,
    number: u64,
    /// A duplicate, because the program may close its own at any time; `None` at the end.
    fd: RefCell<Option<OwnedFd>>,
    flags: Cell<EventFlags>,
    /// The callback's type, for the watchdog.
    name: u32,
    /// `None` while it runs, and at the end.
    code: RefCell<Option<Code>>,
}

pub(crate) type Code = Box<dyn FnMut(&Rc<Watched>, EventFlags)>;

impl Poller {
    /// Adds a descriptor. Needs the runtime's context.
    pub(crate) fn add(
        self: &Rc<Self>,
        core: &Core,
        fd: OwnedFd,
        flags: EventFlags,
        name: u32,
        code: Code,
    ) -> io::Result<Rc<Watched>> {
        if self.epoll.get().is_none() {
            let epoll = register(epoll::create(CreateFlags::CLOEXEC)?, Interest::READABLE)?;
            if self.epoll.set(epoll).is_ok() {
                let poller = Rc::clone(self);
                core.spawn_task(async move { poll_fn(|cx| poller.poll(cx)).await });
            }
        }
        let number = self.last.get() + 1;
        if let Some(epoll) = self.epoll.get() {
            epoll::add(epoll.get_ref(), &fd, EventData::new_u64(number), flags)?;
        }
        self.last.set(number);
        let watched = Rc::new(Watched {
            poller: Rc::downgrade(self),
            number,
            fd: RefCell::new(Some(fd)),
            flags: Cell::new(flags),
            name,
            code: RefCell::new(Some(code)),
        });
        self.watched.borrow_mut().insert(number, Rc::clone(&watched));
        Ok(watched)
    }

    /// Calls back for those that are ready, once each.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(epoll) = self.epoll.get() else { return Poll::Ready(()) };
        loop {
            let mut events = Vec::with_capacity(CALLED_AT_ONCE);
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            if let Err(error) = epoll::wait(epoll.get_ref(), spare_capacity(&mut events), Some(&now)) {
                tracing::error!(%error, "descriptors are no longer watched");
                return Poll::Ready(());
            }
            for event in &events {
                let watched = self.watched.borrow().get(&event.data.u64()).cloned();
                if let Some(watched) = watched {
                    watched.call(event.flags);
                }
            }
            if !events.is_empty() {
                return yield_now(cx);
            }
            match epoll.poll_read_ready(cx) {
                // What comes between this and the next look is reported anew.
                Poll::Ready(Ok(mut guard)) => guard.clear_ready(),
                // The runtime ends.
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Part for Poller {
    fn clear(&self) {
        let watched = self.watched.take();
        watched.values().for_each(|watched| log_panic("drop of a watched descriptor", || watched.end()));
    }
}

impl Watched {
    fn call(self: &Rc<Self>, flags: EventFlags) {
        let Some(mut code) = self.code.take() else { return };
        let subject = Subject { connection: 0, name: self.name, callback: Callback::Watched };
        let called = observed(subject, || catch_panic(|| code(self, flags)));
        if let Err(panic) = called {
            report_panic(&panic, "the callback of a watched descriptor panicked: it is no longer watched");
            self.end();
        }
        if self.has_ended() {
            log_panic("drop of a watched descriptor", || drop(code));
        } else {
            self.code.replace(Some(code));
        }
    }

    pub(crate) fn flags(&self) -> EventFlags {
        self.flags.get()
    }

    pub(crate) fn set_flags(&self, flags: EventFlags) {
        let (poller, fd) = (self.poller.upgrade(), self.fd.borrow());
        if let (Some(poller), Some(fd)) = (poller, &*fd)
            && let Some(epoll) = poller.epoll.get()
            && self.flags.replace(flags) != flags
        {
            // It fails only for one that was not added.
            let _ = epoll::modify(epoll.get_ref(), fd, EventData::new_u64(self.number), flags);
        }
    }

    /// Watches no longer, and drops the callback, unless that is what runs: then it is dropped afterwards.
    pub(crate) fn end(&self) {
        let Some(fd) = self.fd.take() else { return };
        if let Some(poller) = self.poller.upgrade() {
            poller.watched.borrow_mut().remove(&self.number);
            if let Some(epoll) = poller.epoll.get() {
                // By itself the system forgets it only when the last duplicate is closed.
                let _ = epoll::delete(epoll.get_ref(), &fd);
            }
        }
        let code = self.code.take();
        drop((fd, code));
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.fd.borrow().is_none()
    }
}

/// The number of callbacks after which everything else has its turn. The system reports the others first, next time.
const CALLED_AT_ONCE: usize = 64;
