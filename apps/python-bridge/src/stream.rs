use std::cell::{Cell, OnceCell, RefCell};
use std::os::fd::{IntoRawFd as _, RawFd};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use reactor::{CloseReason, OnEof, Transport};

use crate::address;
use crate::producing::Producing;
use crate::watching::descriptor::duplicate;

/// What a Python protocol has as its transport: the base of the classes in `reactor_bridge.tcp` and `reactor_bridge.unix`,
/// which do what is rare. Until it is attached to a connection, and after its end, it drops what is written.
#[pyclass(module = "reactor_bridge._native", subclass, unsendable, frozen, weakref)]
#[derive(Default)]
pub(crate) struct Stream {
    transport: OnceCell<Transport>,
    protocol: RefCell<Option<Py<PyAny>>>,
    pub(crate) producing: Producing,
    pub(crate) connected: Cell<bool>,
    /// Python does not want to hear anything, not even the end.
    paused: Cell<bool>,
    disconnected: Cell<bool>,
    /// It is to close when everything is sent, and no producer is in the way.
    disconnecting: Cell<bool>,
    /// The same for this side's end of the stream.
    write_disconnecting: Cell<bool>,
    end_asked: Cell<bool>,
    write_disconnected: Cell<bool>,
}

/// What Python calls.
#[pymethods]
impl Stream {
    #[new]
    #[pyo3(signature = (*_arguments, **_options))]
    fn new(_arguments: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    #[getter]
    fn get_protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.protocol.borrow().as_ref().map(|protocol| protocol.clone_ref(py))
    }

    #[setter]
    fn set_protocol(&self, protocol: Option<Py<PyAny>>) {
        let old = self.protocol.replace(protocol);
        drop(old);
    }

    #[getter]
    fn get_connected(&self) -> bool {
        self.connected.get()
    }

    #[setter]
    fn set_connected(&self, connected: bool) {
        self.connected.set(connected);
    }

    #[getter]
    fn disconnected(&self) -> bool {
        self.disconnected.get()
    }

    #[getter]
    fn disconnecting(&self) -> bool {
        self.disconnecting.get()
    }

    #[getter]
    fn producer(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.producing.producer(py)
    }

    #[getter(streamingProducer)]
    fn streaming_producer(&self) -> bool {
        self.producing.is_streaming()
    }

    /// How many bytes may be unsent before a push producer is paused.
    #[getter(bufferSize)]
    fn buffer_size(&self) -> usize {
        self.producing.buffer_size.get()
    }

    #[setter(bufferSize)]
    fn set_buffer_size(&self, bytes: usize) {
        self.producing.buffer_size.set(bytes);
    }

