//! Producers as Twisted has them: one a transport, called back from inside its methods.

use std::cell::{Cell, RefCell};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use reactor::Transport;

use crate::protocol::PythonProtocol;
use crate::stream::Stream;

/// The producer of a stream, if it has one.
pub(crate) struct Producing {
    pub(crate) buffer_size: Cell<usize>,
    producer: RefCell<Option<Py<PyAny>>>,
    /// A push producer; otherwise it is asked for each piece.
    streaming: Cell<bool>,
    paused: Cell<bool>,
    /// `PythonProtocol::sent` is to be called.
    waits: Cell<bool>,
}

impl Default for Producing {
    fn default() -> Self {
        Self {
            buffer_size: Cell::new(BUFFER_SIZE),
            producer: RefCell::default(),
            streaming: Cell::default(),
            paused: Cell::default(),
            waits: Cell::default(),
        }
    }
}

impl Producing {
    pub(crate) fn producer(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.producer.borrow().as_ref().map(|producer| producer.clone_ref(py))
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.streaming.get()
    }

    /// Whether it has to produce before the connection, or this side's stream, can end.
    pub(crate) fn is_in_the_way(&self) -> bool {
        self.producer.borrow().is_some() && (!self.streaming.get() || self.paused.get())
    }

    pub(crate) fn register(
        &self,
        py: Python<'_>,
        transport: Option<&Transport>,
        producer: Py<PyAny>,
        streaming: bool,
    ) -> PyResult<()> {
        if let Some(old) = self.producer(py) {
            let (new, old) = (producer.bind(py).str()?, old.bind(py).str()?);
            return Err(PyRuntimeError::new_err(format!(
                "Cannot register producer {new}, because producer {old} was never unregistered."
            )));
        }
        self.producer.replace(Some(producer.clone_ref(py)));
        self.streaming.set(streaming);
        self.paused.set(false);
        if !streaming {
            producer.call_method0(py, intern!(py, "resumeProducing"))?;
            if let Some(transport) = transport {
                self.wait_if_unsent(transport);
            }
        }
        Ok(())
    }

    pub(crate) fn unregister(&self) -> Option<Py<PyAny>> {
        self.producer.take()
    }

    /// Something was written.
    pub(crate) fn written(&self, py: Python<'_>, stream: &Stream, transport: &Transport) -> PyResult<()> {
        let Some(producer) = self.producer(py) else { return Ok(()) };
        if !self.streaming.get() {
            self.wait_if_unsent(transport);
        } else if self.is_full(transport) && stream.connected.get() {
            self.paused.set(true);
            self.wait(transport);
            producer.call_method0(py, intern!(py, "pauseProducing"))?;
        }
        Ok(())
    }

    /// Whether too many bytes are unsent, or descriptors.
    fn is_full(&self, transport: &Transport) -> bool {
        transport.unsent_bytes() > self.buffer_size.get() || transport.is_full()
    }

    /// Everything was sent. Whether the producer was asked for more.
    pub(crate) fn sent(&self, py: Python<'_>, transport: &Transport) -> PyResult<bool> {
        self.waits.set(false);
        if !self.is_in_the_way() {
            return Ok(false);
        }
        self.paused.set(false);
        if let Some(producer) = self.producer(py) {
            producer.call_method0(py, intern!(py, "resumeProducing"))?;
        }
        self.wait_if_unsent(transport);
        Ok(true)
    }

    /// A pull producer that writes nothing when it is asked is not asked again, as in Twisted.
    fn wait_if_unsent(&self, transport: &Transport) {
        if transport.unsent_bytes() > 0 {
            self.wait(transport);
        }
    }

    /// Has the stream told when everything is sent.
    pub(crate) fn wait(&self, transport: &Transport) {
        if !self.waits.replace(true) {
            transport.when_sent(PythonProtocol::sent);
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.producer.try_borrow() {
            Ok(producer) => visit.call(&*producer),
            Err(_) => Ok(()),
        }
    }
}

/// Twisted's `FileDescriptor.bufferSize`.
const BUFFER_SIZE: usize = 65_536;
