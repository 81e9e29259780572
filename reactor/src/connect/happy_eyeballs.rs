//! Happy eyeballs: which of a name's addresses answers first (RFC 8305, sections 4 and 5).

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

/// The addresses in the order in which to try them: the families take turns, beginning with that of the first address.
///
/// The order within a family stays, because the system has sorted the addresses (RFC 6724); duplicates are removed.
pub(crate) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut unique = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    let first_is_ipv6 = unique.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = unique.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);

    let mut order = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    while first.len() + second.len() > 0 {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

/// Dials the addresses in order and returns the first connection with its address, after dropping the other attempts.
///
/// Each attempt has [`ATTEMPT_DELAY`] to itself, measured by `wait`; then, or as soon as any attempt fails, the next
/// begins while the earlier ones go on. Of attempts that succeed together, the one begun first wins. If all fail, each
/// address is returned with its error, in the order of the attempts. The caller sets a deadline for the whole by
/// dropping the future.
pub(crate) async fn race<S, D, W>(
    addresses: Vec<SocketAddr>,
    dial: impl Fn(SocketAddr) -> D,
    wait: impl Fn(Duration) -> W,
) -> Result<(SocketAddr, S), Vec<(SocketAddr, io::Error)>>
where
    D: Future<Output = io::Result<S>>,
    W: Future<Output = ()>,
{
    let mut attempts = Attempts::new();
    let mut untried = addresses.into_iter();
    while let Some(address) = untried.next() {
        attempts.begin(address, dial(address));
        if untried.len() > 0 {
            let mut delay = pin!(wait(ATTEMPT_DELAY));
            let news = poll_fn(|cx| match attempts.poll(cx) {
                Poll::Ready(news) => Poll::Ready(news),
                Poll::Pending => delay.as_mut().poll(cx).map(|()| None),
            });
            if let Some(winner) = news.await {
                return Ok(winner);
            }
        }
    }
    while attempts.any_running() {
        if let Some(winner) = poll_fn(|cx| attempts.poll(cx)).await {
            return Ok(winner);
        }
    }
    Err(attempts.into_errors())
}

/// The "Connection Attempt Delay" that RFC 8305, section 5, recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The attempts, in the order in which they began.
struct Attempts<D>(Vec<(SocketAddr, Attempt<D>)>);

enum Attempt<D> {
    Running(Pin<Box<D>>),
    Failed(io::Error),
}

impl<S, D: Future<Output = io::Result<S>>> Attempts<D> {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn begin(&mut self, address: SocketAddr, dial: D) {
        self.0.push((address, Attempt::Running(Box::pin(dial))));
    }

    /// Ready with a connection, or with `None` when attempts have failed since the last poll.
    ///
    /// All are polled before a failure is returned, so that no attempt begins when a connection is already there.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(SocketAddr, S)>> {
        let mut news = Poll::Pending;
        for (address, attempt) in &mut self.0 {
            if let Attempt::Running(dial) = attempt {
                match dial.as_mut().poll(cx) {
                    Poll::Ready(Ok(connection)) => {
                        return Poll::Ready(Some((*address, connection)));
                    }
                    Poll::Ready(Err(error)) => {
                        *attempt = Attempt::Failed(error);
                        news = Poll::Ready(None);
                    }
                    Poll::Pending => {}
                }
            }
        }
        news
    }

    fn any_running(&self) -> bool {
        self.0.iter().any(|(_, attempt)| matches!(attempt, Attempt::Running(_)))
    }

    fn into_errors(self) -> Vec<(SocketAddr, io::Error)> {
        let failed = |(address, attempt)| match attempt {
            Attempt::Failed(error) => Some((address, error)),
            Attempt::Running(_) => None,
        };
        self.0.into_iter().filter_map(failed).collect()
    }
}

#[cfg(test)]
mod tests;
