//! The lines of earlier sessions.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, io};

use nix::fcntl::OFlag;
use nix::unistd::Uid;

/// A file with the lines typed at a terminal, which only its owner can read. Several clients may use it at once.
///
/// A line of the file is a typed line, with a backslash before an `n` in place of each newline inside it, and before each
/// backslash.
pub(crate) struct History {
    file: File,
}

/// How many lines are offered again. The file is cut down to as many when it has twice that.
const MOST_LINES: usize = 1_000;

/// A longer line is not kept.
const LONGEST: usize = 4_096;

/// A file beyond this is not ours.
const LARGEST: u64 = 64 << 20;

impl History {
    /// Opens the user's file, and creates it if need be. `None` if there is no place for one.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or is not a file of this user's alone. The error names it.
    pub(crate) fn open() -> io::Result<Option<Self>> {
        match path_in(env::var_os("XDG_STATE_HOME"), env::var_os("HOME")) {
            Some(path) => Self::at(&path).map(Some).map_err(|error| {
                let path = path.display();
                io::Error::new(error.kind(), format!("cannot use {path} for the lines of earlier sessions: {error}"))
            }),
            None => Ok(None),
        }
    }

    fn at(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // Any user who may write to the folder could have put a link or a pipe there.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).mode(0o600).custom_flags(flags.bits()).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        if metadata.uid() != Uid::effective().as_raw() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if metadata.len() > LARGEST {
            return Err(io::Error::other("it is too large"));
        }
        if metadata.mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(Self { file })
    }

    /// The lines, the oldest first. Those that could do something to a terminal are left out.
    pub(crate) fn load(&mut self) -> io::Result<Vec<String>> {
        self.file.lock()?;
        let lines = self.load_locked();
        self.file.unlock()?;
        lines
    }

    fn load_locked(&mut self) -> io::Result<Vec<String>> {
        let mut content = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut content)?;
        let content = String::from_utf8_lossy(&content);
        let mut entries: Vec<_> = content.lines().collect();
        let kept = entries.split_off(entries.len().saturating_sub(MOST_LINES));
        if entries.len() > MOST_LINES {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(kept.iter().map(|entry| format!("{entry}\n")).collect::<String>().as_bytes())?;
        }
        let is_harmless = |line: &String| line.chars().all(|c| !c.is_control() || c == '\n');
        Ok(kept.into_iter().map(unescaped).filter(is_harmless).collect())
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: &str) -> io::Result<()> {
        if line.is_empty() || line.len() > LONGEST {
            return Ok(());
        }
        let entry = format!("{}\n", line.replace('\\', "\\\\").replace('\n', "\\n"));
        self.file.lock()?;
        let added = self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(entry.as_bytes()));
        self.file.unlock()?;
        added
    }
}

fn unescaped(entry: &str) -> String {
    let mut line = String::with_capacity(entry.len());
    let mut rest = entry.chars();
    while let Some(c) = rest.next() {
        match (c, rest.as_str().chars().next()) {
            ('\\', Some('n')) => line.push('\n'),
            ('\\', Some(next)) => line.push(next),
            _ => {
                line.push(c);
                continue;
            }
        }
        rest.next();
    }
    line
}

/// Where the file is, by the [XDG Base Directory Specification], which has relative paths ignored.
///
/// [XDG Base Directory Specification]: https://specifications.freedesktop.org/basedir-spec/latest/
fn path_in(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute(state).or_else(|| absolute(home).map(|home| home.join(".local/state")))?;
    Some(state.join("time-client/history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    fn place() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/history");
        (folder, path)
    }

    #[test]
    fn lines_come_back_as_they_were_in_a_file_for_their_owner_alone() {
        let (folder, path) = place();
        let lines = ["one", "two\n\nlines\n", r"back\slash\n", "\u{e9} \u{1f600}", " "];
        for line in lines {
            History::at(&path).unwrap().add(line).unwrap();
        }
        assert_eq!(History::at(&path).unwrap().load().unwrap(), lines);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder.path().join("a"))), (0o600, 0o700));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        History::at(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn two_clients_lose_none_of_each_others_lines() {
        let (_folder, path) = place();
        let mut both = [History::at(&path).unwrap(), History::at(&path).unwrap()];
        for turn in 0..4 {
            both[turn % 2].add(&turn.to_string()).unwrap();
        }
        assert_eq!(both[0].load().unwrap(), ["0", "1", "2", "3"]);
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let (_folder, path) = place();
        let mut history = History::at(&path).unwrap();
        for number in 0..=2 * MOST_LINES {
            history.add(&number.to_string()).unwrap();
        }
        history.add(&"x".repeat(LONGEST + 1)).unwrap();
        let lines = history.load().unwrap();
        assert_eq!((lines.len(), &lines[0][..], &lines[MOST_LINES - 1][..]), (MOST_LINES, "1001", "2000"));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), MOST_LINES);
        history.add("next").unwrap();
        assert_eq!(history.load().unwrap().last().unwrap(), "next");
    }

    #[test]
    fn what_is_no_file_of_the_user_is_neither_followed_nor_waited_for() {
        let (folder, path) = place();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "precious").unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(History::at(&path).is_err());
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert!(History::at(&path).is_err());
    }

    #[test]
    fn a_line_that_could_do_something_to_a_terminal_is_left_out() {
        let (_folder, path) = place();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"good\nbad \x1b[2J\nworse \xc2\x9b2J\n\xff odd\n").unwrap();
        assert_eq!(History::at(&path).unwrap().load().unwrap(), ["good", "\u{fffd} odd"]);
    }

    #[test]
    fn it_is_in_the_directory_for_states_if_there_is_one() {
        let path = |state: Option<&str>, home: Option<&str>| path_in(state.map(Into::into), home.map(Into::into));
        let below = |folder: &str| Some(Path::new(folder).join("time-client/history"));
        assert_eq!(path(Some("/state"), Some("/home/me")), below("/state"));
        for state in [None, Some(""), Some("relative")] {
            assert_eq!(path(state, Some("/home/me")), below("/home/me/.local/state"));
        }
        assert_eq!(path(None, None), None);
    }
}
