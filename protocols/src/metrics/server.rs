//! One connection of a client that reads metrics: one request of HTTP, and its answer.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use httparse::EMPTY_HEADER;
use prometheus_client::registry::Registry;
use reactor::connection::MemoryCharge;
use reactor::{CloseReason, DelayedCall, Protocol, Transport};

use crate::metrics::numbers::{Numbers, process_age};
use crate::metrics::page::Format;
use crate::web_socket::handshake::head::{Head, MOST_FIELDS};

pub(super) struct MetricsServer {
    transport: Transport,
    registry: Arc<Registry>,
    head: Head,
    charge: MemoryCharge,
    /// Until what the client is to do next.
    deadline: DelayedCall,
    asked: bool,
}

impl MetricsServer {
    pub(super) fn new(transport: Transport, registry: Arc<Registry>) -> Self {
        let deadline = transport.call_later(FOR_REQUEST, Self::expired);
        let charge = transport.charge_memory(0);
        Self { transport, registry, head: Head::default(), charge, deadline, asked: false }
    }

    fn expired(&mut self) {
        self.transport.fail_connection(CloseReason::TimedOut);
    }

    fn asked(&mut self) {
        self.asked = true;
        let request = if self.head.is_too_long() {
            Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        } else {
            parse(self.head.bytes())
        };
        let Request { format, with_body } = match request {
            Ok(request) => request,
            Err(status) => return self.refuse(status),
        };
        let reactor = self.transport.reactor();
        let numbers = async move {
            let mut threads = Vec::new();
            for (number, thread) in reactor.threads() {
                threads.extend(thread.ask(move |reactor| (number, reactor.stats())).await);
            }
            threads
        };
        self.transport.defer(numbers, move |this: &mut Self, threads| {
            let now = this.transport.reactor().time_of_day();
            let started = process_age().and_then(|age| now.checked_sub(age));
            match format.encode(Numbers { threads, started }, &this.registry) {
                Ok(page) => this.answer(StatusCode::OK, format.content_type(), &page, with_body),
                Err(_) => this.refuse(StatusCode::INTERNAL_SERVER_ERROR),
            }
        });
    }

    fn refuse(&mut self, status: StatusCode) {
        self.answer(status, "text/plain; charset=utf-8", &format!("{status}\n"), true);
    }

    fn answer(&mut self, status: StatusCode, content_type: &str, body: &str, with_body: bool) {
        let allow = if status == StatusCode::METHOD_NOT_ALLOWED { "Allow: GET, HEAD\r\n" } else { "" };
        let length = body.len();
        self.transport.write(format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        ));
        if with_body {
            self.transport.write(body);
        }
        self.transport.lose_connection();
        self.deadline.cancel();
        self.deadline = self.transport.call_later(FOR_ANSWER, Self::expired);
    }
}

impl Protocol for MetricsServer {
    fn data_received(&mut self, data: &[u8]) {
        // Each connection has one answer.
        if self.asked {
            return;
        }
        let is_complete = self.head.fill(data).is_some();
        self.charge.set(self.head.held_bytes());
        if is_complete || self.head.is_too_long() {
            self.asked();
        }
    }
}

/// A request for the metrics.
struct Request {
    format: Format,
    with_body: bool,
}

/// Parses the head of a request; or says how to refuse it.
fn parse(head: &[u8]) -> Result<Request, StatusCode> {
    let mut room = [EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut room);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Ok(httparse::Status::Partial) | Err(_) => return Err(StatusCode::BAD_REQUEST),
    }
    let target = parsed.path.unwrap_or_default();
    if target.split('?').next() != Some("/metrics") {
        return Err(StatusCode::NOT_FOUND);
    }
    let with_body = match parsed.method {
        Some("GET") => true,
        Some("HEAD") => false,
        _ => return Err(StatusCode::METHOD_NOT_ALLOWED),
    };
    let mut fields = parsed.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("accept"));
    let is_open = fields.any(|field| {
        let accept = str::from_utf8(field.value).unwrap_or_default();
        Format::accepted_by(accept) == Format::OpenMetrics
    });
    Ok(Request { format: if is_open { Format::OpenMetrics } else { Format::Prometheus }, with_body })
}

const FOR_REQUEST: Duration = Duration::from_secs(10);

const FOR_ANSWER: Duration = Duration::from_secs(60);
