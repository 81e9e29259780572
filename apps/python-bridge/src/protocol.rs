use std::os::fd::{IntoRawFd as _, OwnedFd};

use pyo3::prelude::*;
use reactor::{CloseReason, OnEof, Protocol, Transport};

use crate::running::on_behalf_of;
use crate::stream::Stream;

/// Calls the Python protocol that a [`Stream`] leads to.
pub(crate) struct PythonProtocol {
    stream: Py<Stream>,
}

impl PythonProtocol {
    /// The protocol of a connection whose transport, a [`Stream`], `make` has Python make, on behalf of `object`; `None` if
    /// it makes none. Unless it is `bounded`, what is unsent has no limit, and the peer is read however much that is, as in
    /// Twisted.
    pub(crate) fn carried(
        transport: Transport,
        bounded: bool,
        object: &Py<PyAny>,
        make: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>,
    ) -> Option<Box<dyn Protocol>> {
        on_behalf_of(object, |py| {
            let Some(stream) = make(py)?.extract::<Option<Py<Stream>>>(py)? else { return Ok(None) };
            if !bounded {
                transport.set_output_limit(usize::MAX);
                transport.set_read_ahead(true);
            }
            stream.borrow(py).attach(transport);
            Ok(Some(Box::new(Self { stream }) as Box<dyn Protocol>))
        })?
    }

    /// `None` if Python has let an exception through, which is the end of the connection.
    fn call<T>(&self, call: impl FnOnce(&Bound<'_, Stream>) -> PyResult<T>) -> Option<T> {
        on_behalf_of(self.stream.as_any(), |py| {
            let stream = self.stream.bind(py);
            match call(stream) {
                Ok(answer) => Ok(Some(answer)),
                Err(error) => Stream::failed(stream, error).map(|()| None),
            }
        })?
    }

    /// Everything that was written has left.
    pub(crate) fn sent(&mut self) {
        self.call(Stream::sent);
    }
}

impl Protocol for PythonProtocol {
    fn connection_made(&mut self) {
        self.call(Stream::made);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.call(|stream| Stream::received(stream, data));
    }

    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        // Python owns it by its number.
        self.call(|stream| Stream::descriptor_received(stream, descriptor.into_raw_fd()));
    }

    fn eof_received(&mut self) -> OnEof {
        self.call(Stream::received_eof).unwrap_or(OnEof::Close)
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.call(|stream| Stream::lost(stream, &reason));
    }
}
