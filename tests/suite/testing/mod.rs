//! The testing kit, tested.

mod clients;
mod kit;
mod panics;
mod simulation;
