use async_trait::async_trait;
use reactor::Reactor;

use crate::auth::checker::Checker;
use crate::auth::credentials::Anonymous;
use crate::auth::error::LoginError;
use crate::auth::identity::Identity;

/// Lets in anyone who asks for no account. Twisted's `AllowAnonymousAccess`.
#[derive(Clone, Copy, Debug)]
pub struct AllowAnonymous;

#[async_trait(?Send)]
impl Checker<Anonymous> for AllowAnonymous {
    async fn check(&self, _credentials: Anonymous, _reactor: &Reactor) -> Result<Option<Identity>, LoginError> {
        Ok(Some(Identity::Anonymous))
    }
}
