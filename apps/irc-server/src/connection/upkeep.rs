//! What the first thread does for the node: it reads what was kept, looks for clients that are silent, forgets what is old, and
//! reads the settings again.

use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use reactor::service::{Service, ServiceError, TimerService};
use reactor::task::Tick;

use crate::connection::hub::Hub;
use crate::server::Server;
use crate::settings::Settings;
use crate::store::StoreError;

/// The upkeep of a node, as a service of its first thread. When it has started, the node knows its accounts and bans.
#[derive(Debug)]
pub struct Upkeep {
    hub: Hub,
    ticks: TimerService,
    sweeps: TimerService,
}

impl Upkeep {
    /// That of the node of this hub.
    #[must_use]
    pub fn new(hub: &Hub) -> Self {
        let [ticking, sweeping] = [(); 2].map(|()| hub.clone());
        let tick = move |_tick| ticking.call(None, Server::tick);
        let sweep = move |tick| sweeping.forget_old(tick);
        Self {
            hub: hub.clone(),
            ticks: TimerService::new(hub.reactor(), "silent clients", TICK, tick),
            sweeps: TimerService::new(hub.reactor(), "old lines", SWEEP, sweep),
        }
    }

    /// Gives the server what the store has.
    async fn load(&self) -> Result<(), StoreError> {
        let node = self.hub.node();
        let store = node.store();
        let settings = node.settings();
        if settings.cloaks.enabled && settings.cloaks.key.is_none() {
            let key = store.kept_value("cloak key", new_key).await?;
            let mut settings = Settings::clone(&settings);
            settings.cloaks.key = Some(HEXLOWER.encode(&key));
            node.set_settings(settings);
        }
        let accounts = store.account_names().await?;
        let bans = store.bans(self.hub.now()).await?;
        tracing::info!(accounts = accounts.len(), bans = bans.len(), "the database is read");
        self.hub.call(None, |server, _| {
            server.add_accounts(accounts);
            server.add_bans(bans);
        });
        Ok(())
    }
}

#[async_trait(?Send)]
impl Service for Upkeep {
    fn name(&self) -> &str {
        "upkeep"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        self.load().await?;
        self.ticks.start().await?;
        self.sweeps.start().await
    }

    async fn stop(&self) {
        self.sweeps.stop().await;
        self.ticks.stop().await;
    }

    async fn failed(&self) -> ServiceError {
        self.ticks.failed().await
    }

    async fn reload(&self) -> Result<(), ServiceError> {
        self.hub.reload().await
    }
}

impl Hub {
    /// Reads the settings again. Those that cannot change while the server runs stay, which is logged.
    async fn reload(&self) -> Result<(), ServiceError> {
        let node = self.node().clone();
        let new = self.reactor().defer_to_thread(move || node.read_settings()).await??;
        let (settings, unchanged) = self.node().settings().reloaded(new);
        self.node().set_settings(settings);
        if unchanged.is_empty() {
            tracing::info!("the settings were read again");
        } else {
            let unchanged = unchanged.join(", ");
            tracing::warn!("the settings were read again, but these change only with a new start: {unchanged}");
        }
        Ok(())
    }

    /// The same, for an operator.
    pub(super) fn reload_in_background(&self) {
        let hub = self.clone();
        self.reactor().spawn(async move {
            if let Err(error) = hub.reload().await {
                tracing::error!("the settings cannot be read again, and stay as they were: {error}");
            }
        });
    }

    /// Forgets lines that are too old, some at a time.
    fn forget_old(&self, tick: Tick) {
        let hub = self.clone();
        self.reactor().spawn(async move {
            let store = hub.node().store();
            loop {
                match store.forget_old(hub.now()).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!(%error, "old lines cannot be forgotten");
                        break;
                    }
                }
            }
            drop(tick);
        });
    }

    /// The server ends: all clients are told so, and their connections close.
    pub fn shut_down(&self) {
        self.call(None, |server, now| server.shut_down(now, b"The server is stopping"));
    }
}

fn new_key() -> Vec<u8> {
    let mut key = vec![0; 32];
    getrandom::fill(&mut key).expect("the system gives random bytes");
    key
}

/// How often the server looks for clients that are silent.
const TICK: Duration = Duration::from_secs(1);

/// How often it looks for lines that are too old.
const SWEEP: Duration = Duration::from_mins(1);
