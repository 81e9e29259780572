//! Services: what starts and stops, one by one and as a tree.

mod endpoint_service;
mod multi_service;
mod restarts;
#[expect(clippy::module_inception, reason = "the file is named after its trait")]
mod service;
mod supervised;
mod timer_service;

pub use endpoint_service::EndpointService;
pub use multi_service::MultiService;
pub use service::Service;
pub use service::ServiceError;
pub use timer_service::TimerService;
