//! Telling those who watch what passes.

use std::mem;

use crate::transport::Transport;
use crate::transport::state::State;
use crate::transport::traffic::tap::{Tap, TrafficKind, TrafficWatch};

impl Transport {
    /// Tells what passes from now on, at this layer: for a log of one connection that was not prepared for it. Up to 256 events
    /// wait to be taken; those beyond are left out and counted, so that the connection is never kept waiting. While no
    /// connection of a reactor is watched, this costs nothing.
    ///
    /// What a protocol has written is reported when it leaves for the system, or for the layer outside.
    ///
    /// ```
    /// use reactor::inspect::TrafficKind;
    /// use reactor::testing::Simulation;
    /// # use std::time::Duration;
    /// # use reactor::{Protocol, Transport};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    /// # struct Hello { transport: Transport }
    /// # impl Protocol for Hello {
    /// #     fn connection_made(&mut self) {
    /// #         self.transport.call_later(Duration::from_secs(2), |this: &mut Self| this.transport.write("hello"));
    /// #     }
    /// #     fn data_received(&mut self, _: &[u8]) {}
    /// # }
    ///
    /// let sim = Simulation::new(0);
    /// let server = sim.host("server");
    /// server.listen_tcp(7, |transport| Echo { transport })?;
    /// sim.host("client").connect_tcp("server:7", |transport| Hello { transport });
    /// sim.run_for(Duration::from_secs(1));
    /// let mut watch = server.transports()[0].innermost().watch_traffic();
    /// let first = server.run_until(async move { watch.next().await })?;
    /// assert_eq!(first.map(|event| event.kind), Some(TrafficKind::Received(b"hello".to_vec(), 5)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn watch_traffic(&self) -> TrafficWatch {
        let (tap, watch) = Tap::new(&self.0.hub);
        if !self.0.has_ended() {
            self.0.with_cold(|cold| cold.taps.push(tap));
        }
        watch
    }
}

impl State {
    /// Whether any connection of this reactor is watched.
    #[inline]
    pub(crate) fn any_taps(&self) -> bool {
        self.hub.taps.get() > 0
    }

    #[cold]
    pub(crate) fn tell_taps(&self, kind: impl Fn() -> TrafficKind) {
        if let Some(mut cold) = self.cold_mut()
            && !cold.taps.is_empty()
        {
            let time = self.hub.clock.time_of_day();
            cold.taps.retain_mut(|tap| tap.tell(time, kind()));
        }
    }

    /// Tells that the first `n` bytes of the output have left.
    #[cold]
    pub(crate) fn tell_sent(&self, n: usize) {
        let output = self.output().borrow();
        self.tell_taps(|| TrafficKind::Sent(output.chunk()[..n.min(TrafficKind::MOST_SHOWN)].to_vec(), n));
    }

    #[cold]
    pub(crate) fn tell_received(&self, data: &[u8]) {
        self.tell_taps(|| TrafficKind::Received(data[..data.len().min(TrafficKind::MOST_SHOWN)].to_vec(), data.len()));
    }

    pub(crate) fn take_taps(&self) -> Vec<Tap> {
        self.cold_mut().map(|mut cold| mem::take(&mut cold.taps)).unwrap_or_default()
    }
}
