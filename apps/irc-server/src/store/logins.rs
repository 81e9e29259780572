use std::sync::LazyLock;

use protocols::auth::{Identity, LoginError, Password, PasswordHash, PeerCertificate, Portal, ScramExchange};
use reactor::Reactor;

use crate::server::Timestamp;
use crate::store::{Account, Store, StoreError};

impl Store {
    /// Where clients log in to their accounts: by password, as it is or by SCRAM, and by the certificate of TLS. Each thread has
    /// one of its own, with failures of its own.
    pub fn portal(&self) -> Portal<Identity> {
        let portal = Portal::new(|who: &Identity| who.clone());
        let store = self.clone();
        portal.register_checker(async move |password: Password, reactor| {
            let account = store.account(password.name().as_bytes()).await.map_err(LoginError::failed)?;
            let hash = account.as_ref().map_or(&*NOBODYS, |account| &account.password);
            let matches = password.matches(&reactor, Some(hash)).await?;
            store.logged_in(&reactor, account.filter(|_| matches)).await
        });
        let store = self.clone();
        portal.register_checker(async move |exchange: ScramExchange, reactor| {
            let account = store.account(exchange.name().as_bytes()).await.map_err(LoginError::failed)?;
            let verifier = account.as_ref().and_then(|account| account.password.as_scram());
            let knows = exchange.verify(verifier).await?;
            store.logged_in(&reactor, account.filter(|_| knows)).await
        });
        let store = self.clone();
        portal.register_checker(async move |certificate: PeerCertificate, reactor| {
            let account = store.account_of(certificate.fingerprint()).await.map_err(LoginError::failed)?;
            store.logged_in(&reactor, account).await
        });
        portal
    }

    async fn logged_in(&self, reactor: &Reactor, account: Option<Account>) -> Result<Option<Identity>, LoginError> {
        let Some(account) = account else { return Ok(None) };
        // A client may have taken its time, and another have the account by now.
        let is_same = self.saw_account(&account, Timestamp::of(reactor.time_of_day())).await?;
        Ok(is_same.then(|| String::from_utf8_lossy(&account.name).into_owned().into()))
    }
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

/// For accounts that there are not: no password has it, and it costs as much as that of an account.
static NOBODYS: LazyLock<PasswordHash> = LazyLock::new(|| {
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let text = format!("SCRAM-SHA-256$100000:AAAAAAAAAAAAAAAAAAAAAA==${key}:{key}");
    text.parse().unwrap_or_else(|error| unreachable!("{error}"))
});
