//! Bytes in; data, commands and negotiations out: no transport, no callbacks.

use std::error::Error;
use std::{fmt, mem};

use memchr::{memchr, memchr2, memchr3};

use crate::telnet::code::{IAC, SB, SE, TelnetCommand, TelnetOption, Verb};

/// Cuts a stream. It keeps nothing but an unfinished command or subnegotiation.
#[derive(Debug)]
pub(crate) struct Splitter {
    place: Place,
    after_return: AfterReturn,
    subnegotiation: Vec<u8>,
    /// The maximum length of a subnegotiation, without its option.
    max_subnegotiation: usize,
}

/// How data is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// At the ends of lines: CR LF, CR NUL, CR or LF.
    Lines,
    /// As it comes; a NUL that follows CR is left out.
    Raw,
    /// As it comes (RFC 856).
    Binary,
}

/// The next part of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Data without commands. Empty only if it ends a line.
    Data {
        bytes: &'a [u8],
        ends_line: bool,
    },
    Command(TelnetCommand),
    Negotiation(Verb, TelnetOption),
    Subnegotiation(TelnetOption, &'a [u8]),
}

/// A subnegotiation is longer than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubnegotiationTooLong(pub(crate) usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Data,
    /// Behind IAC.
    Command,
    /// Behind IAC and a verb.
    Verb(Verb),
    /// Behind IAC SB.
    Option,
    Subnegotiation(TelnetOption),
    /// Behind an IAC in one.
    InSubnegotiation(TelnetOption),
}

/// What is left out if it comes next, because it belongs to a CR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterReturn {
    Nothing,
    /// The CR has ended a line.
    NulOrNewline,
    Nul,
}

impl Splitter {
    pub(crate) fn new(max_subnegotiation: usize) -> Self {
        Self { place: Place::Data, after_return: AfterReturn::Nothing, subnegotiation: Vec::new(), max_subnegotiation }
    }

