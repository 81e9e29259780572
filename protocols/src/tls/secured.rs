//! A connection, starting with its handshake or with plain text.

use std::mem;
use std::rc::Rc;

use reactor::connection::{Connection, MemoryCharge};
use reactor::layer::{Layer, Nested};
use reactor::port::Pending;
use reactor::text::escaped;
use reactor::{CloseReason, DelayedCall, OnEof, Protocol, SharedFactory, Transport};

use crate::policies::pass_through::PassThrough;
use crate::tls::end::End;
use crate::tls::error::TlsError;
use crate::tls::open::Open;
use crate::tls::session::Session;
use crate::tls::start::{Upgrade, injected};

/// The outer end of a connection that is or becomes secure.
pub(super) struct Secured {
    outer: Transport,
    end: Rc<End>,
    inside: SharedFactory,
    /// For undelivered input.
    charge: MemoryCharge,
    stage: Stage,
}

enum Stage {
    /// Plain text passes until the protocol inside starts TLS.
    Plain(Box<Plain>),
    /// The handshake is yet to begin.
    Begin(Pending),
    Handshake(Box<Handshake>),
    Open(Box<Open>),
    /// It has failed, and what the peer is told of that is being sent.
    Failed,
}

struct Plain {
    through: PassThrough,
    upgrade: Rc<Upgrade>,
}

struct Handshake {
    session: Session,
    deadline: DelayedCall,
    /// Whether nothing was received yet.
    is_silent: bool,
    inside: Inside,
}

/// What is inside during the handshake.
enum Inside {
    /// Nothing: it is built afterwards.
    Unbuilt(Pending),
    /// What was there before, with the number of bytes that are still to be sent as plain text.
    Upgraded(Nested, Rc<Upgrade>, usize),
}

impl Secured {
    pub(super) fn new(outer: Transport, end: Rc<End>, inside: SharedFactory) -> Self {
        let stage = Stage::Begin(outer.mark_pending());
        Self { charge: outer.charge_memory(0), outer, end, inside, stage }
    }

    pub(super) fn upgradable(outer: Transport, end: Rc<End>, mut inside: SharedFactory) -> Option<Self> {
        let upgrade = Rc::new(Upgrade::new(outer.clone()));
        outer.attach(Rc::clone(&upgrade));
        let nested = Nested::build(&outer, &mut inside)?;
        let stage = Stage::Plain(Box::new(Plain { through: PassThrough::new(nested), upgrade }));
        Some(Self { charge: outer.charge_memory(0), outer, end, inside, stage })
    }

    fn begin(&mut self, inside: Inside) {
        let session = match (self.end.session)() {
            Ok(session) => session,
            Err(why) => return self.outer.fail_connection(CloseReason::failed(why)),
        };
        let deadline = self.outer.call_later(self.end.handshake_timeout, |this: &mut Self| {
            if let Stage::Handshake(handshake) = &this.stage {
                this.end.note_failed_handshake(&this.outer, &CloseReason::TimedOut, handshake.is_silent);
                this.outer.fail_connection(CloseReason::TimedOut);
            }
        });
        self.stage = Stage::Handshake(Box::new(Handshake { session, deadline, is_silent: true, inside }));
    }

    /// TLS is wanted by the protocol inside.
    fn upgrade(&mut self) {
        let Stage::Plain(stage) = &self.stage else { return };
        let Some(plain) = stage.upgrade.plain() else { return };
        if stage.through.keeps_input() {
            return self.outer.fail_connection(CloseReason::failed(injected()));
        }
        let Stage::Plain(stage) = mem::replace(&mut self.stage, Stage::Failed) else { return };
        let Plain { through, upgrade } = *stage;
        self.begin(Inside::Upgraded(through.into_nested(), upgrade, plain));
    }

    fn handshake_received(&mut self, mut records: &[u8]) {
        let Stage::Handshake(handshake) = &mut self.stage else { return };
        if mem::take(&mut handshake.is_silent) && !is_tls(records) {
            let peer = self.end.server_name().unwrap_or("the peer");
            let beginning = escaped(&records[..records.len().min(SHOWN)]).to_string();
            return self.fail(TlsError::new(format!("{} does not speak TLS: it sent \"{beginning}\"", escaped(peer))));
        }
        while !records.is_empty() && handshake.session.is_handshaking() {
            let outer = &self.outer;
            if let Err(error) = handshake.session.take_records(&mut records, || outer.reactor().time_of_day()) {
                let why = TlsError::of_rustls(error, self.end.server_name());
                handshake.send(&self.outer);
                return self.fail(why);
            }
            handshake.send(&self.outer);
        }
        if !handshake.session.is_handshaking() {
            self.open(records);
        }
    }

