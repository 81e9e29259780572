//! Services: parts of a program that start and stop, alone or as a tree, and the runner that runs them as a program.
//!
//! A [`Service`] starts, may fail, and stops. [`EndpointService`] listens, [`ClientService`] stays connected,
//! [`TimerService`] calls a function repeatedly, [`ProcessMonitor`] keeps child processes running, and a
//! [`MultiService`] holds others: it starts them in order, stops them in reverse, and restarts those that fail. A
//! [`Runner`] is the `main` of a program that is a service: it handles signals, reloading, [`Readiness`], the service
//! manager and the exit status.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::time::Duration;
//! use reactor::service::{EndpointService, MultiService, Runner, TimerService};
//! # use reactor::{Protocol, Transport};
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//!
//! fn main() -> ExitCode {
//!     Runner::new("echo").run(|reactor| {
//!         let listening = reactor.clone();
//!         let echo = EndpointService::from_fn("port", async move || {
//!             listening.listen_tcp(8007, |transport| Echo { transport })
//!         });
//!         let beat = TimerService::new(reactor, "beat", Duration::from_secs(60), |_tick| println!("alive"));
//!         Ok(MultiService::new(reactor, "echo").with(echo).with(beat))
//!     })
//! }
//! ```
//!
//! Twisted has `twisted.application.service`, `twisted.application.internet` and `twist`.

mod client_service;
mod endpoint_service;
mod multi_service;
mod process_monitor;
mod program;
mod readiness;
mod restarts;
mod runner;
#[expect(clippy::module_inception, reason = "the file is named after its trait")]
mod service;
mod supervised;
mod timer_service;

pub use client_service::ClientService;
pub use endpoint_service::EndpointService;
pub use multi_service::MultiService;
pub use process_monitor::ProcessMonitor;
pub use readiness::Readiness;
pub use runner::{Runner, ThreadedRunner};
pub use service::{Service, ServiceError};
pub use timer_service::TimerService;
