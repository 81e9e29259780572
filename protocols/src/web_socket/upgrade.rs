//! A connection, starting with its first request.

use std::cell::Cell;
use std::mem;
use std::rc::Rc;

use http::{StatusCode, Uri};
use reactor::connection::{Connection, MemoryCharge};
use reactor::layer::{Layer, Nested};
use reactor::port::Pending;
use reactor::{CloseReason, OnEof, Protocol, SharedFactory, Transport};

use crate::http1::{Head, Refusal};
use crate::policies::pass_through::PassThrough;
use crate::web_socket::handshake::answer::{self, Outcome};
use crate::web_socket::handshake::opening::Opening;
use crate::web_socket::handshake::request::{self, Verdict};
use crate::web_socket::link::MessageLink;
use crate::web_socket::open::{Form, Open, Timers};
use crate::web_socket::options::{Inside, Options, Role};
use crate::web_socket::text::Characters;

/// A connection that becomes a web socket, or something else.
pub(super) struct Upgrade {
    transport: Transport,
    options: Rc<Options>,
    /// For undelivered input.
    charge: MemoryCharge,
    stage: Stage,
}

enum Stage {
    /// The client's request is arriving.
    Request(Head, Pending),
    /// The server's answer is arriving, to this key and this request.
    Answer(Head, Question, Pending),
    Open(Box<Open>),
    Otherwise(PassThrough),
    Refused,
}

struct Question {
    key: String,
    target: Uri,
}

impl Upgrade {
    pub(super) fn new(transport: Transport, options: Rc<Options>) -> Self {
        transport.call_later(options.handshake_timeout, |this: &mut Self| {
            if matches!(this.stage, Stage::Request(..) | Stage::Answer(..)) {
                this.transport.fail_connection(CloseReason::TimedOut);
            }
        });
        let stage = Stage::Request(Head::default(), transport.mark_pending());
        let charge = transport.charge_memory(0);
        Self { transport, options, charge, stage }
    }

    /// Sends the client's request to the server.
    fn ask(&mut self, url: &str) {
        match answer::request(url, &self.options) {
            Ok((request, key)) => {
                self.transport.write(request);
                let question = Question { key, target: url.parse().unwrap_or_default() };
                self.stage = Stage::Answer(Head::default(), question, self.transport.mark_pending());
            }
            Err(why) => self.transport.fail_connection(CloseReason::failed(why)),
        }
    }

    fn answer_received(&mut self, mut data: &[u8]) {
        while let Stage::Answer(head, ..) = &mut self.stage {
            let rest = head.fill(data);
            if head.is_too_long() {
                self.transport.fail_connection(CloseReason::failed("the head of the server's answer is too long"));
                return;
            }
            let Some(rest) = rest else { return };
            self.check(rest);
            data = rest;
        }
    }

    /// An answer of the server is complete, followed by `rest`, which is the next answer unless this was the last.
    fn check(&mut self, rest: &[u8]) {
        let Stage::Answer(head, question, pending) = mem::replace(&mut self.stage, Stage::Refused) else { return };
        match answer::check(head.bytes(), &question.key, &self.options.subprotocols) {
            Ok(Outcome::Open(response, subprotocol)) => {
                let headers = response.into_parts().0.headers;
                match self.build_inside(Opening { target: question.target, headers, subprotocol }) {
                    Ok(open) => self.open(open, rest, pending),
                    Err(_) => self.transport.lose_connection(),
                }
            }
            Ok(Outcome::Wait) => self.stage = Stage::Answer(Head::default(), question, pending),
            Err(why) => self.transport.fail_connection(CloseReason::failed(why)),
        }
    }

    fn open(&mut self, mut open: Box<Open>, frames: &[u8], pending: Pending) {
        // Before the frames, which may end the connection: it was established.
        drop(pending);
        open.begin(frames);
        self.stage = Stage::Open(open);
    }

    /// The request is complete, followed by `rest`; or it is too long.
    fn decide(&mut self, rest: &[u8]) {
        let Stage::Request(head, pending) = mem::replace(&mut self.stage, Stage::Refused) else { return };
        match request::judge(&head, &self.options) {
            Verdict::Accept(accepted) => {
                let answer = accepted.answer();
                let parts = accepted.request.into_parts().0;
                let (target, headers) = (parts.uri, parts.headers);
                match self.build_inside(Opening { target, headers, subprotocol: accepted.subprotocol }) {
                    Ok(open) => {
                        self.transport.write(answer);
                        self.open(open, rest, pending);
                    }
                    Err(status) => self.refuse(&Refusal::new(status, status.to_string())),
                }
            }
            Verdict::Refuse(refusal) => self.refuse(&refusal),
            Verdict::Otherwise => self.pass_on(head.bytes(), rest),
        }
    }

