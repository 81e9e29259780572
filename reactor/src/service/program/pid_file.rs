//! A file with the process id, for those who signal the program.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{fs, io, process};

use crate::util::escaped::escaped_path;

/// The file of this process, locked while it runs. Dropping it removes the file.
pub(crate) struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Writes the file, in place of one that a process has left behind.
    pub(crate) fn write(path: &Path) -> io::Result<Self> {
        Self::lock_and_write(path).map_err(|error| {
            let message = format!("cannot write the pid file {}: {error}", escaped_path(path));
            io::Error::new(error.kind(), message)
        })
    }

    fn lock_and_write(path: &Path) -> io::Result<Self> {
        loop {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o644).custom_flags(libc::O_NOFOLLOW);
            let mut file = options.open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process has it and runs"));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Its holder may have removed it meanwhile.
            if is_at(&file, path) {
                file.set_len(0)?;
                writeln!(file, "{}", process::id())?;
                return Ok(Self { path: path.to_owned(), file });
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %escaped_path(&self.path), %error, "cannot remove the pid file");
        }
    }
}

/// Whether this is the file at that path.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(file), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (file.dev(), file.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_id_of_its_process_as_long_as_that_runs() {
        let directory = std::env::temp_dir().join(format!("pid-file-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("pid");
        // Left behind by another.
        fs::write(&path, "4194304 and more than that\n").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        let error = PidFile::write(&path).err().unwrap().to_string();
        assert_eq!(error, format!("cannot write the pid file {}: another process has it and runs", path.display()));
        drop(file);
        assert!(!path.exists());
        // What has taken its name is left alone.
        let file = PidFile::write(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_dir_all(&directory).unwrap();
    }
}
