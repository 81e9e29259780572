//! The reactors that accept from one listening socket.
//!
//! The system would spread connections by hash, or give them to whichever thread wakes first: of few and long ones, one
//! thread may get nearly all. So the reactor that accepts a connection passes it to the one that has fewest.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;

use crate::address::Address;
use crate::port::tally::PortTally;
use crate::util::lock::lock;

/// The number of connections that a reactor has accepted and still has.
pub(crate) type Load = Arc<AtomicUsize>;

/// What a listening socket's reactors share.
#[derive(Default)]
pub(crate) struct Seats {
    all: Mutex<Vec<Arc<SeatState>>>,
    /// Set while another process may be taking over the socket.
    resting: AtomicBool,
    /// What the port's limits count.
    pub(crate) tally: Arc<PortTally>,
}

/// The place of one reactor's port among those that accept from a socket; given up when it is dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    state: Arc<SeatState>,
}

struct SeatState {
    load: Load,
    /// Whether it takes connections that others have accepted: also before it runs, because it will soon.
    accepting: AtomicBool,
    arrivals: Mutex<VecDeque<Arrival>>,
    waker: AtomicWaker,
}

/// An accepted connection that no reactor knows yet.
pub(crate) struct Arrival {
    pub(crate) socket: OwnedFd,
    pub(crate) peer: Address,
    pub(crate) place: Place,
}

/// Counts in the load of a reactor until it is dropped.
pub(crate) struct Place(Load);

impl Place {
    pub(crate) fn take(load: &Load) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Seats {
    /// Adds a reactor.
    pub(crate) fn take(self: &Arc<Self>, load: &Load) -> Seat {
        let state = Arc::new(SeatState {
            load: Arc::clone(load),
            accepting: AtomicBool::new(true),
            arrivals: Mutex::default(),
            waker: AtomicWaker::new(),
        });
        let mut all = lock(&self.all);
        all.push(Arc::clone(&state));
        self.tally.set_shares(all.len());
        Seat { seats: Arc::clone(self), state }
    }

    /// Whether clients are left to wait in the backlog; accepted ones go on to their reactors.
    pub(crate) fn set_resting(&self, resting: bool) {
        self.resting.store(resting, Ordering::Relaxed);
        if !resting {
            lock(&self.all).iter().for_each(|seat| seat.waker.wake());
        }
    }
}

impl Seat {
    /// The next connection for this reactor: one that another has passed on, or that `accept` gives.
    pub(crate) fn poll_arrival(
        &self,
        cx: &mut Context<'_>,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<(OwnedFd, Address)>>,
    ) -> Poll<io::Result<Arrival>> {
        self.state.waker.register(cx.waker());
        self.state.accepting.store(true, Ordering::Relaxed);
        for _ in 0..PASSED_ON_AT_ONCE {
            if let Some(arrival) = lock(&self.state.arrivals).pop_front() {
                return Poll::Ready(Ok(arrival));
            }
            if self.seats.resting.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            let (socket, peer) = ready!(accept(cx))?;
            let (seat, place) = self.least_loaded();
            let arrival = Arrival { socket, peer, place };
            if Arc::ptr_eq(&seat, &self.state) {
                return Poll::Ready(Ok(arrival));
            }
            seat.push(arrival);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes no more connections from others until the next poll.
    pub(crate) fn rest(&self) {
        self.state.accepting.store(false, Ordering::Relaxed);
    }

    pub(crate) fn tally(&self) -> &Arc<PortTally> {
        &self.seats.tally
    }

    /// The seat of the reactor with fewest connections, this one if it is among them, and a place there. It is taken with
    /// the list locked, so that two threads do not choose the same one.
    fn least_loaded(&self) -> (Arc<SeatState>, Place) {
        let all = lock(&self.seats.all);
        let load = |seat: &SeatState| seat.load.load(Ordering::Relaxed);
        let others = all.iter().filter(|seat| seat.accepting.load(Ordering::Relaxed));
        let least = others.min_by_key(|seat| load(seat)).filter(|seat| load(seat) < load(&self.state));
        let seat = Arc::clone(least.unwrap_or(&self.state));
        let place = Place::take(&seat.load);
        (seat, place)
    }
}

impl SeatState {
    fn push(&self, arrival: Arrival) {
        lock(&self.arrivals).push_back(arrival);
        self.waker.wake();
    }
}

impl Drop for Seat {
    /// Connections that were passed on to this reactor go to the next one, if there is one.
    fn drop(&mut self) {
        let mut all = lock(&self.seats.all);
        all.retain(|seat| !Arc::ptr_eq(seat, &self.state));
        self.seats.tally.set_shares(all.len());
        let next = all.first().cloned();
        drop(all);
        let left = std::mem::take(&mut *lock(&self.state.arrivals));
        if let Some(next) = next {
            for arrival in left {
                next.push(Arrival { place: Place::take(&next.load), ..arrival });
            }
            // It may have been the one that was woken for a client.
            next.waker.wake();
        }
    }
}

/// The number of connections passed on before those of this reactor have their turn.
const PASSED_ON_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::task::Waker;

    use super::*;

    fn client() -> Poll<io::Result<(OwnedFd, Address)>> {
        Poll::Ready(Ok((File::open("/dev/null").unwrap().into(), Address::memory("client"))))
    }

    /// Three reactors and their loads.
    fn three() -> (Vec<Load>, Vec<Seat>) {
        let seats = Arc::new(Seats::default());
        let loads: Vec<Load> = (0..3).map(|_| Load::default()).collect();
        let taken = loads.iter().map(|load| seats.take(load)).collect();
        (loads, taken)
    }

    fn poll(seat: &Seat, clients: usize) -> Vec<Arrival> {
        let mut left = clients;
        let mut arrived = Vec::new();
        let cx = &mut Context::from_waker(Waker::noop());
        let mut accept = |_: &mut Context<'_>| match left {
            0 => Poll::Pending,
            _ => {
                left -= 1;
                client()
            }
        };
        while let Poll::Ready(arrival) = seat.poll_arrival(cx, &mut accept) {
            arrived.push(arrival.unwrap());
        }
        arrived
    }

