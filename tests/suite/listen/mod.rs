//! Ports: which clients they accept and refuse, how they end and are handed over.

mod draining;
mod handover;
mod live;
mod overload;
mod ports;
mod refusals;
