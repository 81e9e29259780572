//! What is passed around: names, numbers, times, and values that nodes agree on.

pub(super) mod ban_mask;
pub(super) mod ids;
pub(super) mod modes;
pub(super) mod names;
pub(super) mod register;
pub(super) mod speech;
pub(super) mod timestamp;