    #[test]
    fn whichever_reactor_accepts_the_one_with_fewest_connections_gets_the_next() {
        let (loads, seats) = three();
        let mut kept = vec![poll(&seats[1], 10)];
        let counts = || loads.iter().map(|load| load.load(Ordering::Relaxed)).collect::<Vec<_>>();
        assert_eq!(counts(), [3, 4, 3]);
        kept.extend(seats.iter().map(|seat| poll(seat, 0)));
        assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3, 0, 3]);
        kept[0].clear();
        assert_eq!(counts(), [3, 0, 3]);
        kept.push(poll(&seats[0], 3));
        kept.push(poll(&seats[1], 0));
        assert_eq!(counts(), [3, 3, 3]);
    }

    #[test]
    fn a_reactor_that_does_not_accept_gets_nothing_and_what_one_that_ends_has_not_taken_goes_to_another() {
        let (loads, mut seats) = three();
        seats[1].rest();
        let kept = poll(&seats[0], 4);
        let counts = || loads.iter().map(|load| load.load(Ordering::Relaxed)).collect::<Vec<_>>();
        assert_eq!((counts(), kept.len()), (vec![2, 0, 2], 2));
        drop(seats.pop());
        assert_eq!(counts(), [4, 0, 0]);
        assert_eq!(poll(&seats[0], 0).len(), 2);
        seats[0].rest();
        assert_eq!(poll(&seats[1], 2).len(), 2);
    }

    #[test]
    fn while_a_socket_rests_its_clients_wait_and_accepted_ones_do_not() {
        let (_loads, seats) = three();
        seats[2].rest();
        let kept = poll(&seats[0], 2);
        seats[0].seats.set_resting(true);
        assert_eq!((kept.len(), poll(&seats[0], 2).len(), poll(&seats[1], 2).len()), (1, 0, 1));
        seats[0].seats.set_resting(false);
        // The second has none any more.
        assert_eq!((poll(&seats[0], 1).len(), poll(&seats[1], 0).len()), (0, 1));
    }
}
