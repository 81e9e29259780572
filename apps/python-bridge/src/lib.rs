//! A Twisted reactor in Rust: the native half of the Python package `reactor_bridge`.
//!
//! The other half is in `python/`: what Twisted's interfaces want and the fast path does not need. This half moves bytes,
//! keeps time, accepts and watches, all by `reactor`'s public API.

mod address;
mod datagrams;
mod event_loop;
mod factory;
mod framing;
mod port;
mod producing;
mod protocol;
mod running;
mod stream;
mod timer;
mod watching;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::wrap_pymodule;

pub use crate::factory::{Factory, Twisted};

/// Makes this copy of the native half the one that the package `reactor_bridge` uses: for modules and programs in Rust that
/// have it inside them. A [`Factory`] is understood by the copy that has made it only.
///
/// # Errors
///
/// `ImportError` if the package has loaded its own already: then import the module in Rust first.
pub fn provide(py: Python<'_>) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?;
    if modules.contains(NAME)? {
        return Err(PyImportError::new_err(
            "the package reactor_bridge is in use already: import this module before it",
        ));
    }
    modules.set_item(NAME, wrap_pymodule!(_native)(py))
}

const NAME: &str = "reactor_bridge._native";

/// The module `reactor_bridge._native`. A transport belongs to the reactor's thread, which without the interpreter's lock
/// nothing would see to.
#[pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use super::datagrams::DatagramPort;
    #[pymodule_export]
    use super::event_loop::EventLoop;
    #[pymodule_export]
    use super::factory::Factory;
    #[pymodule_export]
    use super::framing::lines::LineFramer;
    #[pymodule_export]
    use super::framing::strings::StringFramer;
    #[pymodule_export]
    use super::port::NativePort;
    #[pymodule_export]
    use super::running::current;
    #[pymodule_export]
    use super::stream::Stream;
    #[pymodule_export]
    use super::timer::Timer;
    #[pymodule_export]
    use super::watching::waker::Waker;
    #[pymodule_export]
    use super::watching::watch::NativeWatch;
}
