use std::future::{Future, poll_fn};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::{Context, Poll};

use pyo3::prelude::*;
use reactor::{Reactor, Transport};
use send_wrapper::SendWrapper;

use crate::datagrams::{DatagramPort, Datagrams};
use crate::factory::Factory;
use crate::port::{self, NativePort};
use crate::protocol::PythonProtocol;
use crate::running::{Running, call_python};
use crate::stream::Stream;
use crate::timer::{Timer, seconds};
use crate::watching::descriptor::duplicate;
use crate::watching::waker::Waker;
use crate::watching::watch::{self, NativeWatch};

/// A reactor, as its Python half uses it. It runs, returns, and can be run again.
#[pyclass(module = "reactor_bridge._native", unsendable, frozen)]
pub(crate) struct EventLoop {
    reactor: Reactor,
    running: Rc<Running>,
    /// Whether connections have the limits of this reactor, or none, as in Twisted.
    bounded: bool,
    /// A program in Rust runs the reactor.
    is_guest: bool,
}

#[pymethods]
impl EventLoop {
    #[new]
    fn new(bounded: bool) -> PyResult<Self> {
        let reactor = Reactor::new()?;
        if !bounded {
            reactor.set_memory_budget(usize::MAX);
        }
        Ok(Self { reactor, running: Rc::default(), bounded, is_guest: false })
    }

    /// Runs until `interrupt` is called.
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        let running = Rc::clone(&self.running);
        self.run_until(py, poll_fn(move |cx| running.poll(cx)))
    }

    /// Runs for `delay` seconds, or until Python was called; what is ready now has its turn in any case.
    fn run_for(&self, py: Python<'_>, delay: f64) -> PyResult<()> {
        let running = Rc::clone(&self.running);
        let mut over = Box::pin(self.reactor.sleep(seconds(delay)));
        let mut turns = TURNS;
        let until = poll_fn(move |cx: &mut Context<'_>| {
            turns = u32::saturating_sub(turns, 1);
            let is_over = over.as_mut().poll(cx).is_ready() || running.was_called() || running.poll(cx).is_ready();
            if is_over && turns == 0 {
                return Poll::Ready(());
            }
            if turns > 0 {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        self.run_until(py, until)
    }

    /// Has `run` return. If a program in Rust runs the reactor, stops that.
    fn interrupt(&self) {
        if self.is_guest {
            self.reactor.stop();
        } else {
            self.running.interrupt();
        }
    }

    /// Calls `function(argument)` after `delay` seconds.
    fn call_later(&self, delay: f64, function: Py<PyAny>, argument: Py<PyAny>) -> Timer {
        let call = move || call_python(|py| function.call1(py, (argument,)).map(drop));
        Timer(self.reactor.call_later(seconds(delay), call))
    }

    /// Has this thread call `function` when another, or a signal's handler, asks for it.
    fn waker(&self, function: Py<PyAny>) -> Waker {
        Waker::new(self.reactor.remote(), function)
    }

    /// Calls `function(selectable, events)` whenever the descriptor is ready. `OSError` if it cannot be watched.
    fn watch(&self, descriptor: RawFd, function: Py<PyAny>, selectable: Py<PyAny>) -> PyResult<NativeWatch> {
        let callback = watch::callback(function, selectable);
        Ok(NativeWatch::new(self.reactor.watch(duplicate(descriptor)?, reactor::io::Interest::NONE, callback)?))
    }

    /// Accepts on a duplicate of a listening socket, for `port`.
    fn listen(&self, py: Python<'_>, descriptor: RawFd, port: Py<PyAny>) -> PyResult<NativePort> {
        let socket = duplicate(descriptor)?;
        let port = match port.getattr(py, "factory")?.bind(py).cast::<Factory>() {
            Ok(factory) => self.reactor.adopt_stream_port(socket, factory.borrow().shared())?,
            Err(_) => self.reactor.adopt_stream_port(socket, port::build(port, self.bounded))?,
        };
        Ok(NativePort(port))
    }

    /// Makes a connection of a duplicate of a connected socket. In the next turn `stream` is asked for its protocol, and
    /// is the transport from then on.
    fn adopt(&self, descriptor: RawFd, stream: Py<Stream>) -> PyResult<()> {
        let bounded = self.bounded;
        let factory = move |transport: Transport| {
            PythonProtocol::carried(transport, bounded, stream.as_any(), |py| stream.call_method0(py, "_build"))
        };
        Ok(self.reactor.adopt_stream_connection(duplicate(descriptor)?, factory)?)
    }

    /// Receives datagrams on a duplicate of a bound socket, for `port`, which sends by it.
    fn receive(&self, descriptor: RawFd, port: &Bound<'_, DatagramPort>) -> PyResult<()> {
        let socket = duplicate(descriptor)?;
        self.reactor.adopt_datagram_port(socket, |transport| Datagrams::carried(port, transport))?;
        Ok(())
    }
}

impl EventLoop {
    /// The loop of a program in Rust.
    pub(crate) fn guest(reactor: &Reactor) -> Self {
        Self { reactor: reactor.clone(), running: Rc::default(), bounded: true, is_guest: true }
    }

    /// Runs without the interpreter's lock, which each callback takes.
    fn run_until(&self, py: Python<'_>, until: impl Future<Output = ()>) -> PyResult<()> {
        let entered = self.running.enter();
        let run = SendWrapper::new((self.reactor.clone(), until));
        let ran = py.detach(move || {
            let (reactor, until) = run.take();
            reactor.block_on(until)
        });
        drop(entered);
        match self.running.take_error() {
            Some(error) => Err(error),
            None => Ok(ran?),
        }
    }
}

/// The number of turns in which what is ready has been noticed, and its consequences, too.
const TURNS: u32 = 4;
