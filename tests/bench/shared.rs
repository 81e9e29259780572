//! Files of `tests/rig`, without its dependencies.

#[path = "../rig/child.rs"]
mod child;
#[path = "../rig/figures.rs"]
mod figures;
#[path = "../rig/limits.rs"]
mod limits;
#[path = "../rig/page.rs"]
pub mod page;

pub use child::{Child, Ended};
pub use figures::{cpu_of, descriptors_of, resident_of};
pub use limits::{now, open_files};
