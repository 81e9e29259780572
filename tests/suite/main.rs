//! All integration tests, one module a topic.

mod apps;
mod connectors;
mod endings;
mod flow_control;
mod half_close;
mod house;
mod kit;
mod layers;
mod layers_ending;
mod leftovers;
mod lifecycle;
mod model;
mod neighbours;
mod panics;
mod ports;
mod reading;
mod reentrancy;
mod refusals;
mod reliability;
mod signals;
mod simulation;
mod stopping;
mod support;
mod threads;
mod timers;
mod udp;
