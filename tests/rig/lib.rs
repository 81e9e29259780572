//! What the tests and the program for figures share.

pub mod allocations;
mod child;
pub mod echo;
pub mod faults;
pub mod faulty;
mod figures;
mod limits;
pub mod peer;
pub mod steady;
pub mod storm;

pub use child::{Child, Ended};
pub use figures::{cpu_of, descriptors_of, resident_of};
pub use limits::{now, open_files};
