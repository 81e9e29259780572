//! What people change about their accounts.

use protocols::tls::Fingerprint;

use crate::connection::Session;
use crate::connection::answers::{found, hash};
use crate::connection::hub::Hub;
use crate::server::Name;
use crate::server::request::{AccountChange, Answer, LoginFailure};
use crate::store::Account;

impl Hub {
    /// Makes the change for a session, which waits for it.
    pub(super) fn change_account(&self, session: &mut Session, account: Name, change: AccountChange) {
        let (hub, directory) = (self.clone(), self.node().directory().clone());
        match change {
            AccountChange::AddCertificate(fingerprint) => {
                let Ok(fingerprint) = fingerprint.parse() else { return session.refuse_change() };
                let changed = async move { found(directory.add_certificate(&hub, &account, fingerprint).await) };
                session.answer_when_changed(changed);
            }
            AccountChange::RemoveCertificate(fingerprint) => {
                let Ok(fingerprint) = fingerprint.parse() else { return session.refuse_change() };
                let changed = async move { found(directory.remove_certificate(&hub, &account, fingerprint).await) };
                session.answer_when_changed(changed);
            }
            AccountChange::ListCertificates => {
                session.wire().defer(self.node().store().account(&account), |this, account| {
                    let certificates = match found(account) {
                        Some(account) => Ok(account.map(|account| account.certificates).unwrap_or_default()),
                        None => Err(LoginFailure::Unavailable),
                    };
                    let texts = certificates.map(|all| all.iter().map(Fingerprint::to_string).collect());
                    this.answered(Answer::Account(texts));
                });
            }
            AccountChange::Password { old, new } => {
                self.with_password(session, &account, old, move |this, account| {
                    this.answer_when_changed(async move {
                        let password = hash(hub.reactor(), new).await?;
                        found(directory.set_password(&hub, &account, password).await)
                    });
                });
            }
            AccountChange::Drop { password } => {
                self.with_password(session, &account, password, move |this, account| {
                    this.answer_when_changed(async move { found(directory.remove(&hub, &account).await) });
                });
            }
        }
    }

    /// Calls `call` with the account if this is its password, or else answers that it is not.
    fn with_password(
        &self,
        session: &Session,
        account: &[u8],
        password: Vec<u8>,
        call: impl FnOnce(&mut Session, Account) + 'static,
    ) {
        let hub = self.clone();
        // First, so that what is changed later is the account whose password was shown.
        session.wire().defer(self.node().store().account(account), move |this, account| match found(account) {
            Some(Some(account)) => {
                let name = Name::clone(&account.name);
                hub.logins().identify(this.wire().transport(), &name, password, move |this, result| match result {
                    Ok(_) => call(this, account),
                    Err(failure) => this.answered(Answer::Account(Err(failure))),
                });
            }
            Some(None) => this.answered(Answer::Account(Err(LoginFailure::Refused))),
            None => this.answered(Answer::Account(Err(LoginFailure::Unavailable))),
        });
    }
}

impl Session {
    fn refuse_change(&self) {
        self.answer_later(Answer::Account(Err(LoginFailure::Refused)));
    }

    /// Answers when a change is made, or was refused; nothing stands for a failure.
    fn answer_when_changed(&self, change: impl Future<Output = Option<bool>> + 'static) {
        let changed = self.hub().run_to_its_end(change);
        self.wire().defer(changed, |this, changed| {
            this.answered(Answer::Account(match changed.ok().flatten() {
                Some(true) => Ok(Vec::new()),
                Some(false) => Err(LoginFailure::Refused),
                None => Err(LoginFailure::Unavailable),
            }));
        });
    }
}
