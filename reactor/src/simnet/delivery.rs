//! How packets travel through the network, and what they do where they arrive.

use std::io;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::simnet::addresses::{HostId, is_for_many};
use crate::simnet::conn::ConnPhase;
use crate::simnet::log::What;
use crate::simnet::packet::{Datagram, Packet, Part};
use crate::simnet::state::NetworkState;

impl NetworkState {
    /// Sends a part of `from`'s stream to the other end.
    pub(super) fn send_part(&mut self, conn: u64, from: usize, part: Part, now: Instant) {
        let Some(connection) = self.conn(conn) else { return };
        let number = connection.ends[from].parts_sent;
        connection.ends[from].parts_sent += 1;
        let packet = Packet::Part { conn, to: 1 - from, number, part };
        self.send_again(packet, now);
    }

    /// Sends a packet of a stream, for the first time or again.
    fn send_again(&mut self, packet: Packet, now: Instant) {
        let Packet::Part { conn, to, part, .. } = &packet else { return };
        let len = if let Part::Data(data) = part { data.len() } else { 0 };
        let Some(connection) = self.conn(*conn) else { return };
        let (from_host, to_host) = (connection.ends[1 - to].host, connection.ends[*to].host);
        let mut at = self.arrival(from_host, to_host, len, now);
        let lost = self.link_between(from_host, to_host).loss;
        if from_host != to_host && self.happens(lost) {
            at += RETRANSMISSION;
        }
        self.schedule(at, packet);
    }

    /// Sends the held packets that can now get through.
    pub(super) fn send_held(&mut self, now: Instant) {
        self.note_healed();
        for packet in std::mem::take(&mut self.held) {
            self.send_again(packet, now);
        }
    }

    /// A host that is down sends nothing again.
    pub(super) fn drop_held_of(&mut self, host: HostId) {
        let conns = &self.conns;
        self.held.retain(|packet| match packet {
            Packet::Part { conn, to, .. } => {
                conns[*conn as usize].as_ref().is_some_and(|conn| conn.ends[1 - to].host != host)
            }
            _ => false,
        });
    }

    /// A packet arrives.
    pub(super) fn arrive(&mut self, packet: Packet, now: Instant) -> Vec<Waker> {
        let mut wakers = Vec::new();
        match packet {
            Packet::Open { conn, attempt } => self.open_arrived(conn, attempt, now, &mut wakers),
            Packet::Opened { conn } => self.answer_arrived(conn, ConnPhase::Open, now, &mut wakers),
            Packet::Refused { conn } => {
                self.answer_arrived(conn, ConnPhase::Failed(io::ErrorKind::ConnectionRefused), now, &mut wakers);
            }
            Packet::Part { conn, to, number, part } => self.part_arrived(conn, to, number, part, now, &mut wakers),
            Packet::GiveUp { conn, end } => self.give_up(conn, end, now, &mut wakers),
            Packet::Silence { conn, end, since } => self.silence(conn, end, since, now, &mut wakers),
            Packet::Datagram(datagram) => wakers.extend(self.datagram_arrived(*datagram, now)),
            Packet::Unreachable(refused) => wakers.extend(self.unreachable_arrived(&refused)),
        }
        wakers
    }

    fn open_arrived(&mut self, conn: u64, attempt: u32, now: Instant, wakers: &mut Vec<Waker>) {
        let Some(connection) = self.conn(conn) else { return };
        if connection.ends[0].released {
            self.forget(conn);
            return;
        }
        if attempt > OPEN_ATTEMPTS {
            return self.answer_arrived(conn, ConnPhase::Failed(io::ErrorKind::TimedOut), now, wakers);
        }
        let way = connection.way;
        let [client, server] = [&connection.ends[0], &connection.ends[1]].map(|end| (end.host, end.address));
        let reachable = self.can_reach(client.0, server.0, server.1.ip());
        let accepting = if reachable { self.hosts[server.0].listening_at(server.1) } else { None };
        self.log_packet(now, way, false, if reachable { What::Open } else { What::OpenLost }, attempt as usize);
        match accepting {
            Some(listening) if listening.borrow().has_room() => {
                let mut listening = listening.borrow_mut();
                listening.queue.push_back(conn);
                wakers.extend(listening.waker.take());
                drop(listening);
                let at = self.arrival(server.0, client.0, 0, now);
                self.schedule(at, Packet::Opened { conn });
            }
            None if reachable => {
                let at = self.arrival(server.0, client.0, 0, now);
                self.schedule(at, Packet::Refused { conn });
            }
            // Requested again after 1, 2, 4, … seconds, as Linux does; it also waits after the last time.
            _ => {
                let at = now + Duration::from_secs(1 << attempt);
                self.schedule(at, Packet::Open { conn, attempt: attempt + 1 });
            }
        }
    }

