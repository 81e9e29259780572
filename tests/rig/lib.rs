//! Code shared by the tests and the measuring programs.

pub mod allocations;
pub mod certificates;
mod child;
pub mod echo;
pub mod faults;
pub mod faulty;
mod figures;
pub mod interrupted_handshakes;
mod limits;
pub mod out_of_memory;
pub mod page;
pub mod peer;
mod processor;
pub mod ready_made;
pub mod steady;
pub mod storm;

pub use child::{Child, Ended};
pub use figures::{cpu_of, descriptors_of, resident_of};
pub use limits::{now, open_files};
pub use processor::{processor_time_of, stay_on_processor};

/// The programs in the project's pages, compiled and run as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/porting.md")]
    struct Porting;

    #[doc = include_str!("../../docs/inspecting.md")]
    struct Inspecting;

    #[doc = include_str!("../../docs/guide/connections.md")]
    struct Connections;

    #[doc = include_str!("../../docs/guide/lines.md")]
    struct Lines;

    #[doc = include_str!("../../docs/guide/timers.md")]
    struct Timers;

    #[doc = include_str!("../../docs/guide/flow-control.md")]
    struct FlowControl;

    #[doc = include_str!("../../docs/guide/policies.md")]
    struct Policies;

    #[doc = include_str!("../../docs/guide/udp.md")]
    struct Udp;

    #[doc = include_str!("../../docs/guide/clients.md")]
    struct Clients;

    #[doc = include_str!("../../docs/guide/shared-state.md")]
    struct SharedState;

    #[doc = include_str!("../../docs/guide/databases.md")]
    struct Databases;

    #[doc = include_str!("../../docs/guide/tests.md")]
    struct Tests;

    #[doc = include_str!("../../docs/guide/logins.md")]
    struct Logins;

    #[doc = include_str!("../../docs/guide/logging.md")]
    struct Logging;
}
