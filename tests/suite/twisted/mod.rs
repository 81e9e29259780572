//! What Twisted promises and no other test names. Each is named after its statement in `docs/twisted-conformance.md`.

mod clients;
mod closing;
mod conformance;
mod connections;
mod reactors;
mod writing;
