//! Services: their order, their failures, and the runner around them.

mod client_service;
mod endpoint_services;
mod process_monitor;
mod runner;
mod simulated;
mod supervision;
mod threads;
