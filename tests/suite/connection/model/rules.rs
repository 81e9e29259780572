//! The rules of a connection as the documentation states them, independent of their implementation.

use std::collections::VecDeque;

use super::script::{A, Act, Awaited, B, Event, Input, LONGEST, Outcome, Payload, Questions, Step, View, Who, text};

/// Two connections as they ought to be.
#[derive(Default)]
pub(crate) struct Rules {
    ends: [End; 2],
    now: u64,
    timers: Vec<Timer>,
    /// Grows with each call made or moved: of calls due at one instant the lower is first.
    turn: usize,
    deferred: Vec<Deferred>,
    writes: usize,
    reactions: VecDeque<Vec<Act>>,
    /// What really happened in this step, for what the rules leave open.
    real: Vec<Event>,
    expected: Vec<Event>,
}

#[derive(Default)]
struct End {
    /// The user's handle of it is of use.
    over: bool,
    gone: bool,
    made: bool,
    peer_ended: bool,
    /// The protocol has put off its answer to that.
    put_off: bool,
    /// The protocol closes when its deferred calls are done.
    closes_later: bool,
    /// The end of this side's stream was asked for, and has left.
    eof: bool,
    eof_left: bool,
    losing: bool,
    failure: Option<String>,
    paused: bool,
    queue: Vec<u8>,
    /// What was in it when the connection ended.
    left: usize,
    limit: Option<usize>,
    /// More than the mark was unsent, and not all has left since.
    behind: bool,
    told_behind: bool,
    owed: usize,
    /// The connections that are not read while this one is behind.
    sources: Vec<Who>,
    due: VecDeque<usize>,
}

struct Timer {
    who: Who,
    at: u64,
    turn: usize,
    /// Not made, not cancelled, and its connection still there.
    waits: bool,
}

struct Deferred {
    who: Who,
    awaited: Awaited,
    open: bool,
    pending: bool,
    cancelled: bool,
    /// Its connection has the future, or has yet to drop it.
    kept: bool,
}

/// The mark above which output is too much, and the limit where none was set.
const MARK: usize = 65_536;
const LIMIT: usize = 16 * 1024 * 1024;

impl Rules {
    /// Does the step by the rules, and fails if that is not what really came of it.
    pub(crate) fn check(&mut self, step: &Step, outcome: Outcome) -> Result<(), String> {
        if !outcome.applied {
            return Ok(());
        }
        self.reactions = step.reactions.iter().cloned().collect();
        self.real = outcome.events;
        self.expected.clear();
        match step.input {
            Input::Made(who) => {
                self.end(who).made = true;
                self.call(who, Event::Made(who));
            }
            Input::Received(who, len) => self.received(who, len),
            Input::Ended(who) => self.ended(who),
            Input::Turn(who) => self.turns(who),
            Input::Sent(who, most) => self.sent(who, most, &outcome.lent)?,
            Input::LentAndWrote(who, len) => {
                self.check_lent(who, &outcome.lent)?;
                self.act(Act::Write(who, len));
            }
            Input::Shut(who) => {
                self.end(who).eof_left = true;
                if self.end(who).peer_ended && !self.end(who).put_off {
                    self.lose(who);
                }
            }
            Input::Lost(who) => self.lost(who, outcome.reason),
            Input::Dropped(who) => self.dropped(who),
            Input::Advance(time) => self.advance(time),
            Input::Open(number) => {
                let count = self.deferred.len();
                if count > 0 {
                    self.deferred[number % count].open = true;
                }
            }
            Input::Outside(act) => self.act(act),
        }
        if self.real != self.expected {
            return Err(format!("what happened:\n    {:?}\nwhat should have:\n    {:?}", self.real, self.expected));
        }
        Ok(())
    }

