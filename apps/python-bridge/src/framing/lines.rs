use std::cell::Cell;

use memchr::memmem;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::framing::undelivered::{Buffer, Undelivered};
use crate::stream::Stream;

/// The framing of `reactor_bridge.receivers.LineReceiver`: Twisted's, step by step, with the buffer and the search in Rust.
#[pyclass(module = "reactor_bridge._native", subclass, unsendable, frozen)]
#[derive(Default)]
pub(crate) struct LineFramer {
    undelivered: Undelivered,
    raw: Cell<bool>,
}

#[pymethods]
impl LineFramer {
    #[new]
    #[pyo3(signature = (*_arguments, **_options))]
    fn new(_arguments: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    #[getter]
    fn get_line_mode(&self) -> bool {
        !self.raw.get()
    }

    #[setter]
    fn set_line_mode(&self, line_mode: &Bound<'_, PyAny>) -> PyResult<()> {
        self.raw.set(!line_mode.is_truthy()?);
        Ok(())
    }

    #[getter]
    fn get_paused(&self) -> bool {
        self.undelivered.paused.get()
    }

    #[setter]
    fn set_paused(&self, paused: bool) {
        self.undelivered.paused.set(paused);
    }

    #[getter]
    fn _buffer<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.undelivered.buffer().rest())
    }

    /// Forgets what was not delivered, and returns it.
    #[pyo3(name = "clearLineBuffer")]
    fn clear_line_buffer<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.undelivered.buffer().take())
    }

    /// Delivers lines, or raw data, as far as the receiver is not paused.
    #[pyo3(name = "dataReceived")]
    fn data_received(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<Option<Py<PyAny>>> {
        let this = slf.borrow();
        this.undelivered.receive(data, || deliver(slf, &this))
    }
}

fn deliver(slf: &Bound<'_, LineFramer>, this: &LineFramer) -> PyResult<Option<Py<PyAny>>> {
    let py = slf.py();
    while !this.undelivered.paused.get() && !this.undelivered.is_empty() {
        let answer = if this.raw.get() {
            let data = PyBytes::new(py, &this.undelivered.buffer().take());
            slf.call_method1(intern!(py, "rawDataReceived"), (data,))?
        } else {
            // Each time: a handler may have set others.
            let (delimiter, max_length) = limits_of(slf)?;
            let next = next(py, &mut this.undelivered.buffer(), delimiter.as_bytes(), max_length);
            match next {
                Next::Line(line) => {
                    let answer = slf.call_method1(intern!(py, "lineReceived"), (line,))?;
                    if !answer.is_truthy()? && is_disconnecting(slf)? {
                        return Ok(Some(answer.unbind()));
                    }
                    answer
                }
                Next::TooLong(rest) => {
                    return slf.call_method1("lineLengthExceeded", (rest,)).map(|answer| Some(answer.unbind()));
                }
                Next::Incomplete => return Ok(None),
            }
        };
        if answer.is_truthy()? {
            return Ok(Some(answer.unbind()));
        }
    }
    Ok(None)
}

/// The delimiter and the longest line, which subclasses set.
fn limits_of<'py>(slf: &Bound<'py, LineFramer>) -> PyResult<(Bound<'py, PyBytes>, usize)> {
    let py = slf.py();
    let delimiter = slf.getattr(intern!(py, "delimiter"))?.cast_into::<PyBytes>()?;
    let max_length = slf.getattr(intern!(py, "MAX_LENGTH"))?.extract::<usize>()?;
    Ok((delimiter, max_length))
}

fn is_disconnecting(slf: &Bound<'_, LineFramer>) -> PyResult<bool> {
    let py = slf.py();
    let transport = slf.getattr(intern!(py, "transport"))?;
    match transport.cast::<Stream>() {
        Ok(stream) => Ok(stream.borrow().is_disconnecting()),
        Err(_) if transport.is_none() => Ok(false),
        Err(_) => transport.getattr(intern!(py, "disconnecting"))?.is_truthy(),
    }
}

/// What the buffer begins with.
enum Next<'py> {
    Line(Bound<'py, PyBytes>),
    /// A line that is longer than allowed, with everything behind it.
    TooLong(Bound<'py, PyBytes>),
    Incomplete,
}

fn next<'py>(py: Python<'py>, buffer: &mut Buffer, delimiter: &[u8], max_length: usize) -> Next<'py> {
    let rest = buffer.rest();
    // A delimiter may have begun at the end of what was searched before.
    let from = buffer.searched(delimiter).saturating_sub(delimiter.len().saturating_sub(1));
    match memmem::find(&rest[from..], delimiter).map(|at| from + at) {
        Some(end) if end <= max_length => {
            let line = PyBytes::new(py, &rest[..end]);
            buffer.skip(end + delimiter.len());
            Next::Line(line)
        }
        None if rest.len() < max_length.saturating_add(delimiter.len()) => {
            buffer.set_searched(delimiter);
            buffer.compact();
            Next::Incomplete
        }
        _ => Next::TooLong(PyBytes::new(py, &buffer.take())),
    }
}
