//! How far a connection has come.

/// Where a connection stands between its beginning and its end. It goes downwards only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// It is read; and written to, unless this side ends its stream.
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

    /// The same with the end of this side's stream sent.
    pub(crate) fn with_eof_sent(self) -> Self {
        match self {
            Self::Open(_) => Self::Open(Eof::Sent),
            Self::Closing(_) => Self::Closing(Eof::Sent),
            Self::Failed | Self::Ended => self,
        }
    }
}

/// Whether a connection was asked to finish what it is at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    NotAsked,
    /// The protocol, or the connection inside a layer, is still to be told.
    Asked,
    Told,
}

/// Whether the peer keeps up with what is written, and what the protocol was told of that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    KeepsUp,
    /// It was full and not all has left since; the protocol is still to be told to pause.
    FallsBehind,
    /// The same, and the protocol was told.
    Behind,
    /// All has left; the protocol, which was told to pause, is still to be told to resume.
    CatchesUp,
}
