//! All integration tests, one module a topic.

mod endings;
mod house;
mod layers;
mod reentrancy;
mod simulation;
mod support;
