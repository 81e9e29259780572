use std::time::Duration;

use reactor::layer::{self, Policy};
use reactor::{CloseReason, Factory, Protocol, Transport};

use crate::support::{Callback, Log, Recorder};

/// Logs what passes, under a name, and panics where it is told to.
pub(crate) struct Tap {
    name: &'static str,
    log: Log,
    panics_at: &'static str,
}

impl Tap {
    fn note(&self, what: &str) {
        self.log.add(format!("{} {what}", self.name));
        if self.panics_at == what {
            panic!("as told");
        }
    }
}

impl Policy for Tap {
    fn connection_made(&mut self) {
        self.note("made");
    }
    fn incoming(&mut self, data: &[u8]) {
        self.note(&format!("in {}", String::from_utf8_lossy(data)));
    }
    fn outgoing(&mut self, data: &[u8]) -> usize {
        self.note(&format!("out {}", String::from_utf8_lossy(data)));
        data.len()
    }
    fn connection_lost(&mut self, _reason: &CloseReason) {
        self.note("lost");
    }
}

pub(crate) fn tap(name: &'static str, log: &Log, inside: impl Factory) -> impl Factory {
    panicking_tap(name, "", log, inside)
}

pub(crate) fn panicking_tap(
    name: &'static str,
    panics_at: &'static str,
    log: &Log,
    inside: impl Factory,
) -> impl Factory {
    let log = log.clone();
    layer::around(move |_| Tap { name, log: log.clone(), panics_at }, inside)
}

/// Lets a number of bytes out in a millisecond.
pub(crate) struct Throttle {
    outer: Transport,
    rate: usize,
    left: usize,
    waiting: bool,
}

impl Policy for Throttle {
    fn outgoing(&mut self, data: &[u8]) -> usize {
        let allowed = data.len().min(self.left);
        self.left -= allowed;
        if allowed < data.len() && !std::mem::replace(&mut self.waiting, true) {
            self.outer.call_later(Duration::from_millis(1), |this: &mut Self| {
                this.waiting = false;
                this.left = this.rate;
            });
        }
        allowed
    }
}

pub(crate) fn throttle(rate: usize, inside: impl Factory) -> impl Factory {
    layer::around(move |outer| Throttle { outer, rate, left: rate, waiting: false }, inside)
}

pub(crate) fn recorder(
    log: &Log,
    script: impl Fn(Recorder) -> Recorder + 'static,
) -> impl FnMut(Transport) -> Recorder + 'static {
    let log = log.clone();
    move |transport| script(Recorder::new(transport, log.clone()))
}

/// A factory of recorders that logs its start and stop, too.
pub(crate) struct Starting {
    pub(crate) log: Log,
    pub(crate) script: fn(Recorder) -> Recorder,
}

impl Factory for Starting {
    fn start_factory(&mut self) {
        self.log.add("start");
    }
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        Some(Box::new((self.script)(Recorder::new(transport, self.log.clone()))))
    }
    fn stop_factory(&mut self) {
        self.log.add("stop");
    }
}

pub(crate) fn echo(recorder: Recorder) -> Recorder {
    recorder.on(Callback::Data, |this| {
        let data = std::mem::take(&mut this.data);
        this.transport.write(&data);
    })
}
