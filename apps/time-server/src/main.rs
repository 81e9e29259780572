//! time-server
fn main() {}
