//! Brings what the network's bucket has into this node's store and server, and what this node has alone into the bucket.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{iter, select, unfold};
use futures_util::{StreamExt as _, TryStreamExt as _};
use reactor::text::escaped;
use tokio::time::{sleep, timeout};

use crate::cluster::{Bucket, BucketEntry, BucketWatch, JetStreamError, OpenBucket};
use crate::connection::directory::entry::{self, Reading};
use crate::connection::directory::{Directory, Network};
use crate::connection::hub::Hub;
use crate::server::Timestamp;
use crate::store::{Account, Fact, UntoldBan};

/// The pause after what has failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the next entry may take when the bucket is taken over.
const SILENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether the bucket is the same, and what in it has ended.
const TICK: Duration = Duration::from_secs(5);
/// Accounts on their way into a bucket at a time.
const OFFERED_AT_A_TIME: usize = 64;
/// For how long the bucket has that a key was removed, in milliseconds: longer than anybody takes to hear of it.
const REMEMBERED: u64 = 3_600_000;

type Failure = Box<dyn Error + Send + Sync>;

/// Has the store follow the bucket, for ever. Whenever it has connected it takes over all that the bucket has; a bucket that it does
/// not know, or that has lost changes, is first offered what this node has.
pub(in crate::connection) async fn follow(hub: Hub, bucket: Bucket) {
    let directory = hub.node().directory().clone();
    let Some(network) = directory.network.clone() else { return };
    let mut failures = 0;
    loop {
        let follower = Follower { hub: &hub, directory: &directory, network: &network, passing: HashMap::new() };
        let Err(error) = follower.follow(&bucket, &mut failures).await;
        network.bucket.send_replace(None);
        failures += 1;
        // With each new connection it is begun anew, which is no failure.
        if failures == 2 {
            tracing::warn!("accounts and bans stay as they are: {error}; it is tried again until it works");
        }
        sleep(PAUSE).await;
    }
}

struct Follower<'a> {
    hub: &'a Hub,
    directory: &'a Directory,
    network: &'a Arc<Network>,
    /// Keys that are to be taken out of the bucket, unless they have changed after this revision, and when.
    passing: HashMap<String, (u64, Timestamp)>,
}

enum Event {
    Entry(Result<BucketEntry, JetStreamError>),
    /// A ban is to be told to others.
    Untold,
    Tick,
}

