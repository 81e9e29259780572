use std::fmt;
use std::fmt::Write as _;
use std::rc::Rc;

use crate::endpoint::{Argument, EndpointError};

/// The description of an endpoint, split into its arguments, for code that adds schemes by
/// [`Reactor::add_server_scheme`](crate::Reactor::add_server_scheme) and
/// [`add_client_scheme`](crate::Reactor::add_client_scheme). A scheme takes the arguments it knows; any that are left
/// over are an error that lists those it asked for.
///
/// It displays as a description with the same arguments, including those already taken.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The whole description, even if these are the arguments of an endpoint inside another.
    description: Rc<str>,
    scheme: Argument,
    pieces: Vec<Piece>,
    /// The arguments requested by position, and by keyword only.
    asked: Asked,
    /// The values of keywords that are not given.
    defaults: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Debug, Default)]
struct Asked {
    in_turn: Vec<&'static str>,
    by_name: Vec<&'static str>,
}

/// The text between two colons.
#[derive(Clone, Debug)]
struct Piece {
    /// The text before the `=`, if there is one.
    keyword: Option<String>,
    argument: Argument,
    /// Its position in the description.
    start: usize,
    taken: bool,
}

impl Arguments {
    /// Splits a description: `scheme:argument:keyword=argument…`. A backslash quotes the next character, and only the
    /// first `=` of each piece counts.
    pub(super) fn parse(description: &str) -> Result<Self, EndpointError> {
        let whole = Rc::from(description);
        let pieces = pieces(&whole, 0)?;
        Self::from_pieces(whole, pieces)
    }

    fn from_pieces(description: Rc<str>, mut pieces: Vec<Piece>) -> Result<Self, EndpointError> {
        let Piece { keyword, argument: scheme, start, .. } = pieces.remove(0);
        if let Some(keyword) = keyword {
            return Err(EndpointError::at(&description, &keyword, start, "is a keyword, where a scheme was expected"));
        }
        // An empty piece after the colon is no argument, rather than an empty one.
        if let [only] = &pieces[..]
            && only.keyword.is_none()
            && only.argument.value.is_empty()
        {
            pieces.clear();
        }
        Ok(Self { description, scheme, pieces, asked: Asked::default(), defaults: Vec::new() })
    }

    /// The scheme, which is the first word.
    pub fn scheme(&self) -> &str {
        &self.scheme.value
    }

    /// Takes the next positional argument, or else the one with `name` as its keyword.
    ///
    /// # Errors
    ///
    /// If the argument is missing, or was given both ways.
    pub fn required(&mut self, name: &'static str) -> Result<Argument, EndpointError> {
        self.asked.in_turn.push(name);
        let next = self.take(|piece| piece.keyword.is_none());
        match (next, self.named(name)?) {
            (Some(next), None) => Ok(next),
            (None, Some(named)) => Ok(named),
            (Some(_), Some(named)) => Err(named.error(format_args!("is a second {name}"))),
            (None, None) => Err(self.error(format_args!("the {name} is missing"))),
        }
    }

    /// Takes the argument with this keyword, if it was given.
    ///
    /// # Errors
    ///
    /// If the keyword was given twice.
    pub fn optional(&mut self, keyword: &'static str) -> Result<Option<Argument>, EndpointError> {
        self.asked.by_name.push(keyword);
        let default = self.defaults.iter().find(|(name, _)| *name == keyword);
        let default = default.map(|(_, value)| Argument {
            description: Rc::clone(&self.description),
            value: (*value).to_owned(),
            position: self.scheme.position,
        });
        Ok(self.named(keyword)?.or(default))
    }

    /// For an endpoint around another: sets the value that [`optional`](Self::optional) returns for `keyword` in the
    /// [`rest`](Self::rest) of the description if it is not given there. A scheme that does not know the keyword
    /// ignores it.
    #[must_use]
    pub fn with_default(mut self, keyword: &'static str, value: &'static str) -> Self {
        self.defaults.push((keyword, value));
        self
    }

    /// Takes everything that is left, each piece as a whole: a `=` is part of it.
    pub fn remaining(&mut self) -> Vec<String> {
        let left = self.pieces.iter_mut().filter(|piece| !piece.taken);
        left.map(|piece| {
            piece.taken = true;
            match &piece.keyword {
                Some(keyword) => format!("{keyword}={}", piece.argument),
                None => piece.argument.value.clone(),
            }
        })
        .collect()
    }

