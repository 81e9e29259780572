use protocols::string::{StringError, StringFormat};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::framing::undelivered::Undelivered;

/// The framing of `reactor_bridge.receivers.IntNStringReceiver` and `NetstringReceiver`, by that of `protocols`.
#[pyclass(module = "reactor_bridge._native", subclass, unsendable, frozen)]
#[derive(Default)]
pub(crate) struct StringFramer(Undelivered);

#[pymethods]
impl StringFramer {
    #[new]
    #[pyo3(signature = (*_arguments, **_options))]
    fn new(_arguments: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    #[getter]
    fn get_paused(&self) -> bool {
        self.0.paused.get()
    }

    #[setter]
    fn set_paused(&self, paused: bool) {
        self.0.paused.set(paused);
    }

    /// What was not delivered. A handler may take from it, or put something else in its place.
    #[getter]
    fn get_recvd<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.buffer().rest())
    }

    #[setter]
    fn set_recvd(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        // Twisted's AMP puts an empty text in its place.
        let data = if data.is_truthy()? { data.extract()? } else { Vec::new() };
        self.0.buffer().replace(data);
        Ok(())
    }

    /// Delivers strings as far as the receiver is not paused.
    #[pyo3(name = "dataReceived")]
    fn data_received(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<()> {
        let this = slf.borrow();
        this.0.receive(data, || deliver(slf, &this.0))
    }
}

fn deliver(slf: &Bound<'_, StringFramer>, undelivered: &Undelivered) -> PyResult<()> {
    let py = slf.py();
    let format = format_of(slf)?;
    while !undelivered.paused.get() && !undelivered.is_empty() {
        // Each time: a handler may have set another.
        let max_length = slf.getattr(intern!(py, "MAX_LENGTH"))?.extract::<usize>()?;
        match next(py, undelivered, format, max_length) {
            Ok(Some(string)) => slf.call_method1(intern!(py, "stringReceived"), (string,)).map(drop)?,
            Ok(None) => return Ok(()),
            Err(_) if format == StringFormat::Netstring => return slf.call_method0("_handleParseError").map(drop),
            Err(StringError::TooLong { length, .. }) => {
                return slf.call_method1("lengthLimitExceeded", (length,)).map(drop);
            }
            Err(error) => return Err(PyValueError::new_err(error.to_string())),
        }
    }
    Ok(())
}

/// The format that the class says: as a format of Python's `struct`, or that of netstrings.
fn format_of(slf: &Bound<'_, StringFramer>) -> PyResult<StringFormat> {
    let format = slf.getattr(intern!(slf.py(), "structFormat"))?.cast_into::<PyString>()?;
    match format.to_str()? {
        "netstring" => Ok(StringFormat::Netstring),
        "B" | "!B" | ">B" | "<B" | "=B" | "@B" => Ok(StringFormat::Int8),
        "!H" | ">H" => Ok(StringFormat::Int16),
        "!I" | ">I" | "!L" | ">L" => Ok(StringFormat::Int32),
        "<H" => Ok(StringFormat::Int16Le),
        "<I" | "<L" => Ok(StringFormat::Int32Le),
        other => Err(PyValueError::new_err(format!(
            "no strings with a prefix of the format {other:?} are framed by Rust: use the receiver of twisted.protocols.basic"
        ))),
    }
}

fn next<'py>(
    py: Python<'py>,
    undelivered: &Undelivered,
    format: StringFormat,
    max_length: usize,
) -> Result<Option<Bound<'py, PyBytes>>, StringError> {
    let mut buffer = undelivered.buffer();
    let (len, mut rest) = (buffer.rest().len(), buffer.rest());
    let Some(string) = format.split_off_first(&mut rest, max_length)? else {
        buffer.compact();
        return Ok(None);
    };
    let (string, used) = (PyBytes::new(py, string), len - rest.len());
    buffer.skip(used);
    Ok(Some(string))
}
