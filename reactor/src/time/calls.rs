//! Timed and deferred calls of one protocol.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::abortable;
use futures_util::stream::{FuturesUnordered, Stream};

use crate::time::call::{Call, Notify, find, mismatch, unchecked_call};
use crate::time::deferred_call::DeferredCall;
use crate::time::delayed_call::DelayedCall;
use crate::time::panic_log::log_panic;
use crate::time::timers::{Action, TimerId, Timers};

/// Something that has calls of its own.
pub(crate) trait Owner: Notify {
    fn calls(&self) -> &Calls;
}

/// The pending calls of one protocol. A protocol without calls needs no allocation.
#[derive(Default)]
pub(crate) struct Calls {
    /// The types that can be called; unset before the protocol exists.
    target: Cell<Option<Rc<CallTarget>>>,
    closed: Cell<bool>,
    lists: RefCell<Option<Box<Lists>>>,
}

/// The types that calls can be made on; shared by all protocols of a type.
pub(crate) struct CallTarget {
    pub(crate) protocol: TypeId,
    pub(crate) handler: Option<TypeId>,
    pub(crate) name: &'static str,
    /// The name's [number](crate::time::pulse::number_of).
    pub(crate) number: u32,
}

#[derive(Default)]
struct Lists {
    due: VecDeque<Call>,
    timers: Vec<TimerId>,
    /// Made with the first of them.
    futures: Option<Box<Futures>>,
}

#[derive(Default)]
struct Futures {
    /// Those not yet in `running`, which is taken out while it is polled.
    started: Vec<Deferred>,
    running: Option<FuturesUnordered<Deferred>>,
}

type Deferred = Pin<Box<dyn Future<Output = Option<Call>>>>;

impl Calls {
    pub(crate) fn set_target(&self, target: Rc<CallTarget>) {
        self.target.set(Some(target));
    }

