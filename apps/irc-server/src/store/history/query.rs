//! The requests of `CHATHISTORY` (<https://ircv3.net/specs/extensions/chathistory>).

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::server::request::{HistoryQuery, Place, Record, Which};
use crate::server::{Key, Kind, Name, Speech, Timestamp};
use crate::store::{Pending, Store, milliseconds};

impl Store {
    /// The lines that were asked for, in the order of time; `None` if a `msgid` is not one of the target's. Of a conversation, those
    /// that were said before one of the two accounts was registered are another's, and not there.
    pub fn history(&self, query: HistoryQuery) -> Pending<Option<Vec<Record>>> {
        self.run(move |connection| {
            Selection::new(connection, &query)?.map(|selection| selection.all(&query)).transpose()
        })
    }

    /// Where something was said between two times, the earlier of which may be the second: those of `channels`, and who `of`
    /// talked with; and when last. In the order of time; those nearest to `after` if there are more than `limit`.
    pub fn targets(
        &self,
        of: Key,
        channels: Vec<Key>,
        after: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Pending<Vec<(Name, Timestamp)>> {
        self.run(move |connection| {
            let between = (milliseconds(after.min(before)), milliseconds(after.max(before)));
            let mut found = conversations(connection, &of, between)?;
            let mut select = connection.prepare(
                "SELECT shown, latest FROM targets WHERE name = ? AND latest > ? AND latest < ? AND kept > 0",
            )?;
            for channel in &channels {
                found.extend(select.query_row(params![&**channel, between.0, between.1], named).optional()?);
            }
            found.sort_by_key(|(_, latest)| *latest);
            if after > before {
                found.drain(..found.len().saturating_sub(limit));
            }
            found.truncate(limit);
            Ok(found)
        })
    }
}

/// Who `of` talked with.
fn conversations(connection: &Connection, of: &[u8], between: (i64, i64)) -> rusqlite::Result<Vec<(Name, Timestamp)>> {
    let mut select = connection.prepare(&format!(
        "SELECT other, latest FROM targets
         WHERE one = ?1 AND latest > ?2 AND latest < ?3 AND kept > 0 AND latest >= {BEGINNING}
         UNION
         SELECT one, latest FROM targets
         WHERE other = ?1 AND latest > ?2 AND latest < ?3 AND kept > 0 AND latest >= {BEGINNING}"
    ))?;
    select.query_map((of, between.0, between.1), named)?.collect()
}

fn named(row: &Row<'_>) -> rusqlite::Result<(Name, Timestamp)> {
    Ok((Arc::from(row.get_ref(0)?.as_blob()?), Timestamp(row.get(1)?)))
}

/// When the later of the two accounts was registered whose conversation a target is. In a cluster, lines of those who had their names
/// before may come after that: from the log, which is another thing than the bucket of accounts.
const BEGINNING: &str = "(SELECT coalesce(max(created), 0) FROM accounts WHERE name IN (one, other))";

/// A line's time, and its number, which tells lines of one time apart.
type Position = (i64, i64);

const FIRST: Position = (i64::MIN, i64::MIN);
const LAST: Position = (i64::MAX, i64::MAX);

/// Where a place is: lines before the first position are before it, lines behind the second are after it.
type Span = (Position, Position);

enum End {
    First,
    Last,
}

/// The lines of a target.
struct Selection<'a> {
    connection: &'a Connection,
    target: i64,
    /// Lines before this time are not there.
    beginning: i64,
    places: Vec<Span>,
}

