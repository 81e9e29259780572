use std::mem;

use reactor::layer::{self, Policy};
use reactor::{Factory, Transport};

use crate::policies::bucket::Bucket;

/// How fast connections may receive and send: a policy, and the [`Bucket`]s that it takes bytes from. Twisted's
/// `ThrottlingFactory`, `htb.ShapedProtocolFactory` and, by a closure that looks at the peer, `htb.FilterByHost`.
///
/// **Sending**: a byte leaves when there is room for it in the bucket and in all those above it. The others wait where
/// they count for [`Transport::is_full`], in the connection inside; one that closes sends them first. Connections that
/// share a bucket take turns.
///
/// **Receiving**: what has come cannot be sent back. So whatever was read (65,536 bytes at the most) is delivered, and
/// the connection is not read again until the bucket has made up for it; the peer is slowed down by the network. An
/// [`IdleTimeout`](crate::policies::IdleTimeout) around this has to be longer than that takes.
///
/// Every connection may send ten kilobytes a second, and all together a megabyte:
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
    /// One that throttles nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is received is taken from this bucket.
    #[must_use]
    pub fn receiving(mut self, bucket: Bucket) -> Self {
        self.receiving = Some(bucket);
        self
    }

    /// What is sent is taken from this bucket, which may be the same.
    #[must_use]
    pub fn sending(mut self, bucket: Bucket) -> Self {
        self.sending = Some(bucket);
        self
    }

    /// A factory around a factory. `throttle` is called for each connection, with its transport, for example to look at
    /// [`peer`](Transport::peer), and answers with buckets of its own, shared ones, or children of shared ones.
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
    /// Bytes that were taken from the bucket and have not left yet.
    taken: usize,
    /// The bucket has still to make up for them.
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
