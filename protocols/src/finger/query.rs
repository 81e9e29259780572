use std::error::Error;
use std::fmt;

/// What a client of the Finger protocol (RFC 1288) asks for.
///
/// Its `Display` form is the line on the wire, without the line end:
///
/// ```
/// use protocols::finger::FingerQuery;
///
/// let query = FingerQuery::parse(b"/W root")?;
/// assert_eq!((query.verbose, query.user.as_deref(), query.host), (true, Some("root"), None));
/// assert_eq!(FingerQuery::parse(b"root@a@b")?.host.as_deref(), Some("a@b"));
/// assert_eq!(FingerQuery::parse(b"")?, FingerQuery::default());
/// # Ok::<(), protocols::finger::InvalidFingerQuery>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FingerQuery {
    /// The user; `None` asks for all users who are logged in.
    pub user: Option<String>,
    /// The host that the server should ask in turn; if there are several, the last is asked first.
    pub host: Option<String>,
    /// Whether to give more details: `/W`.
    pub verbose: bool,
}

impl FingerQuery {
    /// Parses a line without its line end: `[/W] [user][@host…]`. Spaces before, between and after these are skipped.
    ///
    /// # Errors
    ///
    /// If the line is not UTF-8, has further words, or contains a control character or an `@` without a host after it.
    pub fn parse(line: &[u8]) -> Result<Self, InvalidFingerQuery> {
        let text = str::from_utf8(line).map_err(|_| InvalidFingerQuery)?;
        let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
        let verbose = words.next_if(|word| word.eq_ignore_ascii_case("/W")).is_some();
        let name = words.next().unwrap_or_default();
        if words.next().is_some() || name.contains(char::is_control) {
            return Err(InvalidFingerQuery);
        }
        let (user, host) = match name.split_once('@') {
            Some((user, host)) if !host.split('@').any(str::is_empty) => (user, Some(host.to_owned())),
            Some(_) => return Err(InvalidFingerQuery),
            None => (name, None),
        };
        let user = (!user.is_empty()).then(|| user.to_owned());
        Ok(Self { user, host, verbose })
    }
}

impl fmt::Display for FingerQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.user.as_deref().unwrap_or_default();
        let (at, host) = self.host.as_deref().map_or(("", ""), |host| ("@", host));
        let verbose = match (self.verbose, name.is_empty() && host.is_empty()) {
            (true, true) => "/W",
            (true, false) => "/W ",
            (false, _) => "",
        };
        write!(f, "{verbose}{name}{at}{host}")
    }
}

/// A line that is not a [`FingerQuery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidFingerQuery;

impl fmt::Display for InvalidFingerQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a finger query (expected [/W] [user][@host])")
    }
}

impl Error for InvalidFingerQuery {}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[track_caller]
    fn parsed(line: &str) -> (bool, Option<String>, Option<String>) {
        let query = FingerQuery::parse(line.as_bytes()).unwrap();
        (query.verbose, query.user, query.host)
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_queries_of_rfc_1288_are_understood() {
        assert_eq!(parsed(""), (false, None, None));
        assert_eq!(parsed("/W"), (true, None, None));
        assert_eq!(parsed("/w  "), (true, None, None));
        assert_eq!(parsed("root"), (false, text("root"), None));
        assert_eq!(parsed(" /W   root "), (true, text("root"), None));
        assert_eq!(parsed("@host"), (false, None, text("host")));
        assert_eq!(parsed("/W root@host1@host2"), (true, text("root"), text("host1@host2")));
        assert_eq!(parsed("/Wide"), (false, text("/Wide"), None));
        assert_eq!(parsed("müller"), (false, text("müller"), None));
    }

    #[test]
    fn s287_what_is_not_a_question_of_the_rfc_is_refused() {
        for line in
            [&b"two users"[..], b"/W /W root", b"root@", b"@", b"a@@b", b"a@b@", b"a\0", b"a\tb", b"\x1b[2J", b"\xff"]
        {
            assert_eq!(FingerQuery::parse(line), Err(InvalidFingerQuery), "{}", line.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn a_query_is_the_same_when_it_is_shown_and_read_again(
            verbose: bool,
            user in proptest::option::of("[^@\\s\\pC/][^@\\s\\pC]{0,20}"),
            host in proptest::option::of("[^@\\s\\pC]{1,20}(@[^@\\s\\pC]{1,20}){0,3}"),
        ) {
            let query = FingerQuery { user, host, verbose };
            prop_assert_eq!(FingerQuery::parse(query.to_string().as_bytes()), Ok(query));
        }

        #[test]
        fn any_line_is_refused_or_means_what_it_shows(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(query) = FingerQuery::parse(&line) {
                prop_assert_eq!(FingerQuery::parse(query.to_string().as_bytes()), Ok(query));
            }
        }
    }
}
