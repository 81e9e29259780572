//! Starting TLS in the middle of a connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use reactor::{CloseReason, Transport};

use crate::tls::error::TlsError;
use crate::tls::info::TlsInfo;

/// Starts TLS on a connection that was made by [`Server::upgradable`](crate::tls::Server::upgradable) or
/// [`Client::upgradable`](crate::tls::Client::upgradable): for protocols with a command for it, such as STARTTLS. Calls
/// `call` with the protocol, or the handler directly inside it, when the connection is secure. Receivers' handles have
/// the method `start_tls` for it. Twisted's `startTLS`.
///
/// What was written before is sent as plain text, before the handshake; what is written from now on is sent when the
/// connection is secure. The protocol stays the same. If the handshake fails, the connection ends, and the reason says
/// why.
///
/// `unread` is what the protocol has received behind the peer's request, or the peer's consent, and has not processed. It
/// should be empty: only an attacker in between can have put plain text there, to have it taken for what the peer sends
/// after the handshake. If it is not, the connection fails.
///
/// ```
/// use protocols::tls;
/// # use protocols::tls::TlsInfo;
/// # use reactor::{Protocol, Transport};
/// # struct Session { transport: Transport, is_secure: bool }
/// # impl Protocol for Session {
/// fn data_received(&mut self, data: &[u8]) {
///     if let Some(unread) = data.strip_prefix(b"STARTTLS\r\n") {
///         self.transport.write("220 go ahead\r\n");
///         let started = tls::start(&self.transport, unread, |this: &mut Self, tls| this.is_secure = true);
///         # let _: &str = started.as_ref().map_or("", |()| "");
///     }
/// }
/// # }
/// ```
///
/// # Errors
///
/// If the connection is not an upgradable one, or TLS was already started.
///
/// # Panics
///
/// As [`Transport::call_later`].
#[track_caller]
pub fn start<P: 'static>(
    transport: &Transport,
    unread: &[u8],
    call: impl FnOnce(&mut P, Rc<TlsInfo>) + 'static,
) -> Result<(), TlsError> {
    let Some(upgrade) = transport.attached::<Upgrade>() else {
        return Err(TlsError::new("cannot start TLS: the connection's factory was not made by the method upgradable"));
    };
    let secured = upgrade.request(transport)?;
    if !unread.is_empty() {
        transport.fail_connection(CloseReason::failed(injected()));
    }
    transport.defer(secured, move |this: &mut P, info| {
        // It is dropped with the connection only.
        if let Ok(info) = info {
            upgrade.is_told.set(true);
            call(this, info);
        }
    });
    Ok(())
}

/// Somebody on the way has put plain text where TLS is to begin.
pub(crate) fn injected() -> TlsError {
    TlsError::new("plain text follows the request to start TLS: somebody may have put it there")
}

/// The wish to start TLS, which the protocol inside and the layer share.
pub(super) struct Upgrade {
    outer: Transport,
    /// How much of what was written is to be sent as plain text, once it is known.
    plain: Cell<Option<usize>>,
    secured: RefCell<Option<oneshot::Sender<Rc<TlsInfo>>>>,
    /// The protocol inside has heard that the connection is secure.
    is_told: Cell<bool>,
}

impl Upgrade {
    pub(super) fn new(outer: Transport) -> Self {
        Self { outer, plain: Cell::new(None), secured: RefCell::new(None), is_told: Cell::new(false) }
    }

    fn request(&self, transport: &Transport) -> Result<oneshot::Receiver<Rc<TlsInfo>>, TlsError> {
        if self.plain.get().is_some() {
            return Err(TlsError::new("cannot start TLS: it was already started"));
        }
        // What is left in the layers between.
        let mut plain = 0;
        let mut at = Some(transport.clone());
        while let Some(layer) = at.filter(|layer| *layer != self.outer) {
            plain += layer.unsent_bytes();
            at = layer.outer();
        }
        self.plain.set(Some(plain));
        let (tell, told) = oneshot::channel();
        self.secured.replace(Some(tell));
        Ok(told)
    }

    /// How many bytes are still to be sent as plain text; `None` while TLS is not wanted.
    pub(super) fn plain(&self) -> Option<usize> {
        self.plain.get()
    }

    pub(super) fn is_told(&self) -> bool {
        self.is_told.get()
    }

    pub(super) fn tell(&self, info: Rc<TlsInfo>) {
        if let Some(tell) = self.secured.take() {
            // The protocol may be gone.
            let _ = tell.send(info);
        }
    }
}