impl Follower<'_> {
    async fn follow(mut self, bucket: &Bucket, failures: &mut u64) -> Result<Infallible, Failure> {
        let bucket = bucket.open().await?;
        let is_known = self.directory.store.known_network().await? == Some(identity(&bucket));
        // After a power cut NATS may lack the last changes, which this node has.
        let has_lost = bucket.last_revision() < *self.network.followed.borrow();
        if is_known && has_lost {
            tracing::warn!("the bucket of accounts has lost its last changes: it gets back the accounts of this node");
        }
        if !is_known || has_lost {
            self.offer_all(&bucket).await?;
        }
        let mut watch = bucket.watch().await?;
        let followed = self.take_over(&bucket, &mut watch).await?;
        self.network.followed.send_replace(followed);
        self.network.bucket.send_replace(Some(bucket.clone()));
        *failures = 0;
        self.network.untold.notify_one();

        let entries = unfold(watch, async |mut watch| Some((Event::Entry(watch.next().await), watch)));
        let network = self.network;
        let untold = unfold((), async |()| {
            network.untold.notified().await;
            Some((Event::Untold, ()))
        });
        let ticks = unfold((), async |()| {
            sleep(TICK).await;
            Some((Event::Tick, ()))
        });
        let mut events = pin!(select(entries, select(untold, ticks)));
        loop {
            match events.next().await {
                Some(Event::Entry(entry)) => self.learn(entry?).await?,
                Some(Event::Untold) => self.tell_bans(&bucket).await?,
                Some(Event::Tick) if bucket.is_there().await? => self.forget_passed(&bucket).await,
                Some(Event::Tick) | None => {
                    tracing::warn!("the bucket of accounts was deleted: it is made again");
                    return Err("the bucket of accounts was deleted".into());
                }
            }
        }
    }

    /// Offers accounts and bans of this node to a bucket that may not have them. What the bucket has stays.
    async fn offer_all(&self, bucket: &OpenBucket) -> Result<(), Failure> {
        let store = &self.directory.store;
        let accounts = store.accounts().await?;
        tracing::info!(accounts = accounts.len(), "the accounts of this node are offered to the network");
        let offers = iter(accounts.into_iter().map(Ok));
        offers.try_for_each_concurrent(OFFERED_AT_A_TIME, async |account| offer(bucket, &account).await).await?;
        Ok(store.tell_all_bans(self.hub.now()).await?)
    }

    /// Has the store as the bucket is, and says up to which revision.
    async fn take_over(&mut self, bucket: &OpenBucket, watch: &mut BucketWatch) -> Result<u64, Failure> {
        // What comes before this has been there; with it there is always something to wait for.
        let key = entry::node_key(&self.hub.node().settings().server_name);
        let last = bucket.put(&key, env!("CARGO_PKG_VERSION").into()).await?;
        let mut facts = HashMap::new();
        let mut unread = HashSet::new();
        loop {
            let next = timeout(SILENCE, watch.next());
            let entry = next.await.map_err(|_| "the bucket of accounts is not told")??;
            match self.read(&entry) {
                Reading::Fact(fact) => drop(facts.insert(entry.key, fact)),
                Reading::UnreadAccount(name) => drop(unread.insert(name)),
                Reading::Nothing => {}
            }
            if entry.revision >= last {
                let store = &self.directory.store;
                let (facts, unread) = (facts.into_values().collect(), unread);
                let learned = store.take_over(identity(bucket), facts, unread).await?;
                tracing::info!(facts = learned.len(), "accounts and bans are those of the network");
                self.hub.tell_server(learned);
                return Ok(entry.revision);
            }
        }
    }

    /// Something has changed in the bucket.
    async fn learn(&mut self, entry: BucketEntry) -> Result<(), Failure> {
        if let Reading::Fact(fact) = self.read(&entry) {
            let learned = self.directory.store.learn(fact).await?;
            self.hub.tell_server(learned);
        }
        self.network.followed.send_replace(entry.revision);
        Ok(())
    }

    /// What an entry says now. What it says that will end is remembered.
    fn read(&mut self, entry: &BucketEntry) -> Reading {
        self.passing.remove(&entry.key);
        let reading = entry::read(entry);
        let ends = match &reading {
            Reading::Fact(Fact::Ban(ban)) => ban.until,
            Reading::Fact(Fact::NoAccount(_) | Fact::NoBan(_)) => Some(Timestamp(self.hub.now().0 + REMEMBERED)),
            Reading::UnreadAccount(_) => {
                tracing::warn!(
                    "the entry {} is not understood: run the same release on all nodes",
                    escaped(&entry.key)
                );
                None
            }
            Reading::Fact(Fact::Account(_)) | Reading::Nothing => None,
        };
        if let Some(ends) = ends {
            self.passing.insert(entry.key.clone(), (entry.revision, ends));
        }
        match reading {
            Reading::Fact(Fact::Ban(ban)) if ban.has_ended(self.hub.now()) => Reading::Fact(Fact::NoBan(ban.mask)),
            reading => reading,
        }
    }

    /// Takes out of the bucket what has ended. All nodes do, each by what it knows.
    async fn forget_passed(&mut self, bucket: &OpenBucket) {
        let now = self.hub.now();
        let passed: Vec<_> = self.passing.extract_if(|_, (_, ends)| *ends <= now).collect();
        for (key, (revision, _)) in passed {
            if let Err(error) = bucket.forget(&key, revision).await {
                // It is tried again after the next connection.
                tracing::debug!("{error}");
            }
        }
    }

    /// Tells the network of bans that were set or lifted here.
    async fn tell_bans(&self, bucket: &OpenBucket) -> Result<(), Failure> {
        for untold in self.directory.store.untold_bans().await? {
            self.tell_ban(bucket, untold).await?;
        }
        Ok(())
    }

    /// The later change of a ban wins.
    async fn tell_ban(&self, bucket: &OpenBucket, untold: UntoldBan) -> Result<(), Failure> {
        let (store, key) = (&self.directory.store, entry::ban_key(&untold.mask));
        loop {
            let there = bucket.get(&key).await?;
            let value = untold.ban.as_ref().filter(|ban| !ban.has_ended(self.hub.now()));
            let value = value.map(entry::ban_value);
            let later = match entry::read(&there) {
                Reading::Fact(Fact::Ban(ban)) if ban.at > untold.changed => Some(ban),
                _ => None,
            };
            if later.is_some() || value == there.value || bucket.set(&key, there.revision, value).await?.is_some() {
                store.ban_was_told(untold).await?;
                if let Some(ban) = later {
                    self.hub.tell_server(store.learn(Fact::Ban(ban)).await?);
                }
                return Ok(());
            }
        }
    }
}

/// Offers an account. The first that has the name in the bucket keeps it.
async fn offer(bucket: &OpenBucket, account: &Account) -> Result<(), Failure> {
    let key = entry::account_key(&account.key());
    if bucket.set(&key, 0, Some(entry::account_value(account))).await?.is_none() {
        let there = entry::read(&bucket.get(&key).await?);
        let is_same = matches!(there, Reading::Fact(Fact::Account(there)) if there.created == account.created);
        if !is_same {
            let name = escaped(&account.name);
            tracing::warn!(
                "the account \"{name}\" of this node is dropped: in the network that name is another's, or was dropped"
            );
        }
    }
    Ok(())
}

/// What tells a bucket from others.
fn identity(bucket: &OpenBucket) -> Vec<u8> {
    bucket.created().to_be_bytes().into()
}
