//! Ports: whom they accept, whom they refuse, how they end and are handed over.

mod draining;
mod handover;
mod overload;
mod ports;
mod refusals;
