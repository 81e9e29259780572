use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why there are no settings: a sentence for each mistake, with its file and line, on a line each.
#[derive(Debug)]
pub struct SettingsError {
    path: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    CannotRead(io::Error),
    Mistakes(Vec<Mistake>),
}

/// What is wrong in a line of the file.
#[derive(Debug)]
pub(super) struct Mistake {
    /// From 1.
    pub(super) line: usize,
    pub(super) sentence: String,
}

impl SettingsError {
    pub(super) fn cannot_read(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), what: What::CannotRead(error) }
    }

    pub(super) fn mistakes(path: &Path, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.line);
        Self { path: path.to_owned(), what: What::Mistakes(mistakes) }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.what {
            What::CannotRead(error) => write!(f, "cannot read the settings {path}: {error}"),
            What::Mistakes(mistakes) => {
                for (index, Mistake { line, sentence }) in mistakes.iter().enumerate() {
                    let separator = if index > 0 { "\n" } else { "" };
                    write!(f, "{separator}{path}:{line}: {sentence}")?;
                }
                Ok(())
            }
        }
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.what {
            What::CannotRead(error) => Some(error),
            What::Mistakes(_) => None,
        }
    }
}
