//! Signals that this process was started with ignored or blocked.

use std::{fs, io};

use nix::sys::signal::{SigSet, Signal};

/// Whether a signal is ignored; false if that is unknown, as without `/proc`.
pub(crate) fn is_ignored(signal: i32) -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| is_in(&status, signal))
}

/// Lets this thread receive a signal, which the system keeps back if this process was started with it blocked: a launcher
/// that waits for signals in its own way may leave them so. One thread is enough.
pub(crate) fn unblock(signal: i32) -> io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::try_from(signal)?);
    Ok(signals.thread_unblock()?)
}

fn is_in(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| (mask >> (signal - 1)) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_a_bit_of_the_mask() {
        let status = "Name:\tserver\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000011001\nSigCgt:\t0000000000000002\n";
        assert_eq!([1, 2, 13, 15, 17].map(|signal| is_in(status, signal)), [true, false, true, false, true]);
        assert!(!is_in("", 1) && !is_in("SigIgn:\tx", 1));
    }
}
