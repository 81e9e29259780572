//! Accounts and bans that are a network's: each node of a cluster has them in its file, too, and goes by that.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::server::{Key, Name, ServerBan, Timestamp, key};
use crate::store::{Account, Pending, Store, accounts, bans, milliseconds, state};

/// What is so of an account or a ban of the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// There is this account.
    Account(Account),
    /// No account has this name.
    NoAccount(Key),
    /// There is this ban.
    Ban(ServerBan),
    /// No ban has this mask.
    NoBan(Name),
}

/// A mask whose ban was set or lifted on this node, which the others are not told yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntoldBan {
    /// The mask.
    pub mask: Name,
    /// When.
    pub changed: Timestamp,
    /// The ban, if there is one.
    pub ban: Option<ServerBan>,
}

impl Store {
    /// What the network had when it was taken over last, as [`take_over`](Self::take_over) was told.
    pub fn known_network(&self) -> Pending<Option<Vec<u8>>> {
        self.run(|connection| state::get(connection, NETWORK))
    }

    /// Has accounts and bans as the network has them, which are all of these: others go, but for bans that are not
    /// [told](Self::untold_bans) yet, and accounts of the names `unread`. `network` tells the network from others.
    ///
    /// Returns what is so now, that of what has gone first.
    pub fn take_over(&self, network: Vec<u8>, facts: Vec<Fact>, unread: HashSet<Key>) -> Pending<Vec<Fact>> {
        self.run(move |connection| {
            let mut names = unread;
            let mut masks = HashSet::new();
            for fact in &facts {
                match fact {
                    Fact::Account(account) => drop(names.insert(account.key())),
                    Fact::Ban(ban) => drop(masks.insert(Name::clone(&ban.mask))),
                    Fact::NoAccount(_) | Fact::NoBan(_) => {}
                }
            }
            let shown = connection
                .prepare("SELECT shown FROM accounts")?
                .query_map([], name)?
                .collect::<Result<Vec<_>, _>>()?;
            let gone = shown.iter().map(|name| key(name)).filter(|name| !names.contains(name)).map(Fact::NoAccount);
            let lifted = bans::all(connection)?.into_iter().filter(|ban| !masks.contains(&ban.mask));
            let gone: Vec<_> = gone.chain(lifted.map(|ban| Fact::NoBan(ban.mask))).collect();
            let mut learned = learn(connection, gone)?;
            learned.extend(learn(connection, facts)?);
            state::set(connection, NETWORK, &network)?;
            Ok(learned)
        })
    }

    /// Keeps what is so now, but for bans that are not [told](Self::untold_bans) yet. Returns that, and that an account was
    /// removed whose name another has now.
    pub fn learn(&self, fact: Fact) -> Pending<Vec<Fact>> {
        self.run(move |connection| learn(connection, vec![fact]))
    }

    /// Keeps a ban, or that a mask has none, which the other nodes are to be told.
    pub fn change_ban(&self, changed: UntoldBan) -> Pending<()> {
        self.run(move |connection| {
            match &changed.ban {
                Some(ban) => bans::put(connection, ban)?,
                None => drop(bans::remove(connection, &changed.mask)?),
            }
            let insert = "INSERT OR REPLACE INTO untold_bans VALUES (?, ?)";
            connection.execute(insert, (&*changed.mask, milliseconds(changed.changed))).map(drop)
        })
    }

    /// All bans are to be told to the other nodes, those that have ended by `now` apart.
    pub fn tell_all_bans(&self, now: Timestamp) -> Pending<()> {
        let insert = "INSERT OR IGNORE INTO untold_bans
                      SELECT mask, created FROM bans WHERE expires IS NULL OR expires > ?";
        self.run(move |connection| connection.execute(insert, [milliseconds(now)]).map(drop))
    }

    /// The bans that the other nodes are to be told.
    pub fn untold_bans(&self) -> Pending<Vec<UntoldBan>> {
        self.run(|connection| {
            let mut select = connection.prepare("SELECT mask, changed FROM untold_bans")?;
            let rows = select.query_map([], |row| Ok((name(row)?, Timestamp(row.get(1)?))))?;
            rows.map(|row| {
                let (mask, changed) = row?;
                let ban = bans::get(connection, &mask)?;
                Ok(UntoldBan { mask, changed, ban })
            })
            .collect()
        })
    }

    /// The other nodes were told of this, unless it has changed since.
    pub fn ban_was_told(&self, told: UntoldBan) -> Pending<()> {
        self.run(move |connection| {
            if bans::get(connection, &told.mask)? != told.ban {
                return Ok(());
            }
            let delete = "DELETE FROM untold_bans WHERE mask = ? AND changed = ?";
            connection.execute(delete, (&*told.mask, milliseconds(told.changed))).map(drop)
        })
    }
}

fn learn(connection: &Connection, facts: Vec<Fact>) -> rusqlite::Result<Vec<Fact>> {
    let mut learned = Vec::with_capacity(facts.len());
    for fact in facts {
        match &fact {
            Fact::Account(account) => {
                if accounts::put(connection, account)? {
                    learned.push(Fact::NoAccount(account.key()));
                }
            }
            Fact::NoAccount(name) => accounts::remove(connection, name)?,
            Fact::Ban(ban) if is_untold(connection, &ban.mask)? => continue,
            Fact::Ban(ban) => bans::put(connection, ban)?,
            Fact::NoBan(mask) if is_untold(connection, mask)? => continue,
            Fact::NoBan(mask) => drop(bans::remove(connection, mask)?),
        }
        learned.push(fact);
    }
    Ok(learned)
}

fn is_untold(connection: &Connection, mask: &[u8]) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM untold_bans WHERE mask = ?";
    Ok(connection.query_row(select, [mask], |_| Ok(())).optional()?.is_some())
}

fn name(row: &Row<'_>) -> rusqlite::Result<Name> {
    Ok(row.get_ref(0)?.as_blob()?.into())
}

/// What the network is kept as in the state.
const NETWORK: &str = "accounts of the cluster";