    /// `ITransport.write`.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = data.cast::<PyBytes>().map_err(|_| not_bytes())?;
        if let Some(transport) = self.writable() {
            self.queue(transport, data.as_bytes());
            self.producing.written(py, self, transport)?;
        }
        Ok(())
    }

    /// `ITransport.writeSequence`.
    #[pyo3(name = "writeSequence")]
    fn write_sequence(&self, py: Python<'_>, pieces: &Bound<'_, PyAny>) -> PyResult<()> {
        let pieces = pieces.try_iter()?.map(|piece| piece?.cast_into::<PyBytes>().map_err(|_| not_bytes()));
        let pieces = pieces.collect::<PyResult<Vec<_>>>()?;
        if let Some(transport) = self.writable()
            && !pieces.is_empty()
        {
            for piece in &pieces {
                self.queue(transport, piece.as_bytes());
            }
            self.producing.written(py, self, transport)?;
        }
        Ok(())
    }

    /// `ITransport.loseConnection`.
    #[pyo3(name = "loseConnection", signature = (*_arguments, **_options))]
    fn lose_connection(&self, _arguments: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) {
        if self.connected.get()
            && !self.disconnecting.replace(true)
            && let Some(transport) = self.transport.get()
        {
            if self.producing.is_in_the_way() {
                transport.pause_reading();
                self.producing.wait(transport);
            } else {
                transport.lose_connection();
            }
        }
    }

    /// `ITCPTransport.loseWriteConnection`.
    #[pyo3(name = "loseWriteConnection")]
    fn lose_write_connection(&self) {
        if !self.write_disconnecting.replace(true)
            && let Some(transport) = self.transport.get()
        {
            if self.producing.is_in_the_way() {
                self.producing.wait(transport);
            } else {
                self.end_output(transport);
            }
        }
    }

    /// `IAbortableTransport.abortConnection`.
    #[pyo3(name = "abortConnection")]
    fn abort_connection(&self) {
        if let Some(transport) = self.transport.get() {
            transport.abort_connection();
        }
    }

    /// `IPushProducer.pauseProducing`.
    #[pyo3(name = "pauseProducing")]
    fn pause_producing(&self) {
        self.paused.set(true);
        if let Some(transport) = self.transport.get() {
            transport.pause_reading();
        }
    }

    /// `IPushProducer.resumeProducing`.
    #[pyo3(name = "resumeProducing")]
    fn resume_producing(&self) {
        if self.connected.get()
            && !self.disconnecting.get()
            && let Some(transport) = self.transport.get()
        {
            self.paused.set(false);
            transport.resume_reading();
        }
    }

    /// `IConsumer.registerProducer`.
    #[pyo3(name = "registerProducer")]
    fn register_producer(&self, py: Python<'_>, producer: Py<PyAny>, streaming: bool) -> PyResult<()> {
        if self.disconnected.get() {
            return producer.call_method0(py, "stopProducing").map(drop);
        }
        self.producing.register(py, self.transport.get(), producer, streaming)
    }

    /// `IConsumer.unregisterProducer`.
    #[pyo3(name = "unregisterProducer")]
    fn unregister_producer(&self) {
        self.producing.unregister();
        if let Some(transport) = self.transport.get()
            && self.connected.get()
        {
            if self.disconnecting.get() {
                transport.lose_connection();
            } else if self.write_disconnecting.get() {
                self.end_output(transport);
            }
        }
    }

    /// Whether it is read.
    #[getter]
    fn _reading(&self) -> bool {
        self.connected.get() && !self.paused.get() && !self.disconnecting.get()
    }

    /// Whether a native connection is behind it.
    #[getter]
    fn _attached(&self) -> bool {
        self.transport.get().is_some()
    }

    /// This side's address.
    fn _host(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.transport.get() {
            Some(transport) => address::to_python(py, &transport.host()),
            None => Ok(py.None()),
        }
    }

    /// The number of a duplicate of the socket, which the caller closes.
    fn _clone_socket(&self) -> PyResult<RawFd> {
        let transport = self.transport.get().ok_or_else(|| PyRuntimeError::new_err("not connected"))?;
        Ok(transport.try_clone_socket()?.into_raw_fd())
    }

    fn _set_no_delay(&self, on: bool) {
        if let Some(transport) = self.transport.get() {
            transport.set_no_delay(on);
        }
    }

    fn _send_file_descriptor(&self, py: Python<'_>, descriptor: RawFd) -> PyResult<()> {
        if let Some(transport) = self.transport.get() {
            transport.send_file_descriptor(duplicate(descriptor)?)?;
            self.producing.written(py, self, transport)?;
        }
        Ok(())
    }

    /// Ends it for Python, at once. The connection is reset, or closes when everything written is sent. False if it had
    /// ended already.
    fn _end(&self, py: Python<'_>, reset: bool) -> PyResult<bool> {
        if self.disconnected.replace(true) {
            return Ok(false);
        }
        self.connected.set(false);
        if let Some(transport) = self.transport.get() {
            if reset { transport.abort_connection() } else { transport.lose_connection() }
        }
        let producer = self.producing.unregister();
        if let Some(producer) = producer {
            producer.call_method0(py, intern!(py, "stopProducing"))?;
        }
        Ok(true)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(protocol) = self.protocol.try_borrow() {
            visit.call(&*protocol)?;
        }
        self.producing.traverse(visit)
    }

    fn __clear__(&self) {
        let protocol = self.protocol.take();
        let producer = self.producing.unregister();
        drop((protocol, producer));
    }
}

