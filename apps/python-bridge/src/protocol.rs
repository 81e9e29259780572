use std::os::fd::{IntoRawFd as _, OwnedFd};

use pyo3::prelude::*;
use reactor::{CloseReason, OnEof, Protocol, Transport};

use crate::running::on_behalf_of;
use crate::stream::Stream;

/// Calls the Python protocol that a [`Stream`] leads to.
pub(crate) struct PythonProtocol {
    stream: Py<Stream>,
    object: Py<PyAny>,
}

impl PythonProtocol {
    /// The protocol of a connection that `stream` is the transport of from here on. Unless it is `bounded`, what is unsent
    /// has no limit, and the peer is read however much that is, as in Twisted.
    pub(crate) fn carried(stream: &Bound<'_, Stream>, transport: Transport, bounded: bool) -> Box<dyn Protocol> {
        if !bounded {
            transport.set_output_limit(usize::MAX);
            transport.set_read_ahead(true);
        }
        stream.borrow().attach(transport);
        Box::new(Self { stream: stream.clone().unbind(), object: stream.clone().into_any().unbind() })
    }

    fn call(&self, call: impl FnOnce(&Bound<'_, Stream>) -> PyResult<()>) {
        on_behalf_of(&self.object, |py| {
            let stream = self.stream.bind(py);
            call(stream).or_else(|error| Stream::failed(stream, error))
        });
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
        let mut answer = OnEof::Close;
        self.call(|stream| {
            answer = Stream::received_eof(stream)?;
            Ok(())
        });
        answer
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.call(|stream| Stream::lost(stream, &reason));
    }
}