    pub(crate) fn questions(&self, who: Who) -> Questions {
        let end = &self.ends[who as usize];
        let asked = !end.over && end.failure.is_none();
        let held = self.ends.iter().any(|other| other.behind && !other.over && other.sources.contains(&who));
        let sent = end.queue.is_empty();
        Questions {
            view: self.view(who),
            wants_read: asked && !end.losing && !end.peer_ended && !end.paused && !held && end.owed <= MARK,
            wants_write_eof: asked && end.eof && !end.eof_left && sent,
            wants_close: asked && end.losing && sent,
            failure: end.failure.clone().filter(|_| !end.over),
        }
    }

    fn view(&self, who: Who) -> View {
        let end = &self.ends[who as usize];
        View {
            unsent: if end.over { end.left } else { end.queue.len() },
            full: end.queue.len() > MARK,
            closing: end.losing || end.over || end.failure.is_some(),
        }
    }

    fn end(&mut self, who: Who) -> &mut End {
        &mut self.ends[who as usize]
    }

    fn is_closing(&self, who: Who) -> bool {
        self.view(who).closing
    }

    // Inputs.

    fn received(&mut self, who: Who, len: usize) {
        if len == 0 || self.end(who).peer_ended || self.is_closing(who) {
            return;
        }
        let before = self.end(who).queue.len();
        self.callback(who, Event::Received(who, len));
        let end = self.end(who);
        end.owed += end.queue.len().saturating_sub(before);
        self.tell_behind(who);
    }

    fn ended(&mut self, who: Who) {
        if self.end(who).peer_ended {
            return;
        }
        self.end(who).peer_ended = true;
        self.tell_end(who);
    }

    fn tell_end(&mut self, who: Who) {
        let mut answer = None;
        if !self.is_closing(who) {
            let acts = self.reactions.front().cloned().unwrap_or_default();
            if !acts.iter().any(|act| matches!(act, Act::Panic(_))) {
                answer = acts.into_iter().find(|act| matches!(act, Act::KeepWriting | Act::NotYet));
            }
            self.call(who, Event::Ended(who));
        }
        let later = self.is_open(who) && self.keeps_futures(who);
        let end = self.end(who);
        end.put_off = answer == Some(Act::NotYet);
        if answer.is_none() && later {
            end.closes_later = true;
        } else if answer.is_none() || (!end.put_off && end.eof_left) {
            self.lose(who);
        }
    }

    /// As many turns as it takes until nothing more happens.
    fn turns(&mut self, who: Who) {
        loop {
            let before = self.expected.len();
            self.tell_behind(who);
            self.make_calls(who);
            if self.end(who).put_off && !self.end(who).paused {
                self.tell_end(who);
            }
            if self.end(who).closes_later && !self.keeps_futures(who) {
                self.end(who).closes_later = false;
                self.lose(who);
            }
            if self.expected.len() == before {
                return;
            }
        }
    }

    fn make_calls(&mut self, who: Who) {
        loop {
            let end = self.end(who);
            if end.over || end.failure.is_some() {
                return;
            }
            if let Some(timer) = end.due.pop_front() {
                self.call(who, Event::TimedCall(who, timer));
                continue;
            }
            let ready = |deferred: &Deferred| {
                deferred.who == who && deferred.pending && !deferred.cancelled && deferred.is_ready()
            };
            let Some(any) = self.deferred.iter().position(ready) else { break };
            // Among those that are ready the order is open.
            let number = match self.real.get(self.expected.len()) {
                Some(Event::DeferredCall(_, number)) if self.deferred.get(*number).is_some_and(ready) => *number,
                _ => self.deferred.iter().position(|d| ready(d) && d.awaited == Awaited::Panic).unwrap_or(any),
            };
            self.deferred[number].pending = false;
            self.deferred[number].kept = false;
            if self.deferred[number].awaited == Awaited::Panic {
                self.end(who).failure = Some("a callback panicked: a future".to_owned());
            } else {
                self.call(who, Event::DeferredCall(who, number));
            }
        }
        for cancelled in self.deferred.iter_mut().filter(|deferred| deferred.who == who && deferred.cancelled) {
            cancelled.kept = false;
        }
    }

    fn keeps_futures(&self, who: Who) -> bool {
        self.deferred.iter().any(|deferred| deferred.who == who && deferred.kept)
    }

