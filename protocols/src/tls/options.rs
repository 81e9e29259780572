//! What a program can choose for either end of TLS.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{KeyLog, KeyLogFile, NoKeyLog, ServerConfig};

use crate::tls::error::TlsError;

/// The options that servers and clients have in common.
#[derive(Clone)]
pub(super) struct Options {
    /// Protocol names, the preferred one first.
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) handshake_timeout: Duration,
    pub(super) logs_keys: bool,
    provider: Arc<CryptoProvider>,
}

impl Options {
    pub(super) fn set_alpn(&mut self, protocols: &[&str]) {
        self.alpn = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    }

    /// Fails if the provider has no cipher suite for TLS 1.2 or 1.3.
    pub(super) fn set_provider(&mut self, provider: Arc<CryptoProvider>) -> Result<(), TlsError> {
        ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::because("the provider of cryptography has nothing for TLS 1.2 or 1.3", error))?;
        self.provider = provider;
        Ok(())
    }

    pub(super) fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    pub(super) fn key_log(&self) -> Arc<dyn KeyLog> {
        if self.logs_keys { Arc::new(KeyLogFile::new()) } else { Arc::new(NoKeyLog) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            alpn: Vec::new(),
            handshake_timeout: Duration::from_secs(10),
            logs_keys: false,
            provider: Arc::new(default_provider()),
        }
    }
}

/// What was made of options when it was first needed. The options of a clone are about to change, so it has nothing.
pub(super) struct Prepared<T>(OnceLock<T>);

impl<T> Prepared<T> {
    pub(super) fn get_or_prepare(&self, prepare: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(prepare)
    }
}

impl<T> Default for Prepared<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Clone for Prepared<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}
