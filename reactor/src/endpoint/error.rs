use std::error::Error;
use std::fmt;

use crate::util::escaped::escaped;

/// What is wrong with the description of an endpoint. It displays as a sentence that begins with the description and
/// tells which piece is wrong, where that begins, and what was expected:
/// `tcp:80x: "80x" (at 4) is not a port: a port is a number from 0 to 65535`.
///
/// Those who add schemes make it by [`Argument::error`](crate::endpoint::Argument::error) and
/// [`Arguments::error`](crate::endpoint::Arguments::error).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    description: String,
    position: Option<usize>,
    problem: String,
}

impl EndpointError {
    /// Where in the description the piece begins that is wrong, in bytes; none if it is the whole.
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// About the description as a whole.
    pub(super) fn new(description: &str, problem: impl fmt::Display) -> Self {
        Self { description: description.to_owned(), position: None, problem: problem.to_string() }
    }

    /// About one piece of it.
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