    /// Takes everything from the first argument without a keyword on, as the description of another endpoint; only the
    /// keywords before it remain. Call this before taking anything else.
    ///
    /// # Errors
    ///
    /// If every argument has a keyword.
    pub fn rest(&mut self) -> Result<Self, EndpointError> {
        let Some(first) = self.pieces.iter().position(|piece| piece.keyword.is_none()) else {
            return Err(self.error(format_args!("the endpoint inside {} is missing", self.scheme)));
        };
        let rest = self.pieces[first..].to_vec();
        self.pieces[first..].iter_mut().for_each(|piece| piece.taken = true);
        let rest = Self::from_pieces(Rc::clone(&self.description), rest)?;
        Ok(Self { defaults: self.defaults.clone(), ..rest })
    }

    /// Takes everything that is left, as the description of an endpoint of another scheme: for a scheme that adds
    /// something to that one. Take the additions first.
    #[must_use]
    pub fn rest_as(&mut self, scheme: &'static str) -> Self {
        let left: Vec<_> = self.pieces.iter().filter(|piece| !piece.taken).cloned().collect();
        self.pieces.iter_mut().for_each(|piece| piece.taken = true);
        Self {
            scheme: Argument { value: scheme.to_owned(), ..self.scheme.clone() },
            pieces: left,
            asked: Asked::default(),
            ..self.clone()
        }
    }

    /// An error about the description as a whole.
    pub fn error(&self, wrong: impl fmt::Display) -> EndpointError {
        EndpointError::new(&self.description, wrong)
    }

    /// An error about the scheme.
    pub(super) fn scheme_error(&self, wrong: impl fmt::Display) -> EndpointError {
        self.scheme.error(wrong)
    }

    /// Checks that everything was taken.
    pub(super) fn finish(&self) -> Result<(), EndpointError> {
        let Some(left) = self.pieces.iter().find(|piece| !piece.taken) else { return Ok(()) };
        let Asked { in_turn, by_name } = &self.asked;
        match &left.keyword {
            Some(keyword) => {
                let known = [&in_turn[..], by_name].concat();
                let known = match &known[..] {
                    [] => "it has none".to_owned(),
                    known => format!("it has {}", known.join(", ")),
                };
                let wrong = format_args!("is not a keyword of {}: {known}", self.scheme);
                Err(EndpointError::at(&self.description, keyword, left.start, wrong))
            }
            None => {
                let takes = match &in_turn[..] {
                    [] => "takes none".to_owned(),
                    names => format!("takes {}", names.join(", ")),
                };
                Err(left.argument.error(format_args!(
                    "is an argument too many: {} {takes} (a colon in an argument is written \\:)",
                    self.scheme
                )))
            }
        }
    }

    fn named(&mut self, keyword: &str) -> Result<Option<Argument>, EndpointError> {
        let is_meant = |piece: &Piece| piece.keyword.as_deref() == Some(keyword);
        let first = self.take(is_meant);
        match self.pieces.iter().find(|piece| is_meant(piece) && !piece.taken) {
            Some(again) => Err(EndpointError::at(&self.description, keyword, again.start, "was already given")),
            None => Ok(first),
        }
    }

    fn take(&mut self, is_meant: impl Fn(&Piece) -> bool) -> Option<Argument> {
        let piece = self.pieces.iter_mut().find(|piece| !piece.taken && is_meant(piece))?;
        piece.taken = true;
        Some(piece.argument.clone())
    }
}

fn pieces(description: &Rc<str>, from: usize) -> Result<Vec<Piece>, EndpointError> {
    let piece = |start| Piece {
        keyword: None,
        argument: Argument { description: Rc::clone(description), value: String::new(), position: start },
        start,
        taken: false,
    };
    let mut pieces = Vec::new();
    let mut current = piece(from);
    let mut characters = description[from..].char_indices().map(|(at, character)| (from + at, character));
    while let Some((at, character)) = characters.next() {
        match character {
            ':' => pieces.push(std::mem::replace(&mut current, piece(at + 1))),
            '=' if current.keyword.is_none() => {
                current.keyword = Some(std::mem::take(&mut current.argument.value));
                current.argument.position = at + 1;
            }
            '\\' => match characters.next() {
                Some((_, quoted)) => current.argument.value.push(quoted),
                None => {
                    return Err(EndpointError::at(
                        description,
                        "\\",
                        at,
                        "is at the end: a backslash quotes the character after it",
                    ));
                }
            },
            plain => current.argument.value.push(plain),
        }
    }
    pieces.push(current);
    Ok(pieces)
}