    /// The web socket with the protocol inside, or the status of the refusal.
    fn build_inside(&self, opening: Opening) -> Result<Box<Open>, StatusCode> {
        let (nested, form) = match &self.options.inside {
            Inside::Stream(factory) => {
                let form = if self.options.text { Form::Text(Characters::default()) } else { Form::Bytes };
                (self.build(factory.clone()).ok_or(StatusCode::SERVICE_UNAVAILABLE)?, form)
            }
            Inside::Messages(build) => {
                let link = Rc::new(MessageLink::new(self.options.keys().cloned()));
                let refusal = Rc::new(Cell::new(StatusCode::SERVICE_UNAVAILABLE));
                let mut factory = {
                    let (build, link, refusal) = (Rc::clone(build), Rc::clone(&link), Rc::clone(&refusal));
                    move |transport| {
                        let built = build.borrow_mut()(transport, &link, &opening);
                        built.map_err(|status| refusal.set(status)).ok()
                    }
                };
                let nested = Nested::build(&self.transport, &mut factory).ok_or_else(|| refusal.get())?;
                (nested, Form::Messages(link))
            }
        };
        let timers = Timers {
            give_up: |outer, delay| {
                outer.call_later(delay, |this: &mut Self| {
                    if let Stage::Open(open) = &this.stage {
                        open.give_up();
                    }
                });
            },
            look_for_life: |outer, delay| {
                outer.call_later(delay, |this: &mut Self| {
                    if let Stage::Open(open) = &mut this.stage {
                        open.look_for_life();
                    }
                });
            },
        };
        Ok(Box::new(Open::new(self.transport.clone(), nested, &self.options, form, timers)))
    }

    fn build(&self, mut factory: SharedFactory) -> Option<Nested> {
        Nested::build(&self.transport, &mut factory)
    }

    fn refuse(&self, refusal: &Refusal) {
        tracing::debug!(peer = %self.transport.peer(), %refusal, "refused a web socket");
        self.transport.write(refusal.answer());
        self.transport.lose_connection();
    }

    /// Passes everything received so far to a protocol of the other factory.
    fn pass_on(&mut self, head: &[u8], rest: &[u8]) {
        match self.options.otherwise.clone().and_then(|factory| self.build(factory)) {
            Some(nested) => {
                let mut through = PassThrough::begin(nested, head);
                through.received(rest);
                self.stage = Stage::Otherwise(through);
            }
            None => self.transport.lose_connection(),
        }
    }
}

impl Protocol for Upgrade {
    fn connection_made(&mut self) {
        if let Role::Client(url, _) = &self.options.role {
            let url = url.clone();
            self.ask(&url);
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        match &mut self.stage {
            Stage::Request(head, _) => {
                let rest = head.fill(data);
                if head.is_too_long() || rest.is_some() {
                    self.decide(rest.unwrap_or_default());
                }
            }
            Stage::Answer(..) => self.answer_received(data),
            Stage::Open(open) => open.received(data),
            Stage::Otherwise(through) => through.received(data),
            Stage::Refused => {}
        }
    }

    fn eof_received(&mut self) -> OnEof {
        if let Stage::Request(head, _) = &mut self.stage {
            let head = mem::take(head);
            self.pass_on(head.bytes(), b"");
        }
        match &mut self.stage {
            Stage::Open(open) => open.received_eof(),
            Stage::Otherwise(through) => through.received_eof(),
            Stage::Answer(..) => {
                self.transport
                    .fail_connection(CloseReason::failed("the server closed the connection without an answer"));
                OnEof::Close
            }
            Stage::Request(..) | Stage::Refused => OnEof::Close,
        }
    }

    fn layer(&mut self) -> Option<&mut dyn Layer> {
        Some(self)
    }
}

impl Layer for Upgrade {
    fn inside(&mut self) -> Option<&mut Connection> {
        match &mut self.stage {
            Stage::Open(open) => Some(open.inside()),
            Stage::Otherwise(through) => Some(through.inside()),
            Stage::Request(..) | Stage::Answer(..) | Stage::Refused => None,
        }
    }

    fn pass(&mut self) {
        match &mut self.stage {
            Stage::Open(open) => open.pass(),
            Stage::Otherwise(through) => through.pass(),
            Stage::Request(..) | Stage::Answer(..) | Stage::Refused => {}
        }
        self.charge.set(match &self.stage {
            Stage::Request(head, _) | Stage::Answer(head, ..) => head.held_bytes(),
            Stage::Open(open) => open.held_bytes(),
            Stage::Otherwise(through) => through.held_bytes(),
            Stage::Refused => 0,
        });
    }
}
