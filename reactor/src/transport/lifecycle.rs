//! How far a connection has come.

/// Where a connection stands between its beginning and its end. It only moves downwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// It is read, and written to unless this side has ended its stream.
    Open(Eof),
    /// To be closed when everything is sent.
    Closing(Eof),
    /// To be ended at once.
    Failed,
    /// Every handle is stale.
    Ended,
}

/// The end of this side's stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eof {
    NotWanted,
    /// To be sent behind everything else.
    Wanted,
    Sent,
}

impl Lifecycle {
    pub(crate) const BEGIN: Self = Self::Open(Eof::NotWanted);

    pub(crate) fn eof(self) -> Option<Eof> {
        match self {
            Self::Open(eof) | Self::Closing(eof) => Some(eof),
            Self::Failed | Self::Ended => None,
        }
    }

    /// The same state, with the end of this side's stream sent.
    pub(crate) fn with_eof_sent(self) -> Self {
        match self {
            Self::Open(_) => Self::Open(Eof::Sent),
            Self::Closing(_) => Self::Closing(Eof::Sent),
            Self::Failed | Self::Ended => self,
        }
    }
}

/// Whether a connection was asked to finish its work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    NotAsked,
    /// The protocol, or the connection inside a layer, has yet to hear of it.
    Asked,
    Told,
    /// To be closed when no deferred call is under way. It is held meanwhile.
    Finishing,
}

/// Whether the peer keeps up with what is written, and what the protocol knows of that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    KeepsUp,
    /// The connection was full and has not sent everything since; the protocol has yet to be asked to pause.
    FallsBehind,
    /// The same, after the protocol was asked to pause.
    Behind,
    /// Everything was sent; the protocol, which was asked to pause, has yet to be asked to resume.
    CatchesUp,
}