impl fmt::Display for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", quote_string_argument(&self.scheme.value))?;
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                f.write_char(':')?;
            }
            if let Some(keyword) = &piece.keyword {
                write!(f, "{}=", quote_string_argument(keyword))?;
            }
            f.write_str(&quote_string_argument(&piece.argument.value))?;
        }
        Ok(())
    }
}

/// Quotes a text so that it is one argument of a description: puts a backslash before each backslash, `:` and `=`.
/// Twisted's `quoteStringArgument`, which leaves `=` alone, so that a text with `=` must follow a keyword.
///
/// ```
/// let path = "C:\\a=b";
/// assert_eq!(reactor::endpoint::quote_string_argument(path), "C\\:\\\\a\\=b");
/// ```
pub fn quote_string_argument(argument: &str) -> String {
    let mut quoted = String::with_capacity(argument.len());
    for character in argument.chars() {
        if matches!(character, '\\' | ':' | '=') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn shown(description: &str) -> Vec<(Option<String>, String, usize)> {
        let arguments = Arguments::parse(description).unwrap();
        arguments
            .pieces
            .into_iter()
            .map(|piece| (piece.keyword, piece.argument.value, piece.argument.position))
            .collect()
    }

    #[test]
    fn s140_colons_part_arguments_the_first_equals_sign_makes_a_keyword_and_a_backslash_quotes() {
        assert_eq!(Arguments::parse("a\\:b\\\\\\=:c").unwrap().scheme(), "a:b\\=");
        assert_eq!(shown("tcp"), []);
        assert_eq!(shown("tcp:"), []);
        assert_eq!(shown("tcp::"), [(None, String::new(), 4), (None, String::new(), 5)]);
        assert_eq!(shown("tcp:80:a=b=c"), [(None, "80".to_owned(), 4), (Some("a".to_owned()), "b=c".to_owned(), 9)]);
        assert_eq!(shown("x:\\=:a\\==b"), [(None, "=".to_owned(), 2), (Some("a=".to_owned()), "b".to_owned(), 9)]);
        assert_eq!(shown("x:ä=ö"), [(Some("ä".to_owned()), "ö".to_owned(), 5)]);
        let error = Arguments::parse("tcp:a\\").unwrap_err();
        assert_eq!(
            error.to_string(),
            "tcp:a\\: \"\\\\\" (at 5) is at the end: a backslash quotes the character after it"
        );
        assert_eq!(error.position(), Some(5));
    }

    #[test]
    fn the_rest_is_a_description_of_its_own_whose_errors_name_the_whole() {
        let mut arguments = Arguments::parse("outer:a=1:inner:b=2:c").unwrap();
        let mut inner = arguments.rest().unwrap();
        assert_eq!((inner.scheme(), inner.to_string()), ("inner", "inner:b=2:c".to_owned()));
        assert_eq!(inner.required("name").unwrap().position, 20);
        assert_eq!(arguments.optional("b").unwrap(), None);
        assert_eq!(arguments.optional("a").unwrap().unwrap().as_str(), "1");
        arguments.finish().unwrap();
        let error = inner.finish().unwrap_err();
        assert_eq!(error.to_string(), "outer:a=1:inner:b=2:c: \"b\" (at 16) is not a keyword of inner: it has name");
    }

    proptest! {
        #[test]
        fn s140_what_is_quoted_stands_for_itself(texts in proptest::collection::vec("[^\\x00]{0,8}|[:=\\\\a]{0,6}", 0..5)) {
            let mut description = "x:".to_owned();
            for text in &texts {
                write!(description, "{}:", quote_string_argument(text)).unwrap();
            }
            // An empty argument behind them, without which a single empty one would be none.
            let found: Vec<_> = shown(&description).into_iter().map(|(_, value, _)| value).collect();
            let expected: Vec<_> = if texts.is_empty() { vec![] } else { [&texts[..], &[String::new()]].concat() };
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn s140_whatever_is_cut_is_shown_as_what_is_cut_into_the_same(description in "[:=\\\\ab]{0,12}|\\PC{0,12}") {
            if let Ok(arguments) = Arguments::parse(&description) {
                let again = Arguments::parse(&arguments.to_string()).unwrap();
                let plain = |arguments: &Arguments| -> Vec<_> {
                    arguments.pieces.iter().map(|piece| (piece.keyword.clone(), piece.argument.value.clone())).collect()
                };
                prop_assert_eq!(again.scheme(), arguments.scheme());
                prop_assert_eq!(plain(&again), plain(&arguments));
                prop_assert_eq!(again.to_string(), arguments.to_string());
            }
        }
    }
}
