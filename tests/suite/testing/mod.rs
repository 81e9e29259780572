//! The testing kit, tested.

mod kit;
mod simulation;
