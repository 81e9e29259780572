//! A connection, starting with its header.

use std::mem;
use std::rc::Rc;

use reactor::connection::{Connection, MemoryCharge};
use reactor::layer::{Layer, Nested};
use reactor::port::Pending;
use reactor::{CloseReason, DelayedCall, OnEof, Protocol, Transport};

use crate::policies::pass_through::PassThrough;
use crate::proxy_header::header;
use crate::proxy_header::header::Header;
use crate::proxy_header::options::Options;
use crate::proxy_header::refused::Refusal;

/// A connection that begins with a header.
pub(super) struct Proxied {
    transport: Transport,
    options: Rc<Options>,
    /// For undelivered input.
    charge: MemoryCharge,
    stage: Stage,
}

enum Stage {
    /// The header is incomplete; these bytes have arrived.
    Header(Vec<u8>, DelayedCall, Pending),
    Open(PassThrough),
    Refused,
}

impl Proxied {
    pub(super) fn new(transport: Transport, options: Rc<Options>) -> Self {
        let late = |this: &mut Self| this.refuse(Refusal::Late, CloseReason::TimedOut);
        let deadline = transport.call_later(options.deadline, late);
        let stage = Stage::Header(Vec::new(), deadline, transport.mark_pending());
        let charge = transport.charge_memory(0);
        Self { transport, options, charge, stage }
    }

    fn refuse(&mut self, refusal: Refusal, reason: CloseReason) {
        self.options.refusals.note(&refusal, &self.transport);
        self.stage = Stage::Refused;
        self.transport.fail_connection(reason);
    }

    /// The header is complete, followed by `rest`.
    fn open(&mut self, header: Header, rest: &[u8]) {
        if let Stage::Header(_, deadline, _pending) = mem::replace(&mut self.stage, Stage::Refused) {
            deadline.cancel();
        }
        let (host, peer) = match header {
            Header::Unproxied => (self.transport.host(), self.transport.peer()),
            Header::Proxied { client, server } => (server, client),
        };
        tracing::debug!(%peer, %host, "the PROXY header names the client");
        match Nested::build_at(&self.transport, host, peer, &mut self.options.inside.clone()) {
            Some(nested) => self.stage = Stage::Open(PassThrough::begin(nested, rest)),
            None => self.transport.lose_connection(),
        }
    }
}

impl Protocol for Proxied {
    fn data_received(&mut self, data: &[u8]) {
        match &mut self.stage {
            Stage::Header(came, ..) => {
                let before = came.len();
                came.extend_from_slice(&data[..data.len().min(header::LONGEST - before)]);
                match header::parse(came) {
                    Ok(Some((header, length))) => self.open(header, &data[length - before..]),
                    Ok(None) => {}
                    Err(why) => {
                        let refusal = Refusal::Malformed(why);
                        let reason = CloseReason::failed(refusal.to_string());
                        self.refuse(refusal, reason);
                    }
                }
            }
            Stage::Open(through) => through.received(data),
            Stage::Refused => {}
        }
    }

    fn eof_received(&mut self) -> OnEof {
        match &mut self.stage {
            Stage::Header(came, ..) => {
                let refusal = if came.is_empty() { Refusal::Silent } else { Refusal::CutShort };
                self.options.refusals.note(&refusal, &self.transport);
                self.stage = Stage::Refused;
                OnEof::Close
            }
            Stage::Open(through) => through.received_eof(),
            Stage::Refused => OnEof::Close,
        }
    }

    fn layer(&mut self) -> Option<&mut dyn Layer> {
        Some(self)
    }
}

impl Layer for Proxied {
    fn inside(&mut self) -> Option<&mut Connection> {
        match &mut self.stage {
            Stage::Open(through) => Some(through.inside()),
            Stage::Header(..) | Stage::Refused => None,
        }
    }

    fn pass(&mut self) {
        if let Stage::Open(through) = &mut self.stage {
            through.pass();
        }
        self.charge.set(match &self.stage {
            Stage::Header(came, ..) => came.capacity(),
            Stage::Open(through) => through.held_bytes(),
            Stage::Refused => 0,
        });
    }
}
