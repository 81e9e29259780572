use std::fmt;
use std::rc::Rc;

use reactor::Transport;
use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion, SupportedCipherSuite};

use crate::tls::certificates::fingerprint::Fingerprint;

/// What the TLS handshake of a connection has negotiated. Twisted's `negotiatedProtocol` and `getPeerCertificate`.
///
/// ```
/// # use protocols::tls::TlsInfo;
/// # use reactor::{Protocol, Transport};
/// # struct Session { transport: Transport }
/// # impl Protocol for Session {
/// # fn data_received(&mut self, _: &[u8]) {}
/// fn connection_made(&mut self) {
///     if let Some(tls) = TlsInfo::of(&self.transport) {
///         println!("{} by {:?}", tls.version(), tls.cipher_suite());
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct TlsInfo {
    version: ProtocolVersion,
    cipher_suite: Option<SupportedCipherSuite>,
    alpn_protocol: Option<Box<[u8]>>,
    server_name: Option<Box<str>>,
    peer_certificates: Box<[CertificateDer<'static>]>,
    is_resumed: bool,
    channel_binding: Option<[u8; 32]>,
}

impl TlsInfo {
    /// That of the nearest TLS connection around this one; `None` without TLS, before the end of the handshake, or if
    /// the connection has ended. A factory may call it, too: it builds its protocol after the handshake.
    pub fn of(transport: &Transport) -> Option<Rc<Self>> {
        transport.attached()
    }

    pub(super) fn new(connection: &Connection, server_name: Option<Box<str>>) -> Self {
        Self {
            version: connection.protocol_version().unwrap_or(ProtocolVersion::Unknown(0)),
            cipher_suite: connection.negotiated_cipher_suite(),
            alpn_protocol: connection.alpn_protocol().map(Box::from),
            server_name,
            peer_certificates: connection.peer_certificates().unwrap_or_default().into(),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            channel_binding: channel_binding(connection),
        }
    }

    /// `TLS 1.3` or `TLS 1.2`.
    pub fn version(&self) -> &'static str {
        match self.version {
            ProtocolVersion::TLSv1_3 => "TLS 1.3",
            ProtocolVersion::TLSv1_2 => "TLS 1.2",
            _ => "an unknown version of TLS",
        }
    }

    /// The cipher suite's name, such as `TLS13_AES_256_GCM_SHA384`.
    pub fn cipher_suite(&self) -> &'static str {
        self.cipher_suite.and_then(|suite| suite.suite().as_str()).unwrap_or("an unknown cipher suite")
    }

    /// The application protocol that both sides know, such as `h2`: see [`Server::alpn`](crate::tls::Server::alpn).
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.alpn_protocol.as_deref()
    }

    /// At a server's end: the name of the server that the client asked for.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The peer's certificate in DER, then those that lead from it to its root; they were verified. Empty if the peer
    /// did not present one.
    pub fn peer_certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.peer_certificates.iter().map(|certificate| &**certificate)
    }

    /// The fingerprint of the peer's certificate.
    pub fn peer_fingerprint(&self) -> Option<Fingerprint> {
        self.peer_certificates.first().map(|certificate| Fingerprint::of(certificate))
    }

    /// Whether the handshake was a short one, because the client had been connected before.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// What both ends of this connection know and no other connection has, for logins that are to hold on this connection alone:
    /// `tls-exporter` (RFC 9266). `None` for TLS 1.2, where it is not always unique.
    pub fn channel_binding(&self) -> Option<&[u8]> {
        self.channel_binding.as_ref().map(<[u8; 32]>::as_slice)
    }
}

fn channel_binding(connection: &Connection) -> Option<[u8; 32]> {
    let is_unique = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    is_unique.then(|| connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok())?
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo")
            .field("version", &self.version())
            .field("cipher_suite", &self.cipher_suite())
            .field(
                "alpn_protocol",
                &self.alpn_protocol.as_deref().map(<[u8]>::escape_ascii).map(|name| name.to_string()),
            )
            .field("server_name", &self.server_name)
            .field("peer_fingerprint", &self.peer_fingerprint())
            .field("is_resumed", &self.is_resumed)
            .finish_non_exhaustive()
    }
}
