//! The usual answers to CTCP queries, no more of them than a server bears.

use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::irc::client::handle::IrcClient;
use crate::irc::ctcp::Ctcp;
use crate::irc::message::source::Source;

/// What may be answered now.
#[derive(Debug)]
pub(crate) struct CtcpAnswers {
    left: u32,
    /// Since when `left` holds.
    since: Option<Instant>,
}

/// The most answers at once.
const BURST: u32 = 5;

/// The time in which one more may be given.
const INTERVAL: Duration = Duration::from_secs(2);

impl CtcpAnswers {
    pub(crate) fn new() -> Self {
        Self { left: BURST, since: None }
    }

    /// Answers a query, if there is a usual answer and not too many were given.
    pub(crate) fn answer(&mut self, user: Source<'_>, query: Ctcp<'_>, irc: &IrcClient) {
        let version = irc.0.kind.settings.version.as_deref();
        let answer = match query.command().to_ascii_uppercase().as_slice() {
            b"PING" => query.params().to_vec(),
            b"TIME" => {
                let now = DateTime::<Utc>::from(irc.reactor().time_of_day());
                now.to_rfc3339_opts(SecondsFormat::Secs, true).into_bytes()
            }
            b"VERSION" => match version {
                Some(version) => version.to_vec(),
                None => return,
            },
            b"CLIENTINFO" => {
                let all = "ACTION CLIENTINFO ERRMSG PING TIME VERSION";
                if version.is_some() { all } else { all.trim_end_matches(" VERSION") }.into()
            }
            // A query of this name asks for what a reply of this name would say.
            b"ERRMSG" => [query.params(), b" :No error has occurred."].concat(),
            _ => return,
        };
        if self.takes(irc.transport().now()) {
            irc.ctcp_reply(user.name(), query.command().to_ascii_uppercase(), answer);
        }
    }

    fn takes(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let more = u32::try_from((now - since).as_nanos() / INTERVAL.as_nanos()).unwrap_or(BURST).min(BURST);
        if self.left + more >= BURST {
            (self.left, self.since) = (BURST, Some(now));
        } else {
            (self.left, self.since) = (self.left + more, Some(since + INTERVAL * more));
        }
        self.left.checked_sub(1).map(|left| self.left = left).is_some()
    }
}
