use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::oneshot;

use super::*;

#[test]
fn the_families_take_turns_beginning_with_the_first_given() {
    assert_eq!(
        order(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]),
        "[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1 [::3]:1"
    );
    assert_eq!(order(&["1.1.1.1:1", "[::1]:1", "[::2]:1", "[::3]:1"]), "1.1.1.1:1 [::1]:1 [::2]:1 [::3]:1");
    assert_eq!(order(&["3.3.3.3:1", "1.1.1.1:1", "2.2.2.2:1"]), "3.3.3.3:1 1.1.1.1:1 2.2.2.2:1");
    assert_eq!(order(&[]), "");
}

#[test]
fn duplicates_are_tried_once() {
    assert_eq!(order(&["[::1]:1", "[::1]:1", "1.1.1.1:1", "1.1.1.1:2", "[::1]:1"]), "[::1]:1 1.1.1.1:1 1.1.1.1:2");
}

#[test]
fn one_address_that_answers_wins_without_waiting() {
    let mut race = Race::of(&["1.1.1.1:1"]);
    race.still_running();
    race.accept("1.1.1.1:1");
    race.won_by("1.1.1.1:1");
    assert_eq!(race.delays(), 0);
}

#[test]
fn a_black_hole_costs_one_delay() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1"]);
    race.still_running();
    assert_eq!(race.begun(), ["[::1]:1"]);

    race.pass_delay();
    race.still_running();
    assert_eq!(race.begun(), ["[::1]:1", "1.1.1.1:1"]);

    race.accept("1.1.1.1:1");
    race.won_by("1.1.1.1:1");
    assert_eq!(race.dropped(), ["[::1]:1"]);
}

#[test]
fn every_attempt_has_a_delay_of_its_own_but_the_last() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1", "[::2]:1"]);
    race.still_running();
    race.pass_delay();
    race.still_running();
    assert_eq!((race.begun().len(), race.delays()), (2, 2));
    race.pass_delay();
    race.still_running();
    assert_eq!((race.begun().len(), race.delays()), (3, 2));
}

#[test]
fn a_late_answer_of_the_first_still_wins() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1"]);
    race.still_running();
    race.pass_delay();
    race.still_running();
    race.accept("[::1]:1");
    race.won_by("[::1]:1");
    assert_eq!(race.dropped(), ["1.1.1.1:1"]);
}

#[test]
fn a_refusal_begins_the_next_at_once_with_a_delay_of_its_own() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1", "[::2]:1"]);
    race.still_running();
    race.refuse("[::1]:1");
    race.still_running();
    assert_eq!(race.begun(), ["[::1]:1", "1.1.1.1:1"]);
    assert_eq!(race.delays(), 2);
    race.accept("1.1.1.1:1");
    race.won_by("1.1.1.1:1");
}

#[test]
fn a_refusal_of_an_earlier_attempt_begins_the_next_too() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1", "[::2]:1"]);
    race.still_running();
    race.pass_delay();
    race.still_running();
    race.refuse("[::1]:1");
    race.still_running();
    assert_eq!(race.begun().len(), 3);
}

#[test]
fn a_refusal_after_the_last_has_begun_waits_for_the_others() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1"]);
    race.still_running();
    race.pass_delay();
    race.still_running();
    race.refuse("1.1.1.1:1");
    race.still_running();
    race.accept("[::1]:1");
    race.won_by("[::1]:1");
}

#[test]
fn all_refused_at_once_gives_every_error_without_any_delay() {
    let addresses = ["[::1]:1", "1.1.1.1:1", "[::2]:1"];
    let dial = |address: SocketAddr| async move { Err::<(), _>(io::Error::other(address.to_string())) };
    let lost = race(parse(&addresses), dial, |_| std::future::pending()).now_or_never();
    let errors = lost.unwrap().unwrap_err();
    assert_eq!(errors.iter().map(|(address, _)| address.to_string()).collect::<Vec<_>>(), addresses);
    assert_eq!(errors.iter().map(|(_, error)| error.to_string()).collect::<Vec<_>>(), addresses);
}

#[test]
fn errors_come_in_the_order_of_the_attempts_not_of_the_failures() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1"]);
    race.still_running();
    race.pass_delay();
    race.still_running();
    race.refuse("1.1.1.1:1");
    race.still_running();
    race.refuse("[::1]:1");
    assert_eq!(race.lost(), ["[::1]:1", "1.1.1.1:1"]);
}

#[test]
fn no_address_is_no_error() {
    assert!(Race::of(&[]).lost().is_empty());
}

#[test]
fn an_answer_beats_a_refusal_and_a_delay_that_come_together_with_it() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1", "[::2]:1"]);
    race.still_running();
    race.pass_delay();
    race.still_running();
    race.refuse("[::1]:1");
    race.accept("1.1.1.1:1");
    race.pass_delay();
    race.won_by("1.1.1.1:1");
    assert_eq!(race.begun().len(), 2);
}

