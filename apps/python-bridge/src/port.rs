use pyo3::prelude::*;
use reactor::{Port, Protocol, Transport};

use crate::address;
use crate::protocol::PythonProtocol;
use crate::running::on_behalf_of;
use crate::stream::Stream;

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
        let mut built = None;
        on_behalf_of(&port, |py| {
            let peer = address::to_python(py, &transport.peer())?;
            let stream = port.call_method1(py, "_accepted", (peer,))?;
            if !stream.is_none(py) {
                let stream = stream.bind(py).cast::<Stream>()?;
                built = Some(PythonProtocol::carried(stream, transport, bounded));
            }
            Ok(())
        });
        built
    }
}