    /// The memory that an unfinished subnegotiation takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.subnegotiation.capacity()
    }

    /// Whether no command has begun.
    pub(crate) fn is_in_data(&self) -> bool {
        self.place == Place::Data
    }

    /// Nothing of what follows belongs to what was taken before.
    pub(crate) fn begin_anew(&mut self) {
        self.after_return = AfterReturn::Nothing;
    }

    /// Takes the next piece off the input; `None` when that is used up. After an error the stream cannot be cut any more.
    pub(crate) fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
        mode: Mode,
    ) -> Result<Option<Piece<'a>>, SubnegotiationTooLong> {
        loop {
            let place = mem::replace(&mut self.place, Place::Data);
            if let Place::Subnegotiation(option) = place {
                self.place = self.collect(input, option)?;
                if self.place == place {
                    return Ok(None);
                }
                continue;
            }
            if place == Place::Data && input.first().is_some_and(|byte| *byte != IAC) {
                if let Some(piece) = self.data(input, mode) {
                    return Ok(Some(piece));
                }
                continue;
            }
            let Some((byte, rest)) = input.split_first() else {
                self.place = place;
                return Ok(None);
            };
            let from_here = *input;
            let iac = &input[..1];
            *input = rest;
            match (place, *byte) {
                // It is an IAC.
                (Place::Data, _) => self.place = Place::Command,
                (Place::Command, IAC) => {
                    self.after_return = AfterReturn::Nothing;
                    return Ok(Some(Piece::Data { bytes: iac, ends_line: false }));
                }
                (Place::Command, SB) => self.place = Place::Option,
                (Place::Command, code) => {
                    if let Some(verb) = Verb::from_code(code) {
                        self.place = Place::Verb(verb);
                    } else if let Some(command) = TelnetCommand::from_code(code) {
                        return Ok(Some(Piece::Command(command)));
                    }
                    // Others have no meaning: they are skipped.
                }
                (Place::Verb(verb), code) => return Ok(Some(Piece::Negotiation(verb, TelnetOption(code)))),
                (Place::Option, option) => {
                    self.subnegotiation = Vec::new();
                    self.place = Place::Subnegotiation(TelnetOption(option));
                }
                (Place::InSubnegotiation(option), SE) => {
                    return Ok(Some(Piece::Subnegotiation(option, &self.subnegotiation)));
                }
                (Place::InSubnegotiation(option), IAC) => {
                    self.push(iac)?;
                    self.place = Place::Subnegotiation(option);
                }
                // Its end is missing: it is dropped, and the command counts.
                (Place::InSubnegotiation(_) | Place::Subnegotiation(_), _) => {
                    *input = from_here;
                    self.place = Place::Command;
                }
            }
        }
    }

    /// Takes data up to the next command or, in lines, the end of a line.
    fn data<'a>(&mut self, input: &mut &'a [u8], mode: Mode) -> Option<Piece<'a>> {
        let after = mem::replace(&mut self.after_return, AfterReturn::Nothing);
        let belongs = match input[0] {
            0 => after != AfterReturn::Nothing,
            b'\n' => after == AfterReturn::NulOrNewline,
            _ => false,
        };
        if belongs {
            *input = &input[1..];
            return None;
        }
        let found = match mode {
            Mode::Lines => memchr3(IAC, b'\r', b'\n', input),
            Mode::Raw => memchr2(IAC, b'\r', input),
            Mode::Binary => memchr(IAC, input),
        };
        let at = found.unwrap_or(input.len());
        let ends_line = mode == Mode::Lines && input.get(at).is_some_and(|byte| *byte != IAC);
        let is_return = input.get(at) == Some(&b'\r');
        // In raw data the CR is part of it.
        let (bytes, rest) = input.split_at(if is_return && !ends_line { at + 1 } else { at });
        if is_return {
            self.after_return = if ends_line { AfterReturn::NulOrNewline } else { AfterReturn::Nul };
        }
        *input = if ends_line { &rest[1..] } else { rest };
        Some(Piece::Data { bytes, ends_line })
    }

    /// Takes the bytes of a subnegotiation up to the next IAC. Returns the place behind them.
    fn collect(&mut self, input: &mut &[u8], option: TelnetOption) -> Result<Place, SubnegotiationTooLong> {
        let found = memchr(IAC, input);
        let (bytes, rest) = input.split_at(found.unwrap_or(input.len()));
        self.push(bytes)?;
        *input = rest;
        if found.is_none() {
            return Ok(Place::Subnegotiation(option));
        }
        *input = &rest[1..];
        Ok(Place::InSubnegotiation(option))
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), SubnegotiationTooLong> {
        if bytes.len() > self.max_subnegotiation - self.subnegotiation.len() {
            return Err(SubnegotiationTooLong(self.max_subnegotiation));
        }
        self.subnegotiation.extend_from_slice(bytes);
        Ok(())
    }
}

impl fmt::Display for SubnegotiationTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer sent a telnet subnegotiation of more than {} bytes", self.0)
    }
}

impl Error for SubnegotiationTooLong {}

/// Appends data as it is sent: IAC doubled and, unless `binary`, line ends as CR LF and single CRs as CR NUL.
pub(crate) fn escape(data: &[u8], binary: bool, out: &mut Vec<u8>) {
    let mut rest = data;
    while !rest.is_empty() {
        let found = if binary { memchr(IAC, rest) } else { memchr3(IAC, b'\r', b'\n', rest) };
        let (plain, special) = rest.split_at(found.unwrap_or(rest.len()));
        out.extend_from_slice(plain);
        let (sent, length): (&[u8], usize) = match special {
            [] => (b"", 0),
            [IAC, ..] => (&[IAC, IAC], 1),
            [b'\r', b'\n', ..] => (b"\r\n", 2),
            [b'\r', ..] => (b"\r\0", 1),
            [_, ..] => (b"\r\n", 1),
        };
        out.extend_from_slice(sent);
        rest = &special[length..];
    }
}

#[cfg(test)]
mod tests;
