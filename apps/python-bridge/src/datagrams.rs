use std::cell::{Cell, OnceCell};
use std::net::{IpAddr, SocketAddr};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use reactor::datagram::{DatagramProtocol, DatagramTransport};

use crate::address;
use crate::running::on_behalf_of;

/// What a Python protocol for datagrams has as its transport: the base of the classes in `reactor_bridge.udp`.
#[pyclass(module = "reactor_bridge._native", subclass, unsendable, frozen)]
#[derive(Default)]
pub(crate) struct DatagramPort {
    transport: OnceCell<DatagramTransport>,
    reading: Cell<bool>,
}

#[pymethods]
impl DatagramPort {
    #[new]
    #[pyo3(signature = (*_arguments, **_options))]
    fn new(_arguments: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    /// `IUDPTransport.write`. What is not plain, or fails, is left to Twisted's own code, on the same socket.
    #[pyo3(signature = (datagram, addr=None))]
    fn write(slf: &Bound<'_, Self>, datagram: &Bound<'_, PyAny>, addr: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        if slf.borrow().send(datagram, addr).is_none() {
            slf.call_method1("_write_otherwise", (datagram, addr))?;
        }
        Ok(())
    }

    /// `IReadDescriptor`'s, as the reactor uses it.
    #[pyo3(name = "startReading")]
    fn start_reading(&self) {
        self.reading.set(true);
        if let Some(transport) = self.transport.get() {
            transport.resume_reading();
        }
    }

    #[pyo3(name = "stopReading")]
    fn stop_reading(&self) {
        self.reading.set(false);
        if let Some(transport) = self.transport.get() {
            transport.pause_reading();
        }
    }

    /// Whether it is read.
    #[getter]
    fn _reading(&self) -> bool {
        self.reading.get()
    }

    fn _connect(&self, host: IpAddr, port: u16, scope: u32) -> PyResult<()> {
        let mut peer = SocketAddr::new(host, port);
        if let SocketAddr::V6(peer) = &mut peer {
            peer.set_scope_id(scope);
        }
        match self.transport.get() {
            Some(transport) => Ok(transport.connect(unmapped(peer))?),
            None => Ok(()),
        }
    }

    /// Closes the socket, and calls `_closed` then.
    fn _stop(&self) {
        if let Some(transport) = self.transport.get() {
            drop(transport.stop_listening());
        }
    }
}

impl DatagramPort {
    /// `None` if it was not sent.
    fn send(&self, datagram: &Bound<'_, PyAny>, to: Option<&Bound<'_, PyAny>>) -> Option<()> {
        let transport = self.transport.get()?;
        let datagram = datagram.cast::<PyBytes>().ok()?.as_bytes();
        let sent = match to {
            Some(to) => transport.write(datagram, destination(to, transport.host())?),
            None => transport.write_to_peer(datagram),
        };
        sent.ok()
    }
}

/// Hands what arrives to a port in Python.
pub(crate) struct Datagrams {
    port: Py<DatagramPort>,
    is_ipv6: bool,
}

impl Datagrams {
    /// The protocol of a port whose transport `port` is from here on.
    pub(crate) fn carried(port: &Bound<'_, DatagramPort>, transport: DatagramTransport) -> Self {
        let is_ipv6 = transport.host().is_ipv6();
        // It is set once: each port in Python has one socket.
        let _ = port.borrow().transport.set(transport);
        Self { port: port.clone().unbind(), is_ipv6 }
    }

    fn call(&self, call: impl FnOnce(&Bound<'_, DatagramPort>) -> PyResult<()>) {
        on_behalf_of(self.port.as_any(), |py| {
            let port = self.port.bind(py);
            call(port).or_else(|error| port.call_method1("_failed", (error,)).map(drop))
        });
    }
}

impl DatagramProtocol for Datagrams {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        self.call(|port| {
            let py = port.py();
            let most = port.getattr(intern!(py, "maxPacketSize"))?.extract::<usize>()?;
            let data = PyBytes::new(py, &data[..data.len().min(most)]);
            let peer = address::of_datagram(py, self.mapped(peer))?;
            let protocol = port.getattr(intern!(py, "protocol"))?;
            protocol.call_method1(intern!(py, "datagramReceived"), (data, peer)).map(drop)
        });
    }

    fn connection_refused(&mut self) {
        self.call(|port| port.getattr("protocol")?.call_method0("connectionRefused").map(drop));
    }

    fn stop_protocol(&mut self) {
        self.call(|port| port.call_method0("_closed").map(drop));
    }
}

impl Datagrams {
    /// The peer in the family of the port, as Twisted has it.
    fn mapped(&self, peer: SocketAddr) -> SocketAddr {
        match peer.ip() {
            IpAddr::V4(ip) if self.is_ipv6 => (ip.to_ipv6_mapped(), peer.port()).into(),
            _ => peer,
        }
    }
}

/// The same as the reactor has it: a port for both families reaches IPv4 by addresses of IPv4.
fn unmapped(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, peer.port()).into(),
        IpAddr::V6(_) => peer,
    }
}

/// What `(host, port)` says, if that is an address in the family of a port at `host`.
fn destination(to: &Bound<'_, PyAny>, host: SocketAddr) -> Option<SocketAddr> {
    let (ip, port) = to.extract::<(&str, u16)>().ok()?;
    let to = SocketAddr::new(ip.parse().ok()?, port);
    (to.is_ipv6() == host.is_ipv6()).then(|| unmapped(to))
}