    #[track_caller]
    pub(crate) fn later<P: 'static>(
        &self,
        timers: &Rc<Timers>,
        owner: Weak<dyn Notify>,
        delay: Duration,
        call: impl FnOnce(&mut P) + 'static,
    ) -> DelayedCall {
        self.later_call(timers, owner, delay, self.call(call))
    }

    pub(crate) fn later_call(
        &self,
        timers: &Rc<Timers>,
        owner: Weak<dyn Notify>,
        delay: Duration,
        call: Call,
    ) -> DelayedCall {
        let timer = timers.add(delay, Action::Notify(owner, call));
        if self.closed.get() {
            timers.cancel(timer);
        } else {
            self.with_lists(|lists| {
                if lists.timers.capacity() == 0 {
                    // Most protocols with any have one, such as a time limit.
                    lists.timers.reserve_exact(1);
                } else if lists.timers.len() == lists.timers.capacity() {
                    lists.timers.retain(|timer| timers.due_at(*timer).is_some());
                }
                lists.timers.push(timer);
            });
        }
        DelayedCall::new(timers, timer)
    }

    #[track_caller]
    pub(crate) fn defer<P: 'static, F: Future + 'static>(
        &self,
        future: F,
        call: impl FnOnce(&mut P, F::Output) + 'static,
    ) -> DeferredCall {
        self.check::<P>();
        let caller = Location::caller();
        let pending = Rc::new(());
        let handle = Rc::downgrade(&pending);
        let (future, abort) = abortable(async move {
            let output = future.await;
            drop(pending);
            let call: Call = Box::new(move |callee| call(find::<P>(callee, caller), output));
            call
        });
        if !self.closed.get() {
            let deferred: Deferred = Box::pin(async move { future.await.ok() });
            self.with_lists(|lists| lists.futures.get_or_insert_default().started.push(deferred));
        }
        DeferredCall::new(abort, handle)
    }

    /// Makes a call for [`push`](Self::push).
    #[track_caller]
    pub(crate) fn call<P: 'static>(&self, call: impl FnOnce(&mut P) + 'static) -> Call {
        self.check::<P>();
        unchecked_call(call, Location::caller())
    }

    /// Adds a call that is due now.
    pub(crate) fn push(&self, call: Call) {
        if !self.closed.get() {
            self.with_lists(|lists| lists.due.push_back(call));
        }
    }

    /// Whether a call may be due, or a future ready.
    #[inline]
    pub(crate) fn any_ready(&self) -> bool {
        self.lists.borrow().as_ref().is_some_and(|lists| !lists.is_idle())
    }

    /// Whether a deferred future has yet to finish, or is yet to be dropped.
    pub(crate) fn any_deferred(&self) -> bool {
        self.deferred_count() > 0
    }

    pub(crate) fn deferred_count(&self) -> usize {
        self.lists.borrow().as_deref().and_then(|lists| lists.futures.as_deref()).map_or(0, Futures::len)
    }

    /// The next call to make, if any: one that is due, or the call of a finished future.
    ///
    /// Polls futures, so it runs user code, and nothing may be borrowed.
    pub(crate) fn next(&self, cx: &mut Context<'_>) -> Option<Call> {
        loop {
            let mut running = match self.lists.borrow_mut().as_mut()?.next() {
                Next::Call(call) => return Some(call),
                Next::Poll(running) => running,
                Next::Nothing => return None,
            };
            let polled = Pin::new(&mut running).poll_next(cx);
            // `None` if the last call ended the connection: the futures are then dropped here and not in the cell.
            let more = match self.lists.borrow_mut().as_mut() {
                Some(lists) => {
                    let futures = lists.futures.get_or_insert_default();
                    futures.running = Some(running);
                    !lists.due.is_empty() || !futures.started.is_empty()
                }
                None => return None,
            };
            match polled {
                Poll::Ready(Some(Some(call))) => return Some(call),
                Poll::Ready(Some(None)) => {} // was cancelled
                Poll::Ready(None) | Poll::Pending if more => {}
                Poll::Ready(None) | Poll::Pending => return None,
            }
        }
    }

    /// Drops every call, and accepts no more.
    pub(crate) fn close(&self, timers: &Timers) {
        self.closed.set(true);
        self.drop_all(timers);
    }

    fn drop_all(&self, timers: &Timers) {
        // Out of the cell first: what the calls own may use this same transport when dropped.
        let lists = self.lists.borrow_mut().take();
        if let Some(lists) = lists {
            for timer in &lists.timers {
                log_panic("drop of a timed call", || {
                    timers.cancel(*timer);
                });
            }
        }
    }

    /// Drops every call and what is known of the protocol: another comes.
    pub(crate) fn clear(&self, timers: &Timers) {
        self.target.set(None);
        self.drop_all(timers);
    }

    pub(crate) fn target(&self) -> Option<Rc<CallTarget>> {
        let target = self.target.take();
        self.target.set(target.clone());
        target
    }

    /// The type of the protocol; empty before it exists, and afterwards.
    pub(crate) fn name(&self) -> &'static str {
        self.target().map_or("", |target| target.name)
    }

    fn with_lists(&self, change: impl FnOnce(&mut Lists)) {
        change(self.lists.borrow_mut().get_or_insert_default());
    }

    /// Panics at the user's own line if a call on `P` could never find its object.
    #[track_caller]
    pub(crate) fn check<P: 'static>(&self) {
        if let Some(target) = self.target() {
            let wanted = Some(TypeId::of::<P>());
            if wanted != Some(target.protocol) && wanted != target.handler {
                panic!("{}", mismatch::<P>(target.name));
            }
        }
    }
}

enum Next {
    Call(Call),
    Poll(FuturesUnordered<Deferred>),
    Nothing,
}

impl Lists {
    fn is_idle(&self) -> bool {
        self.due.is_empty() && self.futures.as_ref().is_none_or(|futures| futures.len() == 0)
    }

    fn next(&mut self) -> Next {
        if let Some(call) = self.due.pop_front() {
            return Next::Call(call);
        }
        let Some(futures) = self.futures.as_mut().filter(|futures| futures.len() > 0) else { return Next::Nothing };
        let mut running = futures.running.take().unwrap_or_default();
        running.extend(futures.started.drain(..));
        Next::Poll(running)
    }
}

impl Futures {
    fn len(&self) -> usize {
        self.started.len() + self.running.as_ref().map_or(0, FuturesUnordered::len)
    }
}