impl<'a> Selection<'a> {
    fn new(connection: &'a Connection, query: &HistoryQuery) -> rusqlite::Result<Option<Self>> {
        let select = format!("SELECT id, {BEGINNING} FROM targets WHERE name = ?");
        let found = connection.query_row(&select, [&*query.target], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        // Nothing was said there.
        let (target, beginning) = found.unwrap_or((-1, 0));
        let mut selection = Self { connection, target, beginning, places: Vec::new() };
        let places = match &query.which {
            Which::Latest(place) => place.iter().collect(),
            Which::Before(place) | Which::After(place) | Which::Around(place) => vec![place],
            Which::Between(one, other) => vec![one, other],
        };
        for place in places {
            match selection.place(place)? {
                Some(span) => selection.places.push(span),
                None => return Ok(None),
            }
        }
        Ok(Some(selection))
    }

    fn place(&self, place: &Place) -> rusqlite::Result<Option<Span>> {
        match place {
            Place::Time(time) => {
                let at = milliseconds(*time);
                Ok(Some(((at, i64::MIN), (at, i64::MAX))))
            }
            Place::Msgid(msgid) => {
                let select = "SELECT at, id FROM lines WHERE msgid = ? AND target = ? AND at >= ?";
                let position = self
                    .connection
                    .query_row(select, (&**msgid, self.target, self.beginning), |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                Ok(position.map(|position| (position, position)))
            }
        }
    }

    fn all(&self, query: &HistoryQuery) -> rusqlite::Result<Vec<Record>> {
        let limit = query.limit;
        let target = &query.target;
        match (&query.which, &self.places[..]) {
            (Which::Latest(_), [(_, end), ..]) => self.lines(target, *end, LAST, &End::Last, limit),
            (Which::Before(_), [(start, _), ..]) => self.lines(target, FIRST, *start, &End::Last, limit),
            (Which::After(_), [(_, end), ..]) => self.lines(target, *end, LAST, &End::First, limit),
            (Which::Around(_), [(start, _), ..]) => {
                let mut lines = self.lines(target, FIRST, *start, &End::Last, limit / 2)?;
                let before_it = (start.0, start.1.saturating_sub(1));
                lines.extend(self.lines(target, before_it, LAST, &End::First, limit - lines.len())?);
                Ok(lines)
            }
            (Which::Between(..), [one, other, ..]) => match one.1 <= other.0 {
                true => self.lines(target, one.1, other.0, &End::First, limit),
                false => self.lines(target, other.1, one.0, &End::Last, limit),
            },
            // The last of all.
            _ => self.lines(target, FIRST, LAST, &End::Last, limit),
        }
    }

    /// At most `limit` of the lines between two positions, these excluded, from one end of them on.
    fn lines(
        &self,
        target: &Key,
        after: Position,
        before: Position,
        end: &End,
        limit: usize,
    ) -> rusqlite::Result<Vec<Record>> {
        let order = match end {
            End::First => "ASC",
            End::Last => "DESC",
        };
        let mut select = self.connection.prepare(&format!(
            "SELECT at, msgid, kind, source, account, bot, tags, text, shown FROM lines
             WHERE target = ? AND at >= ? AND (at, id) > (?, ?) AND (at, id) < (?, ?)
             ORDER BY at {order}, id {order} LIMIT ?"
        ))?;
        let range = params![self.target, self.beginning, after.0, after.1, before.0, before.1, limit];
        let mut lines: Vec<_> = select.query_map(range, |row| record(target, row))?.collect::<Result<_, _>>()?;
        if matches!(end, End::Last) {
            lines.reverse();
        }
        Ok(lines)
    }
}

fn record(target: &Key, row: &Row<'_>) -> rusqlite::Result<Record> {
    let bytes = |index| row.get_ref(index)?.as_blob().map(Arc::from).map_err(rusqlite::Error::from);
    let optional =
        |index| row.get_ref(index)?.as_blob_or_null().map(|bytes| bytes.map(Arc::from)).map_err(rusqlite::Error::from);
    let kind = match row.get::<_, u8>(2)? {
        1 => Kind::Notice,
        2 => Kind::Tagmsg,
        _ => Kind::Privmsg,
    };
    let speech = Speech {
        at: Timestamp(row.get(0)?),
        msgid: bytes(1)?,
        kind,
        source: bytes(3)?,
        account: optional(4)?,
        bot: row.get(5)?,
        tags: optional(6)?,
        text: bytes(7)?,
    };
    Ok(Record { target: Key::clone(target), speech, shown: bytes(8)? })
}