    fn check_lent(&self, who: Who, lent: &[u8]) -> Result<(), String> {
        let queue = &self.ends[who as usize].queue;
        if lent.is_empty() != queue.is_empty() {
            return Err(format!("{} bytes are lent of {}", lent.len(), queue.len()));
        }
        if !queue.starts_with(lent) {
            return Err("other bytes are sent than were written".to_owned());
        }
        Ok(())
    }

    fn sent(&mut self, who: Who, most: usize, lent: &[u8]) -> Result<(), String> {
        self.check_lent(who, lent)?;
        let len = lent.len().min(most);
        self.tell_behind(who);
        // A callback may have ended it.
        let end = self.end(who);
        let len = len.min(end.queue.len());
        end.queue.drain(..len);
        end.owed = end.owed.saturating_sub(len);
        if end.queue.is_empty() {
            end.behind = false;
        }
        if end.told_behind && !end.behind && !self.is_closing(who) {
            self.end(who).told_behind = false;
            self.call(who, Event::ResumeWriting(who));
        }
        Ok(())
    }

    fn lost(&mut self, who: Who, reason: String) {
        if self.end(who).gone {
            return;
        }
        self.forget(who);
        if self.end(who).made {
            self.callback(who, Event::Lost(who, reason, 0));
        }
        self.gone(who);
    }

    fn dropped(&mut self, who: Who) {
        self.forget(who);
        self.gone(who);
    }

    fn gone(&mut self, who: Who) {
        if !std::mem::replace(&mut self.end(who).gone, true) {
            self.callback(who, Event::Gone(who));
        }
    }

    fn forget(&mut self, who: Who) {
        for timer in self.timers.iter_mut().filter(|timer| timer.who == who) {
            timer.waits = false;
        }
        for deferred in self.deferred.iter_mut().filter(|deferred| deferred.who == who) {
            deferred.pending = false;
            deferred.kept = false;
        }
        let end = self.end(who);
        if !end.over {
            end.left = end.queue.len();
        }
        end.over = true;
        end.queue.clear();
        end.due.clear();
    }

    fn advance(&mut self, time: u64) {
        self.now += time;
        let now = self.now;
        let mut due: Vec<_> =
            (0..self.timers.len()).filter(|n| self.timers[*n].waits && self.timers[*n].at <= now).collect();
        due.sort_by_key(|n| (self.timers[*n].at, self.timers[*n].turn));
        for number in due {
            self.timers[number].waits = false;
            let who = self.timers[number].who;
            self.end(who).due.push_back(number);
        }
    }

    // Callbacks.

    /// A callback, and what is due right behind it.
    fn call(&mut self, who: Who, event: Event) {
        self.callback(who, event);
        self.tell_behind(who);
    }

    fn tell_behind(&mut self, who: Who) {
        let end = self.end(who);
        if end.behind && !end.told_behind && !end.over && end.failure.is_none() {
            end.told_behind = true;
            self.call(who, Event::PauseWriting(who));
        }
    }

    fn callback(&mut self, who: Who, event: Event) {
        let last = matches!(event, Event::Lost(..) | Event::Gone(_));
        self.expected.push(event);
        for act in self.reactions.pop_front().unwrap_or_default() {
            if let Act::Panic(payload) = act {
                if !last {
                    // A panic is not masked by what ended it before.
                    let message = if payload == Payload::Text { "as told" } else { "a panic without a message" };
                    self.end(who).failure = Some(format!("a callback panicked: {message}"));
                }
                return;
            }
            self.act(act);
        }
    }

    // What callbacks do.

