use std::collections::BTreeMap;
use std::fmt;

use crate::irc::message::escaped::Escaped;

/// Which parameter a mode of a channel or a user takes: the four kinds of `CHANMODES`, and those of `PREFIX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModeKind {
    /// Adds to a list or takes off it; without a parameter it asks for the list. Bans. Type A.
    List,
    /// Always has a parameter. Keys. Type B.
    Parameter,
    /// Has a parameter when it is set. Limits. Type C.
    ParameterWhenSet,
    /// Never has one. Type D.
    Flag,
    /// A status in the channel, such as operator: the parameter is a nick.
    Prefix,
}

/// The modes that a server knows, with their kinds, as its `CHANMODES` and `PREFIX` say.
///
/// ```
/// use protocols::irc::{ModeKind, ModeKinds};
///
/// let kinds = ModeKinds::parse(b"beI,k,l,imnst", b"(ov)@+");
/// assert_eq!(kinds.get(b'k'), Some(ModeKind::Parameter));
/// assert_eq!(kinds.get(b'o'), Some(ModeKind::Prefix));
/// assert_eq!(kinds.get(b'z'), None);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ModeKinds(BTreeMap<u8, ModeKind>);

impl ModeKinds {
    /// From the values of `CHANMODES` and `PREFIX`. Further kinds of `CHANMODES` are left out.
    pub fn parse(chanmodes: &[u8], prefix: &[u8]) -> Self {
        let kinds = [ModeKind::List, ModeKind::Parameter, ModeKind::ParameterWhenSet, ModeKind::Flag];
        let of_kinds = chanmodes.split(|byte| *byte == b',').zip(kinds);
        let modes = of_kinds.flat_map(|(modes, kind)| modes.iter().map(move |mode| (*mode, kind)));
        let statuses = prefix_modes(prefix).iter().map(|mode| (*mode, ModeKind::Prefix));
        Self(modes.chain(statuses).collect())
    }

    /// Modes that have no parameter: those of users.
    pub fn flags(modes: &[u8]) -> Self {
        Self(modes.iter().map(|mode| (*mode, ModeKind::Flag)).collect())
    }

    /// The kind of a mode; `None` if it is unknown.
    pub fn get(&self, mode: u8) -> Option<ModeKind> {
        self.0.get(&mode).copied()
    }
}

/// The modes of the value of a `PREFIX`: those between the parentheses.
pub(crate) fn prefix_modes(prefix: &[u8]) -> &[u8] {
    let inside = prefix.strip_prefix(b"(").unwrap_or_default();
    inside.split(|byte| *byte == b')').next().unwrap_or_default()
}

impl fmt::Debug for ModeKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(mode, kind)| (char::from(*mode), kind))).finish()
    }
}

/// The changes that a `MODE` asks for or tells of, an iterator over them. Twisted's `parseModes`.
///
/// ```
/// use protocols::irc::{ModeChanges, ModeKinds};
///
/// let kinds = ModeKinds::parse(b"beI,k,l,imnst", b"(ov)@+");
/// let changes: Vec<_> = ModeChanges::parse(&[b"+ik-o+b", b"secret", b"ann"], &kinds).collect();
/// assert!(changes[0].is_set && changes[0].mode == b'i' && changes[0].param.is_none());
/// assert_eq!(changes[1].param, Some(&b"secret"[..]));
/// assert!(!changes[2].is_set && changes[2].param == Some(b"ann"));
/// assert!(changes[3].mode == b'b' && changes[3].param.is_none() && !changes[3].lacks_param());
/// ```
#[derive(Clone, Debug)]
pub struct ModeChanges<'a> {
    modes: &'a [u8],
    params: &'a [&'a [u8]],
    kinds: &'a ModeKinds,
    is_set: bool,
}

/// One change of a mode.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModeChange<'a> {
    /// Whether the mode is set (`+`) or unset (`-`).
    pub is_set: bool,
    /// Its letter.
    pub mode: u8,
    /// Its kind; `None` if it is unknown. It takes no parameter then.
    pub kind: Option<ModeKind>,
    /// Its parameter, if it takes one and there is one left.
    pub param: Option<&'a [u8]>,
}

impl<'a> ModeChanges<'a> {
    /// From the parameters of a `MODE` behind the channel or nick: letters with signs, and a parameter for each that takes
    /// one. What stands before the first sign is set.
    pub fn parse(params: &'a [&'a [u8]], kinds: &'a ModeKinds) -> Self {
        let (modes, params) = params.split_first().map_or((&b""[..], params), |(modes, params)| (*modes, params));
        Self { modes, params, kinds, is_set: true }
    }

    /// The parameters that no mode has taken so far.
    pub fn unused_params(&self) -> &'a [&'a [u8]] {
        self.params
    }
}

impl<'a> Iterator for ModeChanges<'a> {
    type Item = ModeChange<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let mode = loop {
            let (mode, rest) = self.modes.split_first()?;
            self.modes = rest;
            match mode {
                b'+' => self.is_set = true,
                b'-' => self.is_set = false,
                mode => break *mode,
            }
        };
        let kind = self.kinds.get(mode);
        let takes_param = match kind {
            Some(ModeKind::List | ModeKind::Parameter | ModeKind::Prefix) => true,
            Some(ModeKind::ParameterWhenSet) => self.is_set,
            Some(ModeKind::Flag) | None => false,
        };
        let mut param = None;
        if let (true, Some((first, rest))) = (takes_param, self.params.split_first()) {
            (param, self.params) = (Some(*first), rest);
        }
        Some(ModeChange { is_set: self.is_set, mode, kind, param })
    }
}

impl ModeChange<'_> {
    /// Whether a parameter is missing that it must have.
    pub fn lacks_param(&self) -> bool {
        let must = match self.kind {
            Some(ModeKind::Parameter | ModeKind::Prefix) => true,
            Some(ModeKind::ParameterWhenSet) => self.is_set,
            Some(ModeKind::List | ModeKind::Flag) | None => false,
        };
        must && self.param.is_none()
    }
}

impl fmt::Debug for ModeChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModeChange")
            .field("is_set", &self.is_set)
            .field("mode", &Escaped(&[self.mode]))
            .field("kind", &self.kind)
            .field("param", &self.param.map(Escaped))
            .finish()
    }
}
