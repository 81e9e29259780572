//! time-client
fn main() {}
