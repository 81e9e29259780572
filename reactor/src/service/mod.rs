//! Services: what starts and stops, one by one and as a tree, and the runner that does it for a program.

mod client_service;
mod endpoint_service;
mod multi_service;
mod readiness;
mod restarts;
mod runner;
#[expect(clippy::module_inception, reason = "the file is named after its trait")]
mod service;
mod service_manager;
mod supervised;
mod timer_service;

pub use client_service::ClientService;
pub use endpoint_service::EndpointService;
pub use multi_service::MultiService;
pub use readiness::Readiness;
pub use runner::Runner;
pub use service::{Service, ServiceError};
pub use timer_service::TimerService;
