use pyo3::prelude::*;
use reactor::{Port, Protocol, Transport};

use crate::address;
use crate::protocol::PythonProtocol;

/// A port on which the reactor accepts.
#[pyclass(module = "reactor_bridge._native", unsendable, frozen)]
pub(crate) struct NativePort(pub(crate) Port);

#[pymethods]
impl NativePort {
    fn stop(&self) {
        drop(self.0.stop_listening());
    }

    fn pause(&self) {
        self.0.pause();
    }

    fn resume(&self) {
        self.0.resume();
    }
}

/// Has a port of Python build the transport and the protocol of each connection.
pub(crate) fn build(port: Py<PyAny>, bounded: bool) -> impl FnMut(Transport) -> Option<Box<dyn Protocol>> + 'static {
    move |transport| {
        let peer = transport.peer();
        PythonProtocol::carried(transport, bounded, &port, |py| {
            port.call_method1(py, "_accepted", (address::to_python(py, &peer)?,))
        })
    }
}