#[test]
fn of_two_answers_together_the_earlier_attempt_wins_and_the_other_connection_is_dropped() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1"]);
    race.still_running();
    race.pass_delay();
    race.still_running();
    race.accept("1.1.1.1:1");
    race.accept("[::1]:1");
    race.won_by("[::1]:1");
    assert_eq!(race.dropped(), ["1.1.1.1:1"]);
}

#[test]
fn dropping_the_race_drops_all_attempts() {
    let mut race = Race::of(&["[::1]:1", "1.1.1.1:1"]);
    race.still_running();
    race.pass_delay();
    race.still_running();
    race.future = None;
    assert_eq!(race.dropped(), ["[::1]:1", "1.1.1.1:1"]);
}

fn order(addresses: &[&str]) -> String {
    let order = interleave(parse(addresses));
    order.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn parse(addresses: &[&str]) -> Vec<SocketAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

type Outcome = Result<(SocketAddr, SocketAddr), Vec<(SocketAddr, io::Error)>>;

/// A race driven by hand; it is polled again only if something woke it.
struct Race {
    future: Option<LocalBoxFuture<'static, Outcome>>,
    log: Rc<RefCell<Log>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Log {
    begun: Vec<(SocketAddr, Option<oneshot::Sender<io::Result<SocketAddr>>>)>,
    dropped: Vec<SocketAddr>,
    delays: Vec<Option<oneshot::Sender<()>>>,
}

impl Race {
    fn of(addresses: &[&str]) -> Self {
        let log = Rc::new(RefCell::new(Log::default()));
        let (dialled, waited) = (Rc::clone(&log), Rc::clone(&log));
        let dial = move |address| {
            let (answer, answered) = oneshot::channel();
            dialled.borrow_mut().begun.push((address, Some(answer)));
            let mut attempt = Dial { address, log: Rc::clone(&dialled), done: false };
            async move {
                let answer = answered.await.unwrap();
                attempt.finish();
                answer
            }
        };
        let wait = move |delay| {
            assert_eq!(delay, Duration::from_millis(250));
            let (pass, passed) = oneshot::channel();
            waited.borrow_mut().delays.push(Some(pass));
            passed.map(|passed| passed.unwrap())
        };
        let future = race(parse(addresses), dial, wait).boxed_local();
        Self { future: Some(future), log, woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    fn poll(&mut self) -> Poll<Outcome> {
        assert!(self.woken.0.swap(false, Ordering::Relaxed), "the race was not woken");
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().unwrap().as_mut().poll(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    fn still_running(&mut self) {
        assert!(self.poll().is_pending());
    }

    #[track_caller]
    fn won_by(&mut self, expected: &str) {
        let Poll::Ready(Ok((address, connection))) = self.poll() else { panic!("nobody has won") };
        assert_eq!(address.to_string(), expected);
        assert_eq!(connection, address);
    }

    #[track_caller]
    fn lost(&mut self) -> Vec<String> {
        let Poll::Ready(Err(errors)) = self.poll() else { panic!("not lost") };
        errors.iter().map(|(address, _)| address.to_string()).collect()
    }

    #[track_caller]
    fn answer(&mut self, address: &str, make: impl FnOnce(SocketAddr) -> io::Result<SocketAddr>) {
        let address = address.parse().unwrap();
        let mut log = self.log.borrow_mut();
        let (_, answer) = log.begun.iter_mut().find(|(begun, _)| *begun == address).unwrap();
        answer.take().unwrap().send(make(address)).unwrap();
    }

    #[track_caller]
    fn accept(&mut self, address: &str) {
        self.answer(address, Ok);
    }

    #[track_caller]
    fn refuse(&mut self, address: &str) {
        self.answer(address, |_| Err(io::ErrorKind::ConnectionRefused.into()));
    }

    #[track_caller]
    fn pass_delay(&mut self) {
        let mut log = self.log.borrow_mut();
        log.delays.last_mut().unwrap().take().unwrap().send(()).unwrap();
    }

    fn begun(&self) -> Vec<String> {
        self.log.borrow().begun.iter().map(|(address, _)| address.to_string()).collect()
    }

    fn dropped(&self) -> Vec<String> {
        self.log.borrow().dropped.iter().map(ToString::to_string).collect()
    }

    fn delays(&self) -> usize {
        self.log.borrow().delays.len()
    }
}

/// Lives as long as an attempt; notes when it is dropped before its end.
struct Dial {
    address: SocketAddr,
    log: Rc<RefCell<Log>>,
    done: bool,
}

impl Dial {
    fn finish(&mut self) {
        self.done = true;
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        if !self.done {
            self.log.borrow_mut().dropped.push(self.address);
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
