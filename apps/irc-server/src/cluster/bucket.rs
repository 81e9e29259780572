//! What is the network's and no node's: a key-value bucket of JetStream, which NATS keeps in files.

use std::fmt;

use async_nats::jetstream::kv::{Entry, Operation, Store, UpdateErrorKind, Watch};
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;

use crate::cluster::bus::Nats;
use crate::cluster::connected_again::unless_connected_again;
use crate::cluster::jetstream_error::JetStreamError;

/// The bucket of one network, which all its nodes read and change. Cheap to clone.
///
/// Each change of a key has a revision, which is larger than those of all changes before, whatever their keys.
#[derive(Debug, Clone)]
pub struct Bucket {
    context: Context,
    name: String,
    config: Config,
    /// Changes when the bus has connected again: what was asked before that is lost.
    connections: watch::Receiver<u64>,
}

/// A bucket as it was found by [`Bucket::open`]. Once the bus has connected again everything fails: then open it again. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct OpenBucket {
    store: Store,
    connections: watch::Receiver<u64>,
}

/// What a key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEntry {
    /// The key.
    pub key: String,
    /// That of the last change; 0 if there was none, as far as the server remembers.
    pub revision: u64,
    /// The value; none before it was set, and after it was removed.
    pub value: Option<Bytes>,
}

/// All that a bucket has, and then each change, from [`OpenBucket::watch`].
pub struct BucketWatch {
    entries: Watch,
    connections: watch::Receiver<u64>,
}

impl Bucket {
    /// The bucket of the bus's network for accounts and bans, on this many servers of a cluster of NATS.
    pub fn new(nats: &Nats, replicas: usize) -> Self {
        let name = format!("irc-{}-accounts", nats.network());
        // By the letter, since the client makes no bucket at servers that do not tell all of an account that it wants to know (2.9).
        // What is read is the leader's: copies may be behind, and who goes by them would take a change for made, or for lost.
        let config = Config {
            name: format!("KV_{name}"),
            description: Some("accounts and bans of the IRC network".to_owned()),
            subjects: vec![format!("$KV.{name}.>")],
            max_messages_per_subject: 1,
            num_replicas: replicas,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            ..Config::default()
        };
        Self { context: jetstream::new(nats.client().clone()), name, config, connections: nats.connections() }
    }

    /// Finds the bucket, or makes it, once the bus is connected.
    ///
    /// # Errors
    ///
    /// If the server does not answer, or has no JetStream.
    pub async fn open(&self) -> Result<OpenBucket, JetStreamError> {
        let mut connections = self.connections.clone();
        // An error is that the bus has ended: then no answer comes either.
        let _ = connections.wait_for(|count| *count > 0).await;
        let store = async {
            self.context.create_or_update_stream(self.config.clone()).await?;
            Ok::<_, async_nats::Error>(self.context.get_key_value(&self.name).await?)
        };
        let store = answer(&connections, "the bucket of accounts cannot be opened", store).await?;
        Ok(OpenBucket { store, connections })
    }
}

impl OpenBucket {
    /// When it was made, in nanoseconds since 1970: one that was deleted and made again is another.
    pub fn created(&self) -> i128 {
        self.store.stream.cached_info().created.unix_timestamp_nanos()
    }

    /// The revision of the last change, when it was opened.
    pub fn last_revision(&self) -> u64 {
        self.store.stream.cached_info().state.last_sequence
    }

    /// Whether this bucket is still there: not deleted, nor made again.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub async fn is_there(&self) -> Result<bool, JetStreamError> {
        let info = self.store.stream.get_info();
        let info = answer(&self.connections, "the bucket of accounts is not found", info).await?;
        Ok(info.created.unix_timestamp_nanos() == self.created())
    }

    /// What a key has.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub async fn get(&self, key: &str) -> Result<BucketEntry, JetStreamError> {
        let entry = answer(&self.connections, "the bucket of accounts cannot be read", self.store.entry(key)).await?;
        Ok(entry.map_or_else(|| BucketEntry { key: key.to_owned(), revision: 0, value: None }, BucketEntry::from))
    }

    /// Gives a key another value, or none, unless it was changed after `revision`. Returns the new revision, or `None` if it was
    /// changed.
    ///
    /// # Errors
    ///
    /// If the server does not answer. The value may be changed all the same.
    pub async fn set(&self, key: &str, revision: u64, value: Option<Bytes>) -> Result<Option<u64>, JetStreamError> {
        // An empty value stands for none: what removes a key is not told the revision.
        let update = self.store.update(key, value.unwrap_or_default(), revision);
        let update = update.map(|result| match result {
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            result => result.map(Some),
        });
        answer(&self.connections, "a value cannot be changed in the bucket of accounts", update).await
    }

    /// Writes a value, whatever the key had. Returns the revision.
    ///
    /// # Errors
    ///
    /// If the server does not answer. The value may be changed all the same.
    pub async fn put(&self, key: &str, value: Bytes) -> Result<u64, JetStreamError> {
        let put = self.store.put(key, value);
        answer(&self.connections, "a value cannot be written into the bucket of accounts", put).await
    }

    /// Takes a key out of the bucket, unless it was changed after `revision`. Those who watch are not told: this is for what all
    /// have learned already.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub async fn forget(&self, key: &str, revision: u64) -> Result<(), JetStreamError> {
        let subject = format!("{}{key}", self.store.prefix);
        let purge = self.store.stream.purge().filter(subject).sequence(revision + 1);
        let purge = purge.into_future();
        answer(&self.connections, "the bucket of accounts cannot be tidied up", purge).await.map(drop)
    }

    /// Reads all that the bucket has, in the order of revisions, and goes on with each change.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub async fn watch(&self) -> Result<BucketWatch, JetStreamError> {
        let entries = self.store.watch_with_history(">");
        let entries = answer(&self.connections, "the bucket of accounts cannot be watched", entries).await?;
        Ok(BucketWatch { entries, connections: self.connections.clone() })
    }
}

impl BucketWatch {
    /// The next entry, when there is one. It may be dropped at any time: nothing is left out then.
    ///
    /// # Errors
    ///
    /// If the watch has ended: the bucket was deleted, or the bus has connected again.
    pub async fn next(&mut self) -> Result<BucketEntry, JetStreamError> {
        let failed = |error| JetStreamError::new("the bucket of accounts is no longer watched", error);
        let entry = unless_connected_again(&mut self.connections, self.entries.next()).await;
        match entry.map_err(|error| failed(error.into()))? {
            Some(Ok(entry)) => Ok(entry.into()),
            Some(Err(error)) => Err(failed(error.into())),
            None => Err(failed(async_nats::Error::from("the server has ended it"))),
        }
    }
}

impl fmt::Debug for BucketWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketWatch").finish_non_exhaustive()
    }
}

impl From<Entry> for BucketEntry {
    fn from(entry: Entry) -> Self {
        let is_value = entry.operation == Operation::Put && !entry.value.is_empty();
        Self { key: entry.key, revision: entry.revision, value: is_value.then_some(entry.value) }
    }
}

async fn answer<T, E: Into<async_nats::Error>>(
    connections: &watch::Receiver<u64>,
    what: &'static str,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, JetStreamError> {
    let mut connections = connections.clone();
    match unless_connected_again(&mut connections, asked).await {
        Ok(answer) => answer.map_err(|error| JetStreamError::new(what, error)),
        Err(error) => Err(JetStreamError::new(what, error)),
    }
}
