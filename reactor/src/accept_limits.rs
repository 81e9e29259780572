//! What a port lets in.

/// The limits of one port; what they mean the methods of [`ListenOptions`](crate::ListenOptions) say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcceptLimits {
    pub(crate) connections: usize,
    pub(crate) pending: usize,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self { connections: usize::MAX, pending: 512 }
    }
}
