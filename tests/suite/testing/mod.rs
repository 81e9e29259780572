//! The testing kit, tested.

mod kit;
mod simulation;
mod panics;
