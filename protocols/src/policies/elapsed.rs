//! Times that have passed, as the state of a policy.

use std::time::Duration;

pub(crate) fn to_state(elapsed: Duration) -> Vec<u8> {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).to_be_bytes().to_vec()
}

pub(crate) fn from_state(state: &[u8]) -> Option<Duration> {
    Some(Duration::from_millis(u64::from_be_bytes(state.try_into().ok()?)))
}
