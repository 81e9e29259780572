//! Timed and deferred calls of one protocol.

use std::any::TypeId;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::num::NonZeroU64;
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

/// The pending calls of one protocol.
#[derive(Default)]
pub(crate) struct Calls {
    /// The types that can be called; unset before the protocol exists.
    target: Cell<Option<Rc<CallTarget>>>,
    pending: Cell<Pending>,
}

/// Most protocols have no call pending, and most others one that is timed, such as a time limit: neither needs an allocation.
#[derive(Default)]
enum Pending {
    #[default]
    Nothing,
    /// A [`TimerId`], spread out so that it leaves room for the tag.
    Timer {
        index: u32,
        id: NonZeroU64,
    },
    Lists(Box<Lists>),
    /// No more are accepted.
    Closed,
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
        if self.is_closed() {
            timers.cancel(timer);
        } else {
            self.look(|pending| pending.add_timer(timer, timers));
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
        if !self.is_closed() {
            let deferred: Deferred = Box::pin(async move { future.await.ok() });
            self.look(|pending| pending.make_lists().futures.get_or_insert_default().started.push(deferred));
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
        // Otherwise the call is dropped with nothing borrowed.
        if !self.is_closed() {
            self.look(|pending| pending.make_lists().due.push_back(call));
        }
    }

    /// Whether a call may be due, or a future ready.
    #[inline]
    pub(crate) fn any_ready(&self) -> bool {
        // Asked several times for each message, so what is nothing is not put back.
        let pending = self.pending.take();
        if matches!(pending, Pending::Nothing) {
            return false;
        }
        let is_ready = matches!(&pending, Pending::Lists(lists) if !lists.is_idle());
        self.pending.set(pending);
        is_ready
    }

    /// Whether a deferred future has yet to finish, or is yet to be dropped.
    pub(crate) fn any_deferred(&self) -> bool {
        self.deferred_count() > 0
    }

    pub(crate) fn deferred_count(&self) -> usize {
        self.look(|pending| pending.lists().and_then(|lists| lists.futures.as_deref()).map_or(0, Futures::len))
    }

    /// The next call to make, if any: one that is due, or the call of a finished future.
    ///
    /// Polls futures, so it runs user code, and nothing may be borrowed.
    pub(crate) fn next(&self, cx: &mut Context<'_>) -> Option<Call> {
        loop {
            let mut running = match self.look(|pending| pending.lists().map(Lists::next))? {
                Next::Call(call) => return Some(call),
                Next::Poll(running) => running,
                Next::Nothing => return None,
            };
            let polled = Pin::new(&mut running).poll_next(cx);
            // There are no lists if the last call ended the connection: the futures are then dropped here, not while looking.
            let mut running = Some(running);
            let more = self.look(|pending| {
                let lists = pending.lists()?;
                let futures = lists.futures.get_or_insert_default();
                futures.running = running.take();
                Some(!lists.due.is_empty() || !futures.started.is_empty())
            })?;
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
        drop_all(self.pending.replace(Pending::Closed), timers);
    }

    /// Drops every call and what is known of the protocol: another comes.
    pub(crate) fn clear(&self, timers: &Timers) {
        self.target.set(None);
        if !self.is_closed() {
            drop_all(self.pending.take(), timers);
        }
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

    fn is_closed(&self) -> bool {
        self.look(|pending| matches!(pending, Pending::Closed))
    }

    /// Lends what is pending. Nothing that `look` does may call or drop user code.
    #[inline]
    fn look<R>(&self, look: impl FnOnce(&mut Pending) -> R) -> R {
        let mut pending = self.pending.take();
        let seen = look(&mut pending);
        self.pending.set(pending);
        seen
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

/// Drops calls that were taken out of their cell: what they own may use this same transport when dropped.
fn drop_all(pending: Pending, timers: &Timers) {
    let cancel = |timer| {
        log_panic("drop of a timed call", || {
            timers.cancel(timer);
        });
    };
    match pending {
        Pending::Lists(lists) => lists.timers.iter().copied().for_each(cancel),
        pending => pending.timer().into_iter().for_each(cancel),
    }
}

impl Pending {
    /// Must not be closed.
    fn add_timer(&mut self, timer: TimerId, timers: &Timers) {
        let is_active = |timer: &TimerId| timers.due_at(*timer).is_some();
        if self.lists().is_none() && !self.timer().as_ref().is_some_and(is_active) {
            *self = Self::Timer { index: timer.index, id: timer.id };
            return;
        }
        let all = &mut self.make_lists().timers;
        if all.len() == all.capacity() {
            all.retain(is_active);
        }
        all.push(timer);
    }

    /// The one timed call, if there are no lists.
    fn timer(&self) -> Option<TimerId> {
        match *self {
            Self::Timer { index, id } => Some(TimerId { index, id }),
            Self::Nothing | Self::Lists(_) | Self::Closed => None,
        }
    }

    fn lists(&mut self) -> Option<&mut Lists> {
        match self {
            Self::Lists(lists) => Some(lists),
            Self::Nothing | Self::Timer { .. } | Self::Closed => None,
        }
    }

    /// Must not be closed.
    fn make_lists(&mut self) -> &mut Lists {
        if self.lists().is_none() {
            let timers = self.timer().into_iter().collect();
            *self = Self::Lists(Box::new(Lists { timers, ..Lists::default() }));
        }
        self.lists().expect("lists were made just now")
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
