use std::time::Duration;
use std::{fs, io};

/// The number of descriptors that the process has open.
pub fn descriptors_of(pid: u32) -> io::Result<usize> {
    let folder = format!("/proc/{pid}/fd");
    // Since Linux 6.2 the folder says it, at once.
    match fs::metadata(&folder)?.len() {
        0 => Ok(fs::read_dir(folder)?.count()),
        descriptors => Ok(usize::try_from(descriptors).unwrap_or(usize::MAX)),
    }
}

/// The process's resident memory, in bytes.
pub fn resident_of(pid: u32) -> io::Result<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| io::Error::other("no VmRSS"))
}

/// Whether all threads of the process wait for something.
pub fn is_asleep(pid: u32) -> io::Result<bool> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else {
            continue; // It has ended since.
        };
        if fields(&stat).next() != Some("S") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The processor time that the process has used, in user and in system mode, in ticks of 10 ms.
pub fn cpu_of(pid: u32) -> io::Result<(Duration, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<_> = fields(&stat).collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((Duration::from_millis(user * 10), Duration::from_millis(system * 10))),
        _ => Err(io::Error::other("no times in stat")),
    }
}

/// The fields of a line of `stat` behind the program's name. That may contain anything, and ends with the last parenthesis.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit(')').next().unwrap_or_default().split_whitespace()
}
