//! Accounts and bans: those of this node, or in a cluster those of the network.
//!
//! What a node goes by is in its own store, with or without a cluster. In a cluster the store follows the network's bucket: a change
//! is made there first, by comparing and setting, so that of two nodes that change the same the first wins. A [task](follow()) brings
//! each change into the store, in the bucket's order, and nothing else does. Who has made one waits for that, and so is never told
//! of a change that their node does not know yet.

mod entry;
mod follow;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocols::auth::PasswordHash;
use protocols::tls::Fingerprint;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::cluster::{JetStreamError, OpenBucket};
use crate::connection::hub::Hub;
use crate::server::{Name, ServerBan};
use crate::store::{Account, Fact, Outcome, Store, StoreError, UntoldBan};

pub(super) use follow::follow;

/// How long a change of the network is tried.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// Where accounts and bans are changed. Cheap to clone; threads share it.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    store: Store,
    /// None without a cluster.
    network: Option<Arc<Network>>,
}

/// How this node stands with the bucket of its network.
#[derive(Debug, Default)]
struct Network {
    /// The bucket, while the store follows it.
    bucket: watch::Sender<Option<OpenBucket>>,
    /// Up to which revision the store has what the bucket has.
    followed: watch::Sender<u64>,
    /// A ban is to be told to the others.
    untold: Notify,
}

impl Directory {
    /// Accounts and bans as the store has them, which follows a network if the node is one of a cluster.
    pub(super) fn new(store: Store, in_cluster: bool) -> Self {
        Self { store, network: in_cluster.then(Arc::default) }
    }

    /// Waits until accounts and bans are those of the network.
    pub(super) async fn followed(&self) {
        if let Some(network) = &self.network {
            network.bucket().await;
        }
    }

    /// Makes an account. Says false if there is one of that name: of two nodes that are asked at the same time the first wins.
    pub(super) async fn register(&self, hub: &Hub, account: Account) -> Result<bool, StoreError> {
        Ok(self.replace(hub, None, Some(account)).await? == Outcome::Made)
    }

    /// Gives an account another password. Says false if it is no longer the same, or has another password than `known`.
    pub(super) async fn set_password(
        &self,
        hub: &Hub,
        known: &Account,
        password: PasswordHash,
    ) -> Result<bool, StoreError> {
        let change = |account: Account| {
            let is_known = has_password_of(&account, known);
            is_known.then(|| Some(Account { password: password.clone(), ..account }))
        };
        self.change(hub, &known.name, change).await
    }

    /// Removes an account. Says false if it is no longer the same, or has another password than `known`.
    pub(super) async fn remove(&self, hub: &Hub, known: &Account) -> Result<bool, StoreError> {
        self.change(hub, &known.name, |account| has_password_of(&account, known).then_some(None)).await
    }

    /// Lets the owner of this certificate log in to an account. Says false if it is another account's, if this one has it already,
    /// or as many as it may have.
    pub(super) async fn add_certificate(
        &self,
        hub: &Hub,
        name: &[u8],
        certificate: Fingerprint,
    ) -> Result<bool, StoreError> {
        let change = |mut account: Account| {
            let all = &mut account.certificates;
            let may = all.len() < Account::MOST_CERTIFICATES && !all.contains(&certificate);
            all.push(certificate);
            all.sort_by_key(Fingerprint::to_string);
            may.then_some(Some(account))
        };
        self.change(hub, name, change).await
    }

    /// Takes a certificate from an account. Says false if it has not got it.
    pub(super) async fn remove_certificate(
        &self,
        hub: &Hub,
        name: &[u8],
        certificate: Fingerprint,
    ) -> Result<bool, StoreError> {
        let change = |mut account: Account| {
            let before = account.certificates.len();
            account.certificates.retain(|one| *one != certificate);
            (account.certificates.len() < before).then_some(Some(account))
        };
        self.change(hub, name, change).await
    }

    /// A ban is set or lifted on this node, where it holds already. It is kept, and in a cluster the other nodes are told, as soon
    /// as that works.
    pub(super) fn ban_changed(&self, hub: &Hub, mask: Name, ban: Option<ServerBan>) {
        let Some(network) = self.network.clone() else {
            // Nobody waits for the store.
            return match ban {
                Some(ban) => drop(self.store.add_ban(ban)),
                None => drop(self.store.remove_ban(&mask)),
            };
        };
        let changed = ban.as_ref().map_or_else(|| hub.now(), |ban| ban.at);
        let kept = self.store.change_ban(UntoldBan { mask, changed, ban });
        hub.reactor().spawn(async move {
            match kept.await {
                Ok(()) => network.untold.notify_one(),
                Err(error) => tracing::error!(%error, "a ban holds on this node alone, until it ends"),
            }
        });
    }

