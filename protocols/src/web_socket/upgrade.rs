//! A connection from its first request on.

use std::rc::Rc;

use reactor::connection::Connection;
use reactor::layer::{Layer, Nested};
use reactor::port::Pending;
use reactor::{CloseReason, OnEof, Protocol, SharedFactory, Transport};
use tungstenite::http::StatusCode;

use crate::policies::pass_through::PassThrough;
use crate::web_socket::answer;
use crate::web_socket::open::Open;
use crate::web_socket::options::{Options, PATIENCE};
use crate::web_socket::request::{Head, Verdict, refusal};

/// A connection that becomes a web socket, or something else.
pub(super) struct Upgrade {
    transport: Transport,
    options: Rc<Options>,
    stage: Stage,
}

enum Stage {
    /// The client's request comes in.
    Request(Head, Pending),
    /// The server's answer to this key comes in.
    Answer(Head, String),
    Open(Box<Open>),
    Otherwise(PassThrough),
    Refused,
}

impl Upgrade {
    pub(super) fn new(transport: Transport, options: Rc<Options>) -> Self {
        transport.call_later(PATIENCE, |this: &mut Self| {
            if matches!(this.stage, Stage::Request(..) | Stage::Answer(..)) {
                this.transport.fail_connection(CloseReason::TimedOut);
            }
        });
        let stage = Stage::Request(Head::default(), transport.mark_pending());
        Self { transport, options, stage }
    }

    /// Asks the server, as a client does.
    fn ask(&mut self, url: &str) {
        match answer::request(url, &self.options.subprotocols) {
            Ok((request, key)) => {
                self.transport.write(request);
                self.stage = Stage::Answer(Head::default(), key);
            }
            Err(error) => self.transport.fail_connection(CloseReason::failed(error)),
        }
    }

    /// The server's answer is complete, and `rest` has come behind it.
    fn check(&mut self, rest: &[u8]) {
        let Stage::Answer(head, key) = std::mem::replace(&mut self.stage, Stage::Refused) else { return };
        match answer::check(&head, &key, &self.options.subprotocols) {
            Ok(()) => match self.build(self.options.inside.clone()) {
                Some(nested) => self.open(nested, rest),
                None => self.transport.lose_connection(),
            },
            Err(why) => self.transport.fail_connection(CloseReason::failed(why)),
        }
    }

    fn open(&mut self, nested: Nested, frames: &[u8]) {
        let start_patience = |outer: &Transport| {
            outer.call_later(PATIENCE, |this: &mut Self| this.transport.fail_connection(CloseReason::TimedOut));
        };
        let mut open = Box::new(Open::new(self.transport.clone(), nested, &self.options, start_patience));
        open.begin(frames);
        self.stage = Stage::Open(open);
    }

    /// The request is complete, and `rest` has come behind it; or it is too long to be one.
    fn decide(&mut self, rest: &[u8]) {
        let Stage::Request(head, _pending) = std::mem::replace(&mut self.stage, Stage::Refused) else { return };
        match head.judge(&self.options) {
            Verdict::Accept(answer) => match self.build(self.options.inside.clone()) {
                Some(nested) => {
                    self.transport.write(answer);
                    self.open(nested, rest);
                }
                None => self.refuse(StatusCode::SERVICE_UNAVAILABLE),
            },
            Verdict::Refuse(status) => self.refuse(status),
            Verdict::Otherwise => self.pass_on(head.bytes(), rest),
        }
    }

    fn build(&self, mut factory: SharedFactory) -> Option<Nested> {
        Nested::build(&self.transport, &mut factory)
    }

    fn refuse(&self, status: StatusCode) {
        self.transport.write(refusal(status));
        self.transport.lose_connection();
    }

    /// What has come so far goes to a protocol of the other factory.
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
        if let Some(url) = self.options.url.clone() {
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
            Stage::Answer(head, _) => {
                let rest = head.fill(data);
                if head.is_too_long() {
                    self.transport.fail_connection(CloseReason::failed("what the server answers is too long"));
                } else if let Some(rest) = rest {
                    self.check(rest);
                }
            }
            Stage::Open(open) => open.received(data),
            Stage::Otherwise(through) => through.received(data),
            Stage::Refused => {}
        }
    }

    fn eof_received(&mut self) -> OnEof {
        if let Stage::Request(head, _) = &mut self.stage {
            let head = std::mem::take(head);
            self.pass_on(head.bytes(), b"");
        }
        match &mut self.stage {
            Stage::Open(open) => open.received_eof(),
            Stage::Otherwise(through) => through.received_eof(),
            Stage::Answer(..) => {
                self.transport.fail_connection(CloseReason::failed("the server has closed instead of answering"));
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
    }
}
