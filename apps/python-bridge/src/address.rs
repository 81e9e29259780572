//! Addresses as Python's `socket` has them.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use reactor::Address;
use reactor::address::UnixAddress;

/// `(host, port)`, for IPv6 `(host, port, flow, scope)`, for a UNIX socket its name, and otherwise `None`.
pub(crate) fn to_python(py: Python<'_>, address: &Address) -> PyResult<Py<PyAny>> {
    if let Some(address) = address.socket_addr() {
        return Ok(match address {
            SocketAddr::V4(v4) => (v4.ip().to_string(), v4.port()).into_pyobject(py)?.into_any().unbind(),
            SocketAddr::V6(v6) => {
                let parts = (v6.ip().to_string(), v6.port(), v6.flowinfo(), v6.scope_id());
                parts.into_pyobject(py)?.into_any().unbind()
            }
        });
    }
    match address {
        Address::Unix(name) => Ok(unix_name(py, name)),
        _ => Ok(py.None()),
    }
}

/// `(host, port)`, where the name of the interface stands behind a link-local host.
pub(crate) fn of_datagram<'py>(py: Python<'py>, address: SocketAddr) -> PyResult<Bound<'py, PyTuple>> {
    let host = match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => {
            let interface = py.import("socket")?.call_method1("if_indextoname", (v6.scope_id(),))?;
            format!("{}%{interface}", v6.ip())
        }
        _ => address.ip().to_string(),
    };
    (host, address.port()).into_pyobject(py)
}

fn unix_name(py: Python<'_>, name: &UnixAddress) -> Py<PyAny> {
    if let Some(path) = name.path() {
        return PyBytes::new(py, path.as_os_str().as_bytes()).into_any().unbind();
    }
    match name.abstract_name() {
        Some(name) => PyBytes::new(py, &[b"\0", name].concat()).into_any().unbind(),
        None => py.None(),
    }
}
