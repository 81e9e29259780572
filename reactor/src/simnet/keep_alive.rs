//! Keep-alive: how an end learns that its peer is out of reach, or has forgotten the connection, while nothing is sent.
//!
//! No probes are sent. As long as both ends reach each other they would be answered; so the time runs from the moment that
//! they do not.

use std::io;
use std::task::Waker;
use std::time::Instant;

use crate::simnet::conn::{Conn, ConnPhase};
use crate::simnet::log::What;
use crate::simnet::packet::Packet;
use crate::simnet::state::NetworkState;

impl NetworkState {
    /// Something has come between hosts: for connections whose ends do not reach each other any more the time runs.
    pub(super) fn note_cut(&mut self, now: Instant) {
        for number in self.conns_where(|conn| conn.cut_off.is_none(), true) {
            let Some(connection) = self.conn(number) else { continue };
            connection.cut_off = Some(now);
            for (end, time) in connection.ends.each_ref().map(|end| end.keep_alive).into_iter().enumerate() {
                if let Some(time) = time {
                    self.schedule(now + time, Packet::Silence { conn: number, end, since: now });
                }
            }
        }
    }

    /// Something between hosts is gone.
    pub(super) fn note_healed(&mut self) {
        for number in self.conns_where(|conn| conn.cut_off.is_some(), false) {
            if let Some(connection) = self.conn(number) {
                connection.cut_off = None;
            }
        }
    }

    /// The connections that are open, fulfil this condition, and whose ends are `apart`, or not.
    fn conns_where(&self, condition: impl Fn(&Conn) -> bool, apart: bool) -> Vec<u64> {
        let is_wanted = |conn: &Conn| {
            let [one, other] = &conn.ends;
            let reach = self.can_reach(one.host, other.host, other.address.ip())
                && self.can_reach(other.host, one.host, one.address.ip());
            conn.phase == ConnPhase::Open && condition(conn) && reach != apart
        };
        let conns = self.conns.iter().enumerate();
        conns.filter(|(_, conn)| conn.as_deref().is_some_and(is_wanted)).map(|(number, _)| number as u64).collect()
    }

    /// An end has heard nothing since then, if it was cut off all the time.
    pub(super) fn silence(&mut self, conn: u64, end: usize, since: Instant, now: Instant, wakers: &mut Vec<Waker>) {
        // Then it waits for an acknowledgement, for longer.
        if self.holds_part_of(conn, end) {
            return;
        }
        let Some(connection) = self.conn(conn) else { return };
        let way = connection.way;
        let [this, peer] = if end == 0 { [0, 1] } else { [1, 0] }.map(|end| &connection.ends[end]);
        let (kind, what) = if connection.cut_off == Some(since) {
            (io::ErrorKind::TimedOut, What::GivenUp)
        } else if connection.cut_off.is_none() && peer.released && !this.ended {
            // The peer's host was down meanwhile.
            (io::ErrorKind::ConnectionReset, What::Reset)
        } else {
            return;
        };
        if !this.released && this.broken.is_none() {
            connection.ends[end].break_off(kind, wakers);
            self.log_packet(now, way, end == 1, what, 0);
        }
    }
}