impl Stream {
    pub(crate) fn attach(&self, transport: Transport) {
        // It is attached once: what builds it makes it anew for each connection.
        let _ = self.transport.set(transport);
    }

    pub(crate) fn is_disconnecting(&self) -> bool {
        self.disconnecting.get()
    }

    /// The connection, if bytes can be written.
    fn writable(&self) -> Option<&Transport> {
        self.transport.get().filter(|_| self.connected.get() && !self.write_disconnected.get())
    }

    /// Ends this side's stream, and has Python told when that has left.
    fn end_output(&self, transport: &Transport) {
        self.end_asked.set(true);
        transport.write_eof();
        self.producing.wait(transport);
    }

    /// What is written while the connection closes still leaves before its end, as in Twisted.
    fn queue(&self, transport: &Transport, data: &[u8]) {
        if self.disconnecting.get() || self.write_disconnecting.get() {
            transport.write_from_inside(data);
        } else {
            transport.write(data);
        }
    }
}

/// What the connection tells.
impl Stream {
    pub(crate) fn made(stream: &Bound<'_, Self>) -> PyResult<()> {
        stream.call_method0("_made").map(drop)
    }

    pub(crate) fn received(stream: &Bound<'_, Self>, data: &[u8]) -> PyResult<()> {
        let py = stream.py();
        match stream.borrow().get_protocol(py) {
            Some(protocol) => {
                let data = PyBytes::new(py, data);
                protocol.bind(py).call_method1(intern!(py, "dataReceived"), (data,)).map(drop)
            }
            None => Ok(()),
        }
    }

    pub(crate) fn descriptor_received(stream: &Bound<'_, Self>, descriptor: RawFd) -> PyResult<()> {
        stream.call_method1("_fileDescriptorReceived", (descriptor,)).map(drop)
    }

    pub(crate) fn received_eof(stream: &Bound<'_, Self>) -> PyResult<OnEof> {
        let this = stream.borrow();
        if this.disconnected.get() {
            return Ok(OnEof::Close);
        }
        if this.paused.get() && this.connected.get() {
            return Ok(OnEof::NotYet);
        }
        // From here on it counts as not read.
        this.paused.set(true);
        let writes_on = stream.call_method0("_readConnectionLost")?.is_truthy()?;
        Ok(if writes_on { OnEof::KeepWriting } else { OnEof::Close })
    }

    pub(crate) fn lost(stream: &Bound<'_, Self>, reason: &CloseReason) -> PyResult<()> {
        let this = stream.borrow();
        if this.disconnected.get() {
            return Ok(());
        }
        if reason.is_clean() && this.end_asked.get() && !this.write_disconnected.replace(true) {
            // With both directions ended, the connection has closed by itself.
            stream.call_method0("_writeConnectionLost")?;
        }
        let kind = match reason {
            CloseReason::Done => "done",
            CloseReason::Aborted => "aborted",
            CloseReason::DescriptorOverrun => "overrun",
            _ => "lost",
        };
        stream.call_method1("_lost", (kind, reason.to_string())).map(drop)
    }

    /// Everything that was written has left.
    pub(crate) fn sent(stream: &Bound<'_, Self>) -> PyResult<()> {
        let (this, py) = (stream.borrow(), stream.py());
        let Some(transport) = this.transport.get() else { return Ok(()) };
        if this.disconnected.get() || this.producing.sent(py, transport)? {
            return Ok(());
        }
        if this.disconnecting.get() {
            transport.lose_connection();
        } else if this.write_disconnecting.get() {
            if !this.end_asked.get() {
                this.end_output(transport);
            } else if !this.write_disconnected.replace(true) {
                stream.call_method0("_writeConnectionLost")?;
            }
        }
        Ok(())
    }

    /// Python code has let an exception through.
    pub(crate) fn failed(stream: &Bound<'_, Self>, error: PyErr) -> PyResult<()> {
        stream.call_method1("_failed", (error,)).map(drop)
    }
}

fn not_bytes() -> PyErr {
    PyTypeError::new_err("Data must be bytes")
}
