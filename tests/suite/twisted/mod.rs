//! Twisted's promises that no other test covers. Each test is named after its statement in
//! `docs/twisted-conformance.md`.

mod clients;
mod closing;
mod conformance;
mod connections;
mod reactors;
mod writing;
