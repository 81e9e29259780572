//! How much memory the process may use.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// The least of the limits of its control groups (version 2), the limit of its address space (`RLIMIT_AS`) and the
/// machine's memory.
pub(crate) fn of_process() -> usize {
    let address_space = getrlimit(Resource::As).current;
    usize::try_from(least(address_space, |path| fs::read_to_string(path).ok())).unwrap_or(usize::MAX)
}

/// A file that cannot be read, or has another form, sets no limit.
fn least(address_space: Option<u64>, read: impl Fn(&str) -> Option<String>) -> u64 {
    let machine = read("/proc/meminfo").and_then(|text| total(&text));
    let groups = read("/proc/self/cgroup").and_then(|text| Some(group(&text)?.to_owned())).unwrap_or_default();
    // A group's limit holds for all groups in it. A container sees its own limit at the root.
    let paths = groups.match_indices('/').map(|(at, _)| &groups[..at]).chain([&*groups]);
    let groups = paths.filter_map(|group| {
        let limit = read(&format!("/sys/fs/cgroup{}/memory.max", group.trim_end_matches('/')))?;
        limit.trim().parse().ok()
    });
    groups.chain(machine).chain(address_space).min().unwrap_or(u64::MAX)
}

/// The path of the process's group, from `/proc/self/cgroup`.
fn group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// The machine's memory in bytes, from `/proc/meminfo`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:        8000000 kB\nMemFree:          123456 kB\n");
    const OF_MACHINE: u64 = 8_000_000 * 1024;

    fn least_of(address_space: Option<u64>, files: &[(&str, &str)]) -> u64 {
        least(address_space, |path| Some(files.iter().find(|(name, _)| *name == path)?.1.to_owned()))
    }

    #[test]
    fn without_other_limits_it_is_the_machines_memory() {
        assert_eq!(least_of(None, &[MACHINE]), OF_MACHINE);
        let groups = [MACHINE, ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "max\n")];
        assert_eq!(least_of(Some(u64::MAX), &groups), OF_MACHINE);
    }

    #[test]
    fn a_limit_of_the_address_space_counts_if_it_is_less() {
        assert_eq!(least_of(Some(300 << 20), &[MACHINE]), 300 << 20);
        assert_eq!(least_of(Some(300 << 40), &[MACHINE]), OF_MACHINE);
    }

    #[test]
    fn the_least_limit_on_the_way_to_the_processs_group_counts() {
        let group = ("/proc/self/cgroup", "12:memory:/old\n0::/system.slice/time.service\n");
        let slice = ("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
        let service = ("/sys/fs/cgroup/system.slice/time.service/memory.max", "max\n");
        assert_eq!(least_of(None, &[MACHINE, group, slice, service]), 1 << 30);
        let service = (service.0, "536870912\n");
        assert_eq!(least_of(None, &[MACHINE, group, slice, service]), 1 << 29);
        let container = [MACHINE, ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "268435456\n")];
        assert_eq!(least_of(None, &container), 1 << 28);
    }

    #[test]
    fn what_cannot_be_read_is_no_limit() {
        assert_eq!(least_of(None, &[]), u64::MAX);
        let odd = [("/proc/meminfo", "MemTotal: much kB\n"), ("/proc/self/cgroup", "1:name=systemd:/init\n")];
        assert_eq!(least_of(Some(1 << 30), &odd), 1 << 30);
    }

    #[test]
    fn the_machine_that_runs_this_has_some() {
        assert!((1 << 20..usize::MAX).contains(&of_process()));
    }
}
