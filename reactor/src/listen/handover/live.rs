//! Connections that go from one process to the next, as the reactor that has them sees it.

use std::rc::Rc;

use crate::port::Port;
use crate::reactor::Reactor;
use crate::reactor::port_registry::PortKey;
use crate::transport::moving::pump::AtRest;

/// Some of a reactor's connections.
#[derive(Default)]
pub(super) struct Rested {
    /// Those that rest, with the keys of their ports.
    pub(super) connections: Vec<(u64, PortKey, AtRest)>,
    /// Those that cannot go on elsewhere at this moment.
    pub(super) not_now: Vec<u64>,
}

/// The connections of these ports that may be able to go on in another process. They are [held](hold).
pub(super) fn candidates(reactor: &Reactor, keys: &[PortKey]) -> Vec<u64> {
    let ports = keys.iter().filter_map(|key| reactor.0.shared_ports.port(key));
    let connections = ports.flat_map(|port| port.resumable_connections());
    let numbered = connections.map(|transport| {
        reactor.0.roster.add_remote(&transport);
        transport.0.id
    });
    let ids: Vec<_> = numbered.collect();
    hold(reactor, &ids, true);
    ids
}

/// Has these connections hand on no more input to their protocols, or go on with that.
pub(super) fn hold(reactor: &Reactor, ids: &[u64], held: bool) {
    for &id in ids {
        if let Some(mover) = reactor.0.roster.remote(id, 0).and_then(|transport| transport.0.mover()) {
            mover.set_held(held);
        }
    }
}

/// Lets these connections rest, as far as they can.
pub(super) fn rest(reactor: &Reactor, ids: &[u64]) -> Rested {
    let mut rested = Rested::default();
    let held = reactor.0.shared_ports.held();
    for &id in ids {
        let Some(transport) = reactor.0.roster.remote(id, 0).filter(|transport| !transport.0.has_ended()) else {
            continue;
        };
        let accepted = |port: &Port| transport.0.accepted_by().is_some_and(|by| Rc::ptr_eq(by, port.intake()));
        let Some((key, _)) = held.iter().find(|(_, port)| accepted(port)) else { continue };
        match transport.0.mover().and_then(|mover| mover.rest()) {
            Some(at_rest) if at_rest.state.len() <= LONGEST_STATE && at_rest.unsent.len() <= MOST_UNSENT => {
                rested.connections.push((id, key.clone(), at_rest));
            }
            Some(_) => go(reactor, id, &[]),
            None => rested.not_now.push(id),
        }
    }
    rested
}

/// Goes on with a connection at rest, behind whose output `written` belongs.
pub(super) fn go(reactor: &Reactor, id: u64, written: &[u8]) {
    let Some(transport) = reactor.0.roster.remote(id, 0) else { return };
    if !written.is_empty() {
        transport.innermost().0.restore_unsent(written);
    }
    if let Some(mover) = transport.0.mover() {
        mover.go();
    }
}

/// Ends a connection at rest, which goes on elsewhere. Returns what was written since the rest began.
pub(super) fn release(reactor: &Reactor, id: u64) -> Vec<u8> {
    let mover = reactor.0.roster.remote(id, 0).and_then(|transport| transport.0.mover());
    mover.map_or_else(Vec::new, |mover| mover.release())
}

/// Goes on with a connection of the previous process on the port with this key, at rest until [`go`]. If this reactor does
/// not have the port, the connection is given back.
pub(super) fn resume(reactor: &Reactor, key: &PortKey, at_rest: AtRest) -> Result<u64, Option<AtRest>> {
    let Some(port) = reactor.0.shared_ports.port(key) else { return Err(Some(at_rest)) };
    let transport = port.resume_connection(at_rest).ok_or(None)?;
    reactor.0.roster.add_remote(&transport);
    Ok(transport.0.id)
}

/// The maximum length of the state of one connection.
pub(super) const LONGEST_STATE: usize = 1 << 20;

/// The maximum number of unsent bytes of one connection: the default limit of output.
pub(super) const MOST_UNSENT: usize = 16 << 20;