    fn act(&mut self, act: Act) {
        let mut answer = None;
        match act {
            Act::Write(who, len) | Act::WriteBytes(who, len) => self.write_next(who, len),
            Act::WriteFmt(who, len) => {
                self.write(who, b"!");
                self.write_next(who, len);
            }
            Act::Lose(who) => self.lose(who),
            Act::Abort(who) => self.fail(who, "connection aborted on this side"),
            Act::Fail(who) => self.fail(who, "enough"),
            Act::WriteEof(who) => {
                if self.is_open(who) {
                    self.end(who).eof = true;
                }
            }
            Act::PauseReading(who) => self.end(who).paused = true,
            Act::ResumeReading(who) => self.end(who).paused = false,
            Act::PacedBy(source, destination) => {
                if !self.end(source).over && !self.end(destination).over {
                    self.end(destination).sources.push(source);
                }
            }
            Act::SetLimit(who, limit) => self.end(who).limit = Some(limit),
            Act::CallLater(who, delay) => {
                let waits = !self.end(who).over;
                let (at, turn) = (self.now + delay, self.take_turn());
                self.timers.push(Timer { who, at, turn, waits });
            }
            Act::Cancel(number) => answer = Some(self.waiting(number).map(|timer| timer.waits = false).is_some()),
            Act::Reset(number, delay) => {
                let (at, turn) = (self.now + delay, self.take_turn());
                answer = Some(self.waiting(number).map(|timer| (timer.at, timer.turn) = (at, turn)).is_some());
            }
            Act::Delay(number, delay) => {
                let turn = self.take_turn();
                let moved = self.waiting(number).map(|timer| (timer.at, timer.turn) = (timer.at + delay, turn));
                answer = Some(moved.is_some());
            }
            Act::Defer(who, awaited) => {
                let pending = !self.end(who).over;
                self.deferred.push(Deferred { who, awaited, open: false, pending, cancelled: false, kept: pending });
            }
            Act::CancelDeferred(number) => {
                answer = Some(self.cancel_deferred(number));
            }
            Act::KeepWriting | Act::NotYet | Act::Panic(_) => {}
        }
        self.expected.push(Event::Did(act, answer, self.view(act.subject())));
    }

    fn is_open(&self, who: Who) -> bool {
        !self.is_closing(who) && !self.ends[who as usize].eof
    }

    fn write_next(&mut self, who: Who, len: usize) {
        let text = text(self.writes, len.min(LONGEST));
        self.writes += 1;
        self.write(who, text.as_bytes());
    }

    fn write(&mut self, who: Who, data: &[u8]) {
        if data.is_empty() || !self.is_open(who) {
            return;
        }
        let end = self.end(who);
        if !end.queue.is_empty() && end.queue.len() + data.len() > end.limit.unwrap_or(LIMIT) {
            return self.fail(who, "more was written than the output limit allows");
        }
        end.queue.extend_from_slice(data);
        end.behind |= end.queue.len() > MARK;
    }

    fn lose(&mut self, who: Who) {
        if !self.is_closing(who) {
            self.end(who).losing = true;
        }
    }

    /// The first failure counts.
    fn fail(&mut self, who: Who, reason: &str) {
        let end = self.end(who);
        if !end.over && end.failure.is_none() {
            end.failure = Some(reason.to_owned());
        }
    }

    fn cancel_deferred(&mut self, number: usize) -> bool {
        let count = self.deferred.len();
        if count == 0 {
            return false;
        }
        let deferred = &mut self.deferred[number % count];
        let active = deferred.pending && !std::mem::replace(&mut deferred.cancelled, true);
        let failed = self.ends[self.deferred[number % count].who as usize].failure.is_some();
        match self.real.get(self.expected.len()) {
            // When the futures of a connection that has failed are dropped is open, as long as it is before its end.
            Some(Event::Did(_, Some(real), _)) if active && failed => *real,
            _ => active,
        }
    }

    fn take_turn(&mut self) -> usize {
        self.turn += 1;
        self.turn
    }

    fn waiting(&mut self, number: usize) -> Option<&mut Timer> {
        let count = self.timers.len();
        if count == 0 {
            return None;
        }
        Some(&mut self.timers[number % count]).filter(|timer| timer.waits)
    }

    /// At the end of all: every protocol was dropped.
    pub(crate) fn are_over(&self) -> bool {
        [A, B].iter().all(|who| self.ends[*who as usize].gone)
    }
}

impl Deferred {
    fn is_ready(&self) -> bool {
        self.open || self.awaited != Awaited::Gate
    }
}
