use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::cluster::link::options::Options;
use crate::cluster::link::snapshot_parts::SnapshotParts;

/// What this node knows of another one.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) epoch: u64,
    pub(super) heard: Instant,
    state: State,
    /// The next event to deliver. None before it is delivered again in this epoch, also if the node is down for a while.
    next: u64,
    /// Events before this one exist.
    announced: u64,
    /// Events that came before others that are missing.
    early: BTreeMap<u64, Bytes>,
    early_bytes: usize,
    parts: Option<SnapshotParts>,
    /// When it was last asked for something; a snapshot whose parts are coming counts.
    asked: Option<Instant>,
    /// When it was last sent a snapshot.
    answered: Option<Instant>,
    /// For each part of the registers, how they differ from ours.
    differences: Vec<Option<Difference>>,
}

/// A part of the registers that differs.
#[derive(Debug)]
struct Difference {
    ours: u32,
    theirs: u32,
    /// Since when the two digests are these, or when the part was last exchanged.
    since: Instant,
    /// How often that was of no use: then it waits longer and longer.
    exchanges: u32,
}

/// Digests that count.
const MAX_PARTS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of it is known, or no longer.
    Down,
    Up,
    /// It has said that it ends: nothing more of this epoch counts.
    Left,
}

/// What is to be asked of another node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Want {
    Snapshot,
    Events { from: u64, until: u64 },
}

/// What has become of a part of a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is of no use: too old, or known.
    Ignored,
    Waiting,
    TooLarge,
    Whole(Bytes),
}

impl Peer {
    pub(super) fn new(epoch: u64, now: Instant) -> Self {
        Self {
            epoch,
            heard: now,
            state: State::Down,
            next: 1,
            announced: 1,
            early: BTreeMap::new(),
            early_bytes: 0,
            parts: None,
            asked: None,
            answered: None,
            differences: Vec::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub(super) fn has_left(&self) -> bool {
        self.state == State::Left
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.early_bytes + self.parts.as_ref().map_or(0, SnapshotParts::held_bytes)
    }

    pub(super) fn go_down(&mut self) {
        self.state = State::Down;
        self.forget_what_waits();
    }

    pub(super) fn leave(&mut self) {
        self.state = State::Left;
        self.forget_what_waits();
    }

    fn forget_what_waits(&mut self) {
        self.early.clear();
        self.early_bytes = 0;
        self.parts = None;
        self.asked = None;
        self.differences.clear();
    }

    /// Takes note that the events before `next` exist.
    pub(super) fn announced(&mut self, next: u64) {
        self.announced = self.announced.max(next);
    }

    /// Takes an event; returns false if it is of no use. What can be delivered then comes from [`take_next`](Self::take_next).
    pub(super) fn event(&mut self, sequence: u64, payload: Bytes, options: &Options) -> bool {
        self.announced(sequence.saturating_add(1));
        if sequence < self.next || self.early.contains_key(&sequence) {
            return false;
        }
        self.early_bytes += payload.len();
        self.early.insert(sequence, payload);
        // Those that are needed last give way; they are asked for again.
        while self.early.len() > options.kept_events || self.early_bytes > options.kept_bytes {
            let is_due = self.is_up() && self.early.len() == 1 && self.early.contains_key(&self.next);
            let Some((_, last)) = (if is_due { None } else { self.early.pop_last() }) else { break };
            self.early_bytes -= last.len();
        }
        true
    }

    /// The next event, if it is there and its turn has come.
    pub(super) fn take_next(&mut self) -> Option<Bytes> {
        if !self.is_up() {
            return None;
        }
        let payload = self.early.remove(&self.next)?;
        self.early_bytes -= payload.len();
        self.next = self.next.saturating_add(1);
        if self.next >= self.announced {
            self.asked = None;
        }
        Some(payload)
    }

    /// Takes a part of a snapshot that was made before the event `next`. With the last one the node is up, as of that event.
    pub(super) fn snapshot(
        &mut self,
        now: Instant,
        (number, next, part, parts): (u64, u64, u32, u32),
        payload: Bytes,
        options: &Options,
    ) -> Progress {
        self.announced(next);
        let is_newer = if self.is_up() { next > self.next } else { next >= self.next };
        let is_late = self.parts.as_ref().is_some_and(|collected| number < collected.number());
        if !is_newer || is_late {
            return Progress::Ignored;
        }
        self.asked = Some(now);
        let collected = match &mut self.parts {
            Some(collected) if collected.is(number, next, parts) => collected,
            parts_of_another => parts_of_another.insert(SnapshotParts::new(number, next, parts)),
        };
        collected.add(part, payload);
        if collected.held_bytes() > options.snapshot_bytes {
            self.parts = None;
            return Progress::TooLarge;
        }
        let Some(whole) = collected.whole() else { return Progress::Waiting };
        self.parts = None;
        self.asked = None;
        self.state = State::Up;
        self.next = next;
        let later = self.early.split_off(&next);
        self.early = later;
        self.early_bytes = self.early.values().map(Bytes::len).sum();
        Progress::Whole(whole)
    }

    /// What to ask of it now, if anything.
    pub(super) fn want(&mut self, now: Instant, repeat: Duration) -> Option<Want> {
        let want = match self.state {
            State::Left => return None,
            State::Down => Want::Snapshot,
            State::Up if self.next >= self.announced => return None,
            State::Up => {
                let until = self.early.keys().next().copied().unwrap_or(self.announced);
                Want::Events { from: self.next, until }
            }
        };
        is_due(&mut self.asked, now, repeat).then_some(want)
    }

    /// Whether it may be sent a snapshot again.
    pub(super) fn may_have_snapshot(&mut self, now: Instant, repeat: Duration) -> bool {
        is_due(&mut self.answered, now, repeat / 2)
    }

    /// The parts of the registers that are to be exchanged: they have differed for a while, although no event is missing.
    ///
    /// Digests that change meanwhile say nothing: what has changed here may be under way to there.
    pub(super) fn differing(&mut self, now: Instant, ours: &[u32], theirs: &[u32], repeat: Duration) -> Vec<usize> {
        if !self.is_up() || self.next < self.announced {
            self.differences.clear();
            return Vec::new();
        }
        let parts = ours.len().min(theirs.len()).min(MAX_PARTS);
        self.differences.resize_with(parts, || None);
        let mut lasting = Vec::new();
        for (part, difference) in self.differences.iter_mut().enumerate() {
            let (ours, theirs) = (ours[part], theirs[part]);
            match difference {
                _ if ours == theirs => *difference = None,
                Some(known) if (known.ours, known.theirs) == (ours, theirs) => {
                    if now.saturating_duration_since(known.since) >= repeat * (3 << known.exchanges) {
                        known.since = now;
                        known.exchanges = (known.exchanges + 1).min(3);
                        lasting.push(part);
                    }
                }
                _ => *difference = Some(Difference { ours, theirs, since: now, exchanges: 0 }),
            }
        }
        lasting
    }
}

/// Whether this was last done long enough ago; then it is done now.
fn is_due(last: &mut Option<Instant>, now: Instant, pause: Duration) -> bool {
    let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= pause);
    if is_due {
        *last = Some(now);
    }
    is_due
}
