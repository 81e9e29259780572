use std::fs;
use std::path::Path;
use std::time::SystemTime;

use reactor::text::escaped;

/// Something that changes when a file does.
pub(crate) type Stamp = (SystemTime, u64);

/// That of this file; `None` if it cannot be had.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The path, escaped for people to read.
pub(crate) fn name_of(path: &Path) -> String {
    escaped(path.as_os_str().as_encoded_bytes()).to_string()
}
