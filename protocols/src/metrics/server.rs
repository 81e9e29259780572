//! The answer to a client that reads metrics.

use std::sync::Arc;

use http::header::ACCEPT;
use http::{Request, StatusCode};
use prometheus_client::registry::Registry;
use reactor::Reactor;

use crate::http1::{Answer, Refusal, Responder};
use crate::metrics::numbers::{Numbers, process_age};
use crate::metrics::page::Format;

pub(super) struct MetricsPage(pub(super) Arc<Registry>);

impl Responder for MetricsPage {
    fn path(&self) -> &str {
        "/metrics"
    }

    fn respond(
        &self,
        reactor: Reactor,
        request: Request<()>,
    ) -> impl Future<Output = Result<Answer, Refusal>> + use<> + 'static {
        let registry = Arc::clone(&self.0);
        let mut accepted = request.headers().get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
        let is_open = accepted.any(|accept| Format::accepted_by(accept) == Format::OpenMetrics);
        let format = if is_open { Format::OpenMetrics } else { Format::Prometheus };
        async move {
            let mut threads = Vec::new();
            for (number, thread) in reactor.threads() {
                threads.extend(thread.ask(move |reactor| (number, reactor.stats())).await);
            }
            let started = process_age().and_then(|age| reactor.time_of_day().checked_sub(age));
            let body = format.encode(Numbers { threads, started }, &registry);
            let body = body.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
            let fields = format!("Content-Type: {}\r\nCache-Control: no-store\r\n", format.content_type());
            Ok(Answer { fields, body })
        }
    }
}
