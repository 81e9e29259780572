//! The text of the answer.

use std::fmt;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::metrics::numbers::Numbers;

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    /// What was before OpenMetrics, and is its subset but for details.
    Prometheus,
}

impl Format {
    /// What a client prefers, by the field `Accept` of its request.
    pub(super) fn accepted_by(accept: &str) -> Self {
        let mut types = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
        let is_accepted = types.any(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
        if is_accepted { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }

    /// # Errors
    ///
    /// If a metric of the program cannot be encoded.
    pub(super) fn encode(self, numbers: Numbers, own: &Registry) -> Result<String, fmt::Error> {
        let mut ours = Registry::default();
        ours.register_collector(Box::new(numbers));
        let mut page = String::new();
        match self {
            Self::OpenMetrics => {
                text::encode_registry(&mut page, &ours)?;
                text::encode(&mut page, own)?;
            }
            Self::Prometheus => {
                prometheus_text::encode(&mut page, &ours)?;
                prometheus_text::encode(&mut page, own)?;
            }
        }
        Ok(page)
    }
}
