//! What a limit of the address space (`RLIMIT_AS`) leaves for threads.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// The address space of the process: how much it may use, and how much it does.
struct AddressSpace {
    limit: u64,
    used: u64,
}

/// Whether a pool of this many threads may start another. The first needs room for its stack. All of a pool take no more
/// than a quarter of the limit, and leave half of it to the rest of the program.
///
/// Rust ends the process if it cannot allocate, also for what a thread needs before it runs any code of ours. And with
/// glibc each thread sets 64 MiB aside for a heap of its own, when it first allocates.
pub(crate) fn has_room_for_thread(threads: usize) -> bool {
    AddressSpace::of_process().is_none_or(|space| space.has_room_for_thread(threads as u64))
}

impl AddressSpace {
    /// None without a limit, or where `/proc` does not tell.
    fn of_process() -> Option<Self> {
        let limit = getrlimit(Resource::As).current?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
        let kibibytes: u64 = size.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Self { limit, used: kibibytes.saturating_mul(1024) })
    }

    fn has_room_for_thread(&self, threads: u64) -> bool {
        let left = self.limit.saturating_sub(self.used);
        let pool = (threads + 1) * (STACK + HEAP);
        match threads {
            0 => left >= 2 * STACK,
            _ => pool <= self.limit / 4 && left >= self.limit / 2 + STACK + HEAP,
        }
    }
}

/// The standard library's.
const STACK: u64 = 2 << 20;

/// glibc's.
const HEAP: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn has_room(limit: u64, used: u64, threads: u64) -> bool {
        AddressSpace { limit: limit << 20, used: used << 20 }.has_room_for_thread(threads)
    }

    #[test]
    fn a_first_thread_needs_room_for_its_stack() {
        assert!(has_room(300, 10, 0) && has_room(300, 296, 0));
        assert!(!has_room(300, 297, 0) && !has_room(300, 400, 0));
    }

    #[test]
    fn others_take_a_quarter_of_the_limit_and_leave_half_of_it() {
        assert!(!has_room(300, 10, 1));
        assert!(has_room(1_024, 10, 1) && has_room(1_024, 10, 2) && !has_room(1_024, 10, 3));
        assert!(has_room(1_024, 446, 1) && !has_room(1_024, 447, 1));
    }

    #[test]
    fn there_is_room_without_a_limit() {
        assert!(has_room_for_thread(0) && has_room_for_thread(100));
    }
}
