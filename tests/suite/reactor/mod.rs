//! The event loop: its life, its timers, its signals and its threads.

mod cooperating;
mod futures;
mod inspecting;
mod leftovers;
mod lifecycle;
mod looping;
mod resting;
mod signals;
mod stopping;
mod threads;
mod timers;
