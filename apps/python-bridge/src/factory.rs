//! Factories of one language for ports of the other.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use reactor::{Reactor, SharedFactory, Transport, share};

use crate::address;
use crate::event_loop::EventLoop;
use crate::protocol::PythonProtocol;

/// A factory in Rust that Python gives to `reactor.listenTCP`, or to an endpoint, beside those of its own. No byte of its
/// connections goes through Python. A module of Python's exports one in five lines:
///
/// ```no_run
/// use pyo3::prelude::*;
/// # struct Echo { transport: reactor::Transport }
/// # impl reactor::Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// #[pyfunction]
/// fn echo() -> bridge::Factory {
///     bridge::Factory::new(|transport| Echo { transport })
/// }
///
/// #[pymodule]
/// fn fast(module: &Bound<'_, PyModule>) -> PyResult<()> {
///     bridge::provide(module.py())?;
///     module.add_function(wrap_pyfunction!(echo, module)?)
/// }
/// ```
#[pyclass(module = "reactor_bridge._native", unsendable, frozen)]
pub struct Factory(SharedFactory);

impl Factory {
    /// Wraps a factory. It is started with the first port and stopped with the last.
    pub fn new(factory: impl reactor::Factory) -> Self {
        Self(share(factory))
    }

    pub(crate) fn shared(&self) -> SharedFactory {
        self.0.clone()
    }
}

#[pymethods]
impl Factory {
    /// `IProtocolFactory.doStart`: the port does that.
    #[pyo3(name = "doStart")]
    fn do_start(&self) {}

    /// `IProtocolFactory.doStop`: the port does that.
    #[pyo3(name = "doStop")]
    fn do_stop(&self) {}
}

/// Twisted, in a program whose reactor is Rust's: `twisted.internet.reactor` is that, too, and factories of Python's serve
/// its ports.
///
/// ```no_run
/// use pyo3::prelude::*;
/// use reactor::Reactor;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// Python::initialize();
/// let reactor = Reactor::new()?;
/// let echo = Python::attach(|py| {
///     let twisted = bridge::Twisted::install(py, &reactor)?;
///     let factory = py.import("myserver")?.getattr("EchoFactory")?.call0()?;
///     Ok::<_, PyErr>(twisted.factory(factory.unbind()))
/// })?;
/// reactor.listen_tcp("127.0.0.1:8007", echo)?;
/// reactor.run()?;
/// # Ok(())
/// # }
/// ```
pub struct Twisted {
    reactor: Py<PyAny>,
}

impl Twisted {
    /// Makes `reactor` the reactor of Twisted. `reactor.stop` of Python stops it.
    ///
    /// # Errors
    ///
    /// If Twisted or the package `reactor_bridge` is not installed for this interpreter, or Twisted has a reactor already.
    pub fn install(py: Python<'_>, reactor: &Reactor) -> PyResult<Self> {
        crate::provide(py)?;
        let options = PyDict::new(py);
        options.set_item("loop", EventLoop::guest(reactor))?;
        let installed = py.import("reactor_bridge")?.getattr("install")?.call((), Some(&options))?;
        Ok(Self { reactor: installed.unbind() })
    }

    /// A factory of Python's as one of Rust's.
    pub fn factory(&self, factory: Py<PyAny>) -> impl reactor::Factory + use<> {
        let reactor = Python::attach(|py| self.reactor.clone_ref(py));
        move |transport: Transport| {
            let peer = transport.peer();
            PythonProtocol::carried(transport, true, &factory, |py| {
                reactor.call_method1(py, "_carry", (&factory, address::to_python(py, &peer)?))
            })
        }
    }
}
