use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use reactor::text::escaped;
use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

/// What is wrong with a certificate or a key, or why a handshake or a connection has failed: a sentence for people.
///
/// A connection that TLS ends has it in its [`CloseReason::Failed`](reactor::CloseReason::Failed); there it is the
/// error itself, to which it can be downcast.
#[derive(Clone, Debug)]
pub struct TlsError {
    what: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TlsError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    pub(super) fn because(what: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        Self { what: what.into(), source: Some(Arc::new(source)) }
    }

    /// A failure of the connection, or of its handshake with the server of this name.
    pub(super) fn of_rustls(error: rustls::Error, server: Option<&str>) -> Self {
        let peer = server.map_or_else(|| "the peer".to_owned(), |name| escaped(name).to_string());
        Self::because(describe(&error, &peer), error)
    }
}

impl PartialEq for TlsError {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// What has failed, in words. `peer` is a name of the peer.
fn describe(error: &rustls::Error, peer: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(wrong) => format!("the certificate of {peer} {}", certificate(wrong)),
        rustls::Error::NoCertificatesPresented => format!("{peer} presented no certificate, and one is required"),
        rustls::Error::AlertReceived(alert) => format!("{peer} ended the connection: {}", alert_received(*alert)),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => format!("{peer} does not speak TLS"),
        rustls::Error::NoApplicationProtocol => {
            format!("{peer} offers only application protocols that this side does not speak (ALPN)")
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => format!("{peer} speaks neither TLS 1.2 nor TLS 1.3"),
        // Which TLS 1.2 does not require, but everything that speaks it sends.
        rustls::Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired) => {
            format!("{peer} offers no signature algorithms: it may speak an older version than TLS 1.2")
        }
        rustls::Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
            format!("{peer} offers no cipher suite that this side accepts")
        }
        rustls::Error::DecryptError => {
            format!("a message of {peer} cannot be decrypted: it was changed on the way, or is not TLS")
        }
        rustls::Error::PeerSentOversizedRecord
        | rustls::Error::InvalidMessage(InvalidMessage::MessageTooLarge | InvalidMessage::HandshakePayloadTooLarge) => {
            format!("{peer} sent a record or a message that is longer than TLS allows")
        }
        other => format!("TLS with {peer} failed: {other}"),
    }
}

/// What is wrong with the peer's certificate, as the end of a sentence about it.
pub(super) fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForNameContext { presented, .. } => match &presented[..] {
            [] => "is for no name at all".to_owned(),
            names => format!(
                "is for other names: {}",
                escaped(&names.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", "))
            ),
        },
        CertificateError::NotValidForName => "is for other names".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("expired at {}; it is {}", date(not_after.as_secs()), date(time.as_secs()))
        }
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("is not valid before {}; it is {}", date(not_before.as_secs()), date(time.as_secs()))
        }
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::UnknownIssuer => {
            "was not issued by an authority that this side trusts, or intermediate certificates were not sent"
                .to_owned()
        }
        CertificateError::Revoked => "was revoked".to_owned(),
        CertificateError::BadEncoding => "is not a well-formed certificate".to_owned(),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed in a way that this side does not accept".to_owned()
        }
        CertificateError::BadSignature => {
            "has a wrong signature: another authority of that name has issued it, or it was changed on the way"
                .to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is for another purpose".to_owned()
        }
        CertificateError::ApplicationVerificationFailure => "is not one of the accepted ones".to_owned(),
        // The verifier's own words: their type belongs to a crate that rustls does not show.
        CertificateError::Other(other) => match other.0.to_string().as_str() {
            "CaUsedAsEndEntity" => "is that of an authority (CA:TRUE), which cannot also be a server's or a client's: \
                                    have the authority issue another, or know it by its fingerprint"
                .to_owned(),
            "UnsupportedCertVersion" => {
                "is not of version 3: have it issued anew, with its names as subjectAltName".to_owned()
            }
            words => format!("is not accepted: {words}"),
        },
        other => format!("is not accepted: {other}"),
    }
}

/// The name in `DnsName("server.example")`, which is how rustls shows it.
fn bare(name: &str) -> &str {
    name.split_once("(\"").and_then(|(_, rest)| rest.strip_suffix("\")")).unwrap_or(name)
}

fn date(seconds: u64) -> String {
    let since_epoch = Duration::from_secs(seconds);
    match DateTime::<Utc>::from_timestamp(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX), 0) {
        Some(date) => date.to_rfc3339_opts(SecondsFormat::Secs, true),
        None => format!("{seconds} s after 1970"),
    }
}

/// What the peer has said of the reason, as a clause.
fn alert_received(alert: AlertDescription) -> String {
    let meaning = match alert {
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "it does not accept this side's certificate"
        }
        AlertDescription::UnsupportedCertificate => "it does not accept this kind of certificate",
        AlertDescription::CertificateRevoked => "this side's certificate was revoked",
        AlertDescription::CertificateExpired => "this side's certificate has expired, or is not valid yet",
        AlertDescription::UnknownCA => "it does not know the authority that issued this side's certificate",
        AlertDescription::CertificateRequired => "it requires a certificate of this side",
        AlertDescription::AccessDenied => "it denies access to the holder of this side's certificate",
        AlertDescription::UnrecognisedName => "it does not serve the name that this side asked for",
        AlertDescription::NoApplicationProtocol => {
            "it speaks none of the application protocols that this side offers (ALPN)"
        }
        AlertDescription::ProtocolVersion => "it speaks no version of TLS that this side does",
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "the two sides have no acceptable cipher suite or key exchange in common"
        }
        other => return format!("{other:?}"),
    };
    meaning.to_owned()
}