    /// The handshake is over, and these records follow it.
    fn open(&mut self, records: &[u8]) {
        let Stage::Handshake(handshake) = mem::replace(&mut self.stage, Stage::Failed) else { return };
        let Handshake { mut session, deadline, inside, .. } = *handshake;
        deadline.cancel();
        let info = Rc::new(session.take_info());
        self.outer.attach(Rc::clone(&info));
        let (mut nested, upgrade) = match inside {
            Inside::Upgraded(nested, upgrade, _) => {
                upgrade.tell(info);
                (nested, Some(upgrade))
            }
            Inside::Unbuilt(_pending) => match Nested::build(&self.outer, &mut self.inside) {
                Some(nested) => (nested, None),
                None => return self.outer.lose_connection(),
            },
        };
        if upgrade.is_none() {
            nested.inside().made();
        }
        let mut open = Box::new(Open::new(self.outer.clone(), nested, session, self.end.server_name(), upgrade));
        open.received(records);
        self.stage = Stage::Open(open);
    }

    /// The handshake has failed. Ends the connection in order, so that the peer learns why.
    fn fail(&mut self, why: TlsError) {
        let Stage::Handshake(handshake) = &mut self.stage else { return };
        let reason = CloseReason::failed(why);
        self.end.note_failed_handshake(&self.outer, &reason, false);
        if let Inside::Upgraded(nested, ..) = &mut handshake.inside {
            nested.inside().lost(reason.clone());
        }
        // Before it counts as established.
        self.outer.lose_connection_with(reason);
        self.stage = Stage::Failed;
    }
}

impl Handshake {
    /// Sends what is left of the plain text, and then the handshake's records.
    fn send(&mut self, outer: &Transport) {
        if let Inside::Upgraded(nested, _, plain) = &mut self.inside {
            nested.send(|outer, data| {
                let now = data.len().min(*plain);
                outer.write_from_inside(&data[..now]);
                *plain -= now;
                now
            });
            // The handshake is read, whatever the protocol inside wants.
            nested.release();
            if let Some(reason) = nested.inside().failure() {
                outer.fail_connection(reason);
            }
            if *plain > 0 {
                return;
            }
        }
        self.session.send_records(outer);
    }
}

impl Protocol for Secured {
    fn connection_made(&mut self) {
        if let Stage::Begin(_) = &self.stage
            && let Stage::Begin(pending) = mem::replace(&mut self.stage, Stage::Failed)
        {
            self.begin(Inside::Unbuilt(pending));
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        self.upgrade();
        match &mut self.stage {
            Stage::Plain(stage) => stage.through.received(data),
            Stage::Handshake(_) => self.handshake_received(data),
            Stage::Open(open) => open.received(data),
            Stage::Begin(_) | Stage::Failed => {}
        }
    }

    fn eof_received(&mut self) -> OnEof {
        match &mut self.stage {
            Stage::Plain(stage) => stage.through.received_eof(),
            Stage::Open(open) => open.received_eof(),
            Stage::Handshake(handshake) => {
                let is_silent = handshake.is_silent;
                let peer = escaped(self.end.server_name().unwrap_or("the peer")).to_string();
                let reason =
                    CloseReason::failed(TlsError::new(format!("{peer} ended the connection in the TLS handshake")));
                self.end.note_failed_handshake(&self.outer, &reason, is_silent);
                self.outer.fail_connection(reason);
                OnEof::Close
            }
            Stage::Begin(_) | Stage::Failed => OnEof::Close,
        }
    }

    fn layer(&mut self) -> Option<&mut dyn Layer> {
        Some(self)
    }
}

impl Layer for Secured {
    fn inside(&mut self) -> Option<&mut Connection> {
        match &mut self.stage {
            Stage::Plain(stage) => Some(stage.through.inside()),
            Stage::Handshake(handshake) => match &mut handshake.inside {
                Inside::Upgraded(nested, ..) => Some(nested.inside()),
                Inside::Unbuilt(_) => None,
            },
            Stage::Open(open) => Some(open.inside()),
            Stage::Begin(_) | Stage::Failed => None,
        }
    }

    fn pass(&mut self) {
        self.upgrade();
        match &mut self.stage {
            Stage::Plain(stage) => stage.through.pass(),
            Stage::Handshake(handshake) => handshake.send(&self.outer),
            Stage::Open(open) => open.pass(),
            Stage::Begin(_) | Stage::Failed => {}
        }
        self.charge.set(match &mut self.stage {
            Stage::Plain(stage) => stage.through.held_bytes(),
            Stage::Open(open) => open.held_bytes(),
            Stage::Begin(_) | Stage::Handshake(_) | Stage::Failed => 0,
        });
    }
}

/// Whether a stream that begins like this can be TLS: its first byte is the type of a record.
fn is_tls(beginning: &[u8]) -> bool {
    beginning.first().is_none_or(|first| (20..=24).contains(first))
}

/// How much is shown of what is not TLS.
const SHOWN: usize = 40;