    fn answer_arrived(&mut self, conn: u64, phase: ConnPhase, now: Instant, wakers: &mut Vec<Waker>) {
        let Some(connection) = self.conn(conn) else { return };
        if connection.phase == ConnPhase::Opening {
            connection.phase = phase;
        }
        wakers.extend(connection.ends[0].reader.take());
        let way = connection.way;
        let nobody_waits = connection.ends[0].released;
        if nobody_waits && phase != ConnPhase::Open {
            self.forget(conn);
            return;
        }
        self.log_packet(now, way, true, if phase == ConnPhase::Open { What::Opened } else { What::NotOpened }, 0);
        if nobody_waits {
            self.send_part(conn, 0, Part::Reset, now);
        }
    }

    fn part_arrived(&mut self, conn: u64, to: usize, number: u64, part: Part, now: Instant, wakers: &mut Vec<Waker>) {
        let Some(connection) = self.conn(conn) else { return };
        let (from_host, to_host) = (connection.ends[1 - to].host, connection.ends[to].host);
        let to_address = connection.ends[to].address.ip();
        if !self.can_reach(from_host, to_host, to_address) {
            self.hold(Packet::Part { conn, to, number, part }, conn, 1 - to, now);
            return;
        }
        let Some(connection) = self.conn(conn) else { return };
        let way = connection.way;
        let end = &mut connection.ends[to];
        if end.released {
            // Nothing reads it: the sender gets a reset, unless it has just ended, too.
            if matches!(part, Part::Data(_)) {
                self.send_part(conn, to, Part::Reset, now);
            }
            return;
        }
        end.early.insert(number, part);
        let (mut len, mut what) = (0, What::Data);
        while let Some(part) = end.early.remove(&end.parts_arrived) {
            end.parts_arrived += 1;
            match part {
                Part::Data(data) => {
                    len += data.len();
                    end.unread.extend(data);
                }
                Part::End => {
                    end.ended = true;
                    what = What::DataAndEnd;
                }
                Part::Reset => {
                    end.break_off(io::ErrorKind::ConnectionReset, wakers);
                    what = What::Reset;
                }
            }
        }
        wakers.extend(end.reader.take());
        self.log_packet(now, way, to == 0, what, len);
        self.forget_if_over(conn);
    }

    /// Holds a packet that cannot get through, for a while.
    fn hold(&mut self, packet: Packet, conn: u64, sender: usize, now: Instant) {
        self.held.push(packet);
        if let Some(connection) = self.conn(conn)
            && !std::mem::replace(&mut connection.gives_up[sender], true)
        {
            self.schedule(now + PATIENCE, Packet::GiveUp { conn, end: sender });
        }
    }

    fn give_up(&mut self, conn: u64, sender: usize, now: Instant, wakers: &mut Vec<Waker>) {
        let held = self.holds_part_of(conn, sender);
        self.held.retain(|packet| !packet.is_part_of(conn, sender));
        let Some(connection) = self.conn(conn) else { return };
        connection.gives_up[sender] = false;
        if held {
            connection.ends[sender].break_off(io::ErrorKind::TimedOut, wakers);
            let way = connection.way;
            self.log_packet(now, way, sender == 1, What::GivenUp, 0);
        }
    }

    /// Whether something that this end has sent cannot get through.
    pub(super) fn holds_part_of(&self, conn: u64, sender: usize) -> bool {
        self.held.iter().any(|packet| packet.is_part_of(conn, sender))
    }

