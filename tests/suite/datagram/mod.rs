//! UDP and multicast, also in the simulation.

mod addresses;
mod multicast;
mod simulated;
mod udp;
mod udp_batches;
