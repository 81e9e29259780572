use std::error::Error;
use std::fmt;

use crate::util::escaped::escaped;

/// What is wrong with the description of an endpoint. It displays as a sentence that begins with the description and
/// names the wrong piece, its position, and what was expected:
/// `tcp:80x: "80x" (at 4) is not a port: a port is a number from 0 to 65535`.
///
/// Code that adds schemes makes it by [`Argument::error`](crate::endpoint::Argument::error) and
/// [`Arguments::error`](crate::endpoint::Arguments::error).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    description: String,
    position: Option<usize>,
    problem: String,
}

impl EndpointError {
    /// The position of the wrong piece in the description, in bytes; `None` if the whole description is wrong.
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// An error about the description as a whole.
    pub(super) fn new(description: &str, problem: impl fmt::Display) -> Self {
        Self { description: description.to_owned(), position: None, problem: problem.to_string() }
    }

    /// An error about one piece of the description.
    pub(super) fn at(description: &str, piece: &str, position: usize, problem: impl fmt::Display) -> Self {
        let problem = format!("{piece:?} (at {position}) {problem}");
        Self { description: description.to_owned(), position: Some(position), problem }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", escaped(&self.description), self.problem)
    }
}

impl Error for EndpointError {}