    /// The socket of an end is closed, in order or by a reset.
    pub(super) fn release(&mut self, conn: u64, end: usize, reset: bool, now: Instant) {
        let Some(connection) = self.conn(conn) else { return };
        let this = &mut connection.ends[end];
        if this.released {
            // The host went down before.
            return self.forget_if_over(conn);
        }
        let unread = !this.unread.is_empty();
        let shut = std::mem::replace(&mut this.shut, true);
        this.released = true;
        match connection.phase {
            // The answer to the client, which is in flight, will be discarded. The server has already accepted.
            ConnPhase::Opening if end == 0 => return,
            ConnPhase::Failed(_) => {
                self.forget(conn);
                return;
            }
            ConnPhase::Opening | ConnPhase::Open => {}
        }
        if this.broken.is_none() {
            if reset || unread {
                self.send_part(conn, end, Part::Reset, now);
            } else if !shut {
                self.send_part(conn, end, Part::End, now);
            }
        }
        self.forget_if_over(conn);
    }

    fn forget_if_over(&mut self, conn: u64) {
        if self.conn(conn).is_some_and(|connection| connection.ends.iter().all(|end| end.released)) {
            self.forget(conn);
        }
    }

    /// Sends a datagram, which may be lost or duplicated.
    pub(super) fn send_datagram(&mut self, datagram: Datagram, now: Instant) {
        let (from, to, len) = (datagram.from_host, datagram.to_host, datagram.data.len());
        if from == to {
            let at = self.arrival(from, to, len, now);
            return self.schedule(at, Packet::Datagram(Box::new(datagram)));
        }
        let link = self.link_between(from, to).clone();
        let full = self.busy_until.get(&(from, to)).is_some_and(|busy| *busy > now + LONGEST_QUEUE);
        if full || self.happens(link.loss) {
            return self.log_datagram(&datagram, now, What::DatagramLost);
        }
        let copies = if self.happens(link.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let mut at = self.arrival(from, to, len, now);
            if self.happens(link.reordering) {
                at += link.latency + link.jitter + OVERTAKEN;
            }
            self.schedule(at, Packet::Datagram(Box::new(datagram.clone())));
        }
    }

    pub(super) fn datagram_arrived(&mut self, datagram: Datagram, now: Instant) -> Option<Waker> {
        let Datagram { from_host, to_host, from, to, .. } = datagram;
        if !self.can_reach(from_host, to_host, to.ip()) {
            self.log_datagram(&datagram, now, What::DatagramLost);
            return None;
        }
        let mailbox = self.hosts[to_host].datagrams_at(to).filter(|mailbox| mailbox.borrow().is_for(from, to)).cloned();
        let Some(mailbox) = mailbox else {
            if is_for_many(to) {
                return None;
            }
            self.log_datagram(&datagram, now, What::DatagramRefused);
            let at = self.arrival(to_host, from_host, 0, now);
            self.schedule(at, Packet::Unreachable(Box::new(Datagram { data: Vec::new(), ..datagram })));
            return None;
        };
        let mut mailbox = mailbox.borrow_mut();
        self.log_datagram(&datagram, now, What::Datagram);
        mailbox.unread.push_back((from, to, datagram.data));
        mailbox.waker.take()
    }

    /// The answer to a datagram that had no receiver is back at its sender, which only reports it on a connected
    /// socket.
    pub(super) fn unreachable_arrived(&mut self, refused: &Datagram) -> Option<Waker> {
        let Datagram { from_host, to_host, from, to, .. } = *refused;
        if !self.can_reach(to_host, from_host, from.ip()) {
            return None;
        }
        let mut mailbox = self.hosts[from_host].datagrams_at(from)?.borrow_mut();
        if mailbox.ends.is_none_or(|ends| ends.peer != to) {
            return None;
        }
        mailbox.refused = true;
        mailbox.waker.take()
    }

    fn log_datagram(&mut self, datagram: &Datagram, now: Instant, what: What) {
        let way = self.log.way_of(datagram.from, datagram.to);
        self.log_packet(now, way, false, what, datagram.data.len());
    }
}

/// How much longer a lost packet takes.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// How long packets that cannot get through are sent again: roughly as Linux with `tcp_retries2` at 15.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How often a connection is requested after the first time, as Linux with `tcp_syn_retries` at 6.
const OPEN_ATTEMPTS: u32 = 6;

/// How long a datagram may wait for a link of limited bandwidth; beyond that there is no room for it.
const LONGEST_QUEUE: Duration = Duration::from_secs(1);

/// How much longer the slow way takes at least.
const OVERTAKEN: Duration = Duration::from_millis(10);
