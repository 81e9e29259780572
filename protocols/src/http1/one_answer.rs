//! One connection of a client of HTTP: one request, and its answer.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use reactor::connection::MemoryCharge;
use reactor::{CloseReason, DelayedCall, Protocol, Reactor, Transport};

use crate::http1::head::Head;
use crate::http1::refusal::Refusal;
use crate::http1::request::parse;

/// Says what is at one path.
pub(crate) trait Responder: 'static {
    fn path(&self) -> &str;

    /// Answers a `GET` or `HEAD` of the path.
    ///
    /// # Errors
    ///
    /// A refusal, if the request cannot be answered.
    fn respond(
        &self,
        reactor: Reactor,
        request: Request<()>,
    ) -> impl Future<Output = Result<Answer, Refusal>> + use<Self> + 'static;
}

/// What is found.
pub(crate) struct Answer {
    /// Lines that end with CR LF: the type of the body, and others.
    pub(crate) fields: String,
    pub(crate) body: String,
}

/// Answers the first request, and closes.
pub(crate) struct OneAnswer<R> {
    transport: Transport,
    responder: R,
    head: Head,
    charge: MemoryCharge,
    /// Until what the client is to do next.
    deadline: DelayedCall,
    asked: bool,
}

impl<R: Responder> OneAnswer<R> {
    pub(crate) fn new(transport: Transport, responder: R) -> Self {
        let deadline = transport.call_later(FOR_REQUEST, Self::expired);
        let charge = transport.charge_memory(0);
        Self { transport, responder, head: Head::default(), charge, deadline, asked: false }
    }

    fn expired(&mut self) {
        self.transport.fail_connection(CloseReason::TimedOut);
    }

    fn asked(&mut self) {
        self.asked = true;
        let request = match parse(&self.head).and_then(|request| self.check(request)) {
            Ok(request) => request,
            Err(refusal) => return self.send(&refusal.answer(), ""),
        };
        let with_body = request.method() == Method::GET;
        let answer = self.responder.respond(self.transport.reactor(), request);
        self.transport.defer(answer, move |this: &mut Self, answer| match answer {
            Ok(Answer { fields, body }) => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\nX-Content-Type-Options: nosniff\r\n\
                     Connection: close\r\n\r\n"
                );
                this.send(&head, if with_body { &body } else { "" });
            }
            Err(refusal) => this.send(&refusal.answer(), ""),
        });
    }

    fn check(&self, request: Request<()>) -> Result<Request<()>, Refusal> {
        if request.uri().path() != self.responder.path() {
            return Err(StatusCode::NOT_FOUND.into());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(StatusCode::METHOD_NOT_ALLOWED.into());
        }
        Ok(request)
    }

    fn send(&mut self, head: &str, body: &str) {
        self.transport.write(head);
        self.transport.write(body);
        self.transport.lose_connection();
        self.deadline.cancel();
        self.deadline = self.transport.call_later(FOR_ANSWER, Self::expired);
    }
}

impl<R: Responder> Protocol for OneAnswer<R> {
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

const FOR_REQUEST: Duration = Duration::from_secs(10);

const FOR_ANSWER: Duration = Duration::from_secs(60);
