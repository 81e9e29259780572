//! Limits of rates.

pub(crate) mod bucket;

use std::mem;

use reactor::layer::{self, Policy};
use reactor::{Factory, Transport};

use crate::policies::throttle::bucket::Bucket;

/// A policy that limits how fast connections receive and send, with the [`Bucket`]s that it takes bytes from. Twisted's
/// `ThrottlingFactory`, `htb.ShapedProtocolFactory` and, by a closure that looks at the peer, `htb.FilterByHost`.
///
/// **Sending**: a byte is sent when its bucket and all those above have room for it. Until then it waits in the
/// connection inside, where it counts for [`Transport::is_full`]; a closing connection sends such bytes first.
/// Connections that share a bucket take turns.
///
/// **Receiving**: received bytes cannot be sent back. So everything read (up to 65,536 bytes) is delivered, and the
/// connection is not read again until the bucket has caught up; the network slows the peer down. An
/// [`IdleTimeout`](crate::policies::IdleTimeout) around this must be longer than that takes.
///
/// Every connection may send ten kilobytes a second, and all together one megabyte:
///
/// ```
/// use protocols::policies::{Bucket, Throttle};
/// use reactor::Reactor;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let everybody = Bucket::new(1_000_000, 64_000);
/// let throttled = Throttle::around(
///     move |_| Throttle::new().sending(everybody.child(10_000, 4_000)),
///     |transport| Echo { transport },
/// );
/// reactor.listen_tcp("127.0.0.1:0", throttled)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    receiving: Option<Bucket>,
    sending: Option<Bucket>,
}

impl Throttle {
    /// A throttle without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes received bytes from this bucket.
    #[must_use]
    pub fn receiving(mut self, bucket: Bucket) -> Self {
        self.receiving = Some(bucket);
        self
    }

    /// Takes sent bytes from this bucket, which may be the same.
    #[must_use]
    pub fn sending(mut self, bucket: Bucket) -> Self {
        self.sending = Some(bucket);
        self
    }

    /// A factory around a factory. `throttle` is called for each connection, with its transport, for example to look at
    /// [`peer`](Transport::peer). It returns the connection's throttle, with separate buckets, shared ones, or children
    /// of shared ones.
    pub fn around(mut throttle: impl FnMut(&Transport) -> Self + 'static, inside: impl Factory) -> impl Factory {
        layer::around(
            move |outer: Transport| Throttled { throttle: throttle(&outer), outer, taken: 0, waiting: false },
            inside,
        )
    }
}

/// One connection's throttle.
struct Throttled {
    outer: Transport,
    throttle: Throttle,
    /// Bytes taken from the bucket and not sent yet.
    taken: usize,
    /// The bucket has not caught up with them yet.
    waiting: bool,
}

impl Policy for Throttled {
    fn incoming(&mut self, data: &[u8]) {
        let Some(bucket) = &self.throttle.receiving else { return };
        let owed = bucket.take(self.outer.reactor().now(), data.len());
        if !owed.is_zero() {
            self.outer.pause_reading();
            self.outer.call_later(owed, |this: &mut Self| this.outer.resume_reading());
        }
    }

    fn outgoing(&mut self, data: &[u8]) -> usize {
        let Some(bucket) = &self.throttle.sending else { return data.len() };
        if self.taken == 0 {
            let now = self.outer.reactor().now();
            self.taken = bucket.room(now).max(bucket.portion()).min(data.len());
            let owed = bucket.take(now, self.taken);
            if !owed.is_zero() {
                self.waiting = true;
                self.outer.call_later(owed, |this: &mut Self| this.waiting = false);
            }
        }
        if self.waiting { 0 } else { mem::take(&mut self.taken) }
    }
}

#[cfg(test)]
mod tests;
