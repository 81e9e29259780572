//! Which options are on: the Q method of RFC 1143, without I/O.

use crate::telnet::code::{Side, TelnetOption, Verb};

/// The state of one option on one side (RFC 1143, section 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum State {
    #[default]
    No,
    Yes,
    /// This side has asked to turn it off; `opposite` if it is to ask for the opposite once that is answered.
    WantNo {
        opposite: bool,
    },
    /// This side has asked to turn it on.
    WantYes {
        opposite: bool,
    },
}

/// What follows from a received verb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Whether to ask for or agree to the option (`true`), or against it.
    pub(crate) send: Option<bool>,
    /// The end of a negotiation: whether the option is on now.
    pub(crate) ended: Option<bool>,
}

impl State {
    /// The peer wants the option on or off, or answers; `agree` counts for what this side has not asked for.
    pub(crate) fn received(&mut self, on: bool, agree: bool) -> Step {
        let (state, send, ended) = match (*self, on) {
            (Self::No, true) if agree => (Self::Yes, Some(true), Some(true)),
            (Self::No, true) => (Self::No, Some(false), None),
            (Self::No, false) | (Self::Yes, true) => return Step::default(),
            (Self::Yes, false) => (Self::No, Some(false), Some(false)),
            // With `on` the peer breaks the rules: what is asked off may not be answered by on.
            (Self::WantNo { opposite: false }, _) => (Self::No, None, Some(false)),
            (Self::WantNo { opposite: true }, true) => (Self::Yes, None, Some(true)),
            (Self::WantNo { opposite: true }, false) => (Self::WantYes { opposite: false }, Some(true), None),
            (Self::WantYes { opposite: false }, true) => (Self::Yes, None, Some(true)),
            (Self::WantYes { opposite: true }, true) => (Self::WantNo { opposite: false }, Some(false), None),
            (Self::WantYes { .. }, false) => (Self::No, None, Some(false)),
        };
        *self = state;
        Step { send, ended }
    }

    /// This side wants the option on or off. Returns what to send, if anything: an answer that is under way is waited for.
    pub(crate) fn request(&mut self, on: bool) -> Option<bool> {
        match (*self, on) {
            (Self::No, true) => *self = Self::WantYes { opposite: false },
            (Self::Yes, false) => *self = Self::WantNo { opposite: false },
            (Self::No, false) | (Self::Yes, true) => return None,
            (Self::WantNo { .. }, _) => {
                *self = Self::WantNo { opposite: on };
                return None;
            }
            (Self::WantYes { .. }, _) => {
                *self = Self::WantYes { opposite: !on };
                return None;
            }
        }
        Some(on)
    }
}

/// The options of both sides.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Those that are not off, so that a peer that asks for what it does not get makes nothing grow.
    states: Vec<(Side, TelnetOption, State)>,
}

impl Options {
    pub(crate) fn is_enabled(&self, side: Side, option: TelnetOption) -> bool {
        self.states.contains(&(side, option, State::Yes))
    }

    /// Whether this verb asks for something that this side has not asked for.
    pub(crate) fn is_proposal(&self, verb: Verb, option: TelnetOption) -> bool {
        let (side, on) = verb.received();
        on && !self.states.iter().any(|(at, of, _)| (*at, *of) == (side, option))
    }

    /// A verb has come: what to answer, and the end of a negotiation.
    pub(crate) fn received(&mut self, verb: Verb, option: TelnetOption, agree: bool) -> (Option<Verb>, Option<bool>) {
        let (side, on) = verb.received();
        let step = self.change(side, option, |state| state.received(on, agree));
        (step.send.map(|on| Verb::to_send(side, on)), step.ended)
    }

    /// This side wants an option on or off: what to send.
    pub(crate) fn request(&mut self, side: Side, option: TelnetOption, on: bool) -> Option<Verb> {
        self.change(side, option, |state| state.request(on)).map(|on| Verb::to_send(side, on))
    }

    fn change<R>(&mut self, side: Side, option: TelnetOption, change: impl FnOnce(&mut State) -> R) -> R {
        let place = self.states.iter().position(|(at, of, _)| (*at, *of) == (side, option));
        let mut state = place.map_or(State::No, |place| self.states[place].2);
        let result = change(&mut state);
        match (place, state) {
            (Some(place), State::No) => {
                self.states.swap_remove(place);
            }
            (Some(place), state) => self.states[place].2 = state,
            (None, State::No) => {}
            (None, state) => self.states.push((side, option, state)),
        }
        result
    }
}

#[cfg(test)]
mod tests;
