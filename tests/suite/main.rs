//! All integration tests, one module a topic.

mod endings;
mod half_close;
mod house;
mod layers;
mod layers_ending;
mod leftovers;
mod neighbours;
mod panics;
mod reentrancy;
mod refusals;
mod simulation;
mod stopping;
mod support;
