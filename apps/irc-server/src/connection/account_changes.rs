//! What people change about their accounts.

use protocols::tls::Fingerprint;

use crate::connection::Session;
use crate::connection::answers::{found, hash};
use crate::connection::hub::Hub;
use crate::server::Name;
use crate::server::request::{AccountChange, Answer, LoginFailure};
use crate::store::Pending;

impl Hub {
    /// Makes the change for a session, which waits for it.
    pub(super) fn change_account(&self, session: &mut Session, account: Name, change: AccountChange) {
        let store = self.node().store();
        match change {
            AccountChange::AddCertificate(fingerprint) => {
                let add = |fingerprint| store.add_fingerprint(&account, fingerprint);
                session.answer_when_changed(parsed(&fingerprint).map(add));
            }
            AccountChange::RemoveCertificate(fingerprint) => {
                let remove = |fingerprint| store.remove_fingerprint(&account, fingerprint);
                session.answer_when_changed(parsed(&fingerprint).map(remove));
            }
            AccountChange::ListCertificates => {
                session.wire().defer(store.fingerprints(&account), |this, fingerprints| {
                    let fingerprints = found(fingerprints).ok_or(LoginFailure::Unavailable);
                    let texts = fingerprints.map(|all| all.iter().map(Fingerprint::to_string).collect());
                    this.answered(Answer::Account(texts));
                });
            }
            AccountChange::Password { old, new } => {
                let hub = self.clone();
                self.with_password(session, account, old, move |this, account| {
                    let (store, reactor) = (hub.node().store().clone(), hub.reactor().clone());
                    let changed = async move {
                        match hash(&reactor, new).await {
                            Some(hash) => found(store.set_password(&account, &hash).await),
                            None => None,
                        }
                    };
                    this.wire().defer(changed, Session::account_changed);
                });
            }
            AccountChange::Drop { password } => {
                let store = store.clone();
                self.with_password(session, account, password, move |this, account| {
                    this.answer_when_changed(Some(store.remove_account(&account)));
                });
            }
        }
    }

    /// Calls `call` if the password is the account's, or else answers that it is not.
    fn with_password(
        &self,
        session: &Session,
        account: Name,
        password: Vec<u8>,
        call: impl FnOnce(&mut Session, Name) + 'static,
    ) {
        let transport = session.wire().transport();
        self.logins().identify(transport, &account.clone(), password, move |this, result| match result {
            Ok(_) => call(this, account),
            Err(failure) => this.answered(Answer::Account(Err(failure))),
        });
    }
}

impl Session {
    /// Answers when the store has made a change; at once if nothing is to be changed.
    fn answer_when_changed(&self, change: Option<Pending<bool>>) {
        match change {
            Some(change) => self.wire().defer(change, |this, changed| this.account_changed(found(changed))),
            None => self.answer_later(Answer::Account(Err(LoginFailure::Refused))),
        }
    }

    /// The store has made a change, or found nothing to change, or failed.
    fn account_changed(&mut self, changed: Option<bool>) {
        self.answered(Answer::Account(match changed {
            Some(true) => Ok(Vec::new()),
            Some(false) => Err(LoginFailure::Refused),
            None => Err(LoginFailure::Unavailable),
        }));
    }
}

fn parsed(fingerprint: &str) -> Option<Fingerprint> {
    fingerprint.parse().ok()
}
