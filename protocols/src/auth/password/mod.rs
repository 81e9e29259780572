//! Passwords: what is kept of them, and how many are hashed at a time.

pub(super) mod accounts;
pub(super) mod file;
pub(super) mod hash;
pub(super) mod hashing;
pub(super) mod table;
