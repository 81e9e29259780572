use std::collections::BTreeSet;

use async_trait::async_trait;
use nix::unistd::{Uid, User};
use reactor::Reactor;

use crate::auth::checker::Checker;
use crate::auth::credentials::UnixPeer;
use crate::auth::error::LoginError;
use crate::auth::identity::Identity;

/// Lets in users of this machine by the name of their account: the system tells who is at the other end of a UNIX socket. The
/// name is looked up on another thread. Users without an entry in the system's table are refused.
///
/// ```
/// use protocols::auth::{Identity, Portal, UnixUsers};
///
/// let portal = Portal::new(|who: &Identity| who.clone());
/// portal.register_checker(UnixUsers::only(["root", "postgres"]));
/// ```
#[derive(Clone, Debug)]
pub struct UnixUsers(Option<BTreeSet<String>>);

impl UnixUsers {
    /// All users.
    pub fn all() -> Self {
        Self(None)
    }

    /// The users of these names.
    pub fn only<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(Some(names.into_iter().map(Into::into).collect()))
    }
}

#[async_trait(?Send)]
impl Checker<UnixPeer> for UnixUsers {
    async fn check(&self, peer: UnixPeer, reactor: &Reactor) -> Result<Option<Identity>, LoginError> {
        let user = Uid::from_raw(peer.credentials().user);
        let found = reactor.defer_to_thread(move || User::from_uid(user)).await.map_err(LoginError::failed)?;
        let name = found.map_err(LoginError::failed)?.map(|user| user.name);
        let allowed = |name: &String| self.0.as_ref().is_none_or(|names| names.contains(name));
        Ok(name.filter(allowed).map(Identity::from))
    }
}