    /// Has an account replaced by what `change` makes of it, unless that is nothing. Says whether it was. If others change the
    /// account meanwhile, it is tried again.
    async fn change(
        &self,
        hub: &Hub,
        name: &[u8],
        change: impl Fn(Account) -> Option<Option<Account>>,
    ) -> Result<bool, StoreError> {
        for _ in 0..MOST_TRIES {
            let Some(known) = self.store.account(name).await? else { return Ok(false) };
            let Some(new) = change(known.clone()) else { return Ok(false) };
            match self.replace(hub, Some(known), new).await? {
                Outcome::Made => return Ok(true),
                Outcome::Claimed => return Ok(false),
                Outcome::Changed => hub.reactor().sleep(PAUSE).await,
            }
        }
        Err(StoreError::of_network("others change the account all the time"))
    }

    /// Has `new` in the place of `known`, either of which may be none, if that is what there is.
    async fn replace(&self, hub: &Hub, known: Option<Account>, new: Option<Account>) -> Result<Outcome, StoreError> {
        let Some(name) = known.as_ref().or(new.as_ref()).map(Account::key) else { return Ok(Outcome::Made) };
        if let Some(network) = &self.network {
            if self.store.claims_of_others(known.clone(), new.clone()).await? {
                return Ok(Outcome::Claimed);
            }
            let [known, new] = [known, new].map(|account| account.as_ref().map(entry::account_value));
            return network.replace(&entry::account_key(&name), known, new).await;
        }
        let fact = new.clone().map_or(Fact::NoAccount(name), Fact::Account);
        let outcome = self.store.replace_account(known, new).await?;
        if outcome == Outcome::Made {
            hub.tell_server(vec![fact]);
        }
        Ok(outcome)
    }
}

impl Network {
    /// The same in the bucket, and waits until the store has it.
    async fn replace(&self, key: &str, known: Option<Bytes>, new: Option<Bytes>) -> Result<Outcome, StoreError> {
        let mut last = async_nats::Error::from("NATS is not reached");
        let attempts = async {
            loop {
                let bucket = self.bucket().await;
                match try_replace(&bucket, key, known.as_ref(), new.as_ref()).await {
                    Ok(Some((outcome, revision))) => {
                        last = "this node does not hear of changes".into();
                        self.followed_to(revision).await;
                        return outcome;
                    }
                    // Somebody was faster.
                    Ok(None) => {}
                    // It may be made all the same: what is there tells.
                    Err(error) => last = error.into(),
                }
                sleep(PAUSE).await;
            }
        };
        let made = timeout(PATIENCE, attempts).await;
        made.map_err(|_| StoreError::of_network(last))
    }

    /// The bucket, as soon as the store follows it.
    async fn bucket(&self) -> OpenBucket {
        let mut buckets = self.bucket.subscribe();
        let bucket = buckets.wait_for(Option::is_some).await;
        // It waits for ever if no bucket is found: the sender is ours, so there is no error.
        bucket.ok().and_then(|bucket| bucket.clone()).expect("it was waited for")
    }

    async fn followed_to(&self, revision: u64) {
        // The sender is ours, so there is no error.
        let _ = self.followed.subscribe().wait_for(|followed| *followed >= revision).await;
    }
}

/// What has become of it, and what revision says so; `None` if that is to be seen by another attempt.
async fn try_replace(
    bucket: &OpenBucket,
    key: &str,
    known: Option<&Bytes>,
    new: Option<&Bytes>,
) -> Result<Option<(Outcome, u64)>, JetStreamError> {
    let there = bucket.get(key).await?;
    if there.value.as_ref() == new {
        // An attempt before this one has made it, though its answer was lost: hashes of passwords are never the same twice.
        return Ok(Some((Outcome::Made, there.revision)));
    }
    if there.value.as_ref() != known {
        return Ok(Some((Outcome::Changed, there.revision)));
    }
    let revision = bucket.set(key, there.revision, new.cloned()).await?;
    Ok(revision.map(|revision| (Outcome::Made, revision)))
}

/// Whether it is the same account, with the same password.
fn has_password_of(account: &Account, known: &Account) -> bool {
    account.created == known.created && account.password.to_text() == known.password.to_text()
}

/// How often a change is begun anew, since somebody else has changed the account.
const MOST_TRIES: usize = 10;

impl Hub {
    /// Gives the server what the store has learned.
    fn tell_server(&self, facts: Vec<Fact>) {
        self.call(None, |server, now| {
            for fact in facts {
                match fact {
                    Fact::Account(account) => server.add_accounts([account.name]),
                    Fact::NoAccount(name) => server.remove_account(now, &name),
                    Fact::Ban(ban) => server.set_ban(now, ban),
                    Fact::NoBan(mask) => drop(server.lift_ban(&mask)),
                }
            }
        });
    }
}
