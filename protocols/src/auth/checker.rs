use async_trait::async_trait;
use reactor::Reactor;

use crate::auth::credentials::Credentials;
use crate::auth::error::LoginError;
use crate::auth::identity::Identity;

/// Finds out who shows credentials of the kind `C`. Twisted's `ICredentialsChecker`.
///
/// An asynchronous closure is one:
///
/// ```
/// use std::collections::HashMap;
/// use protocols::auth::{Identity, Portal, Token};
///
/// let portal = Portal::new(|who: &Identity| who.clone());
/// portal.register_checker(async |token: Token, _| {
///     Ok((token.secret().matches(b"0123456789abcdef")).then(|| "build-robot".into()))
/// });
/// ```
#[async_trait(?Send)]
pub trait Checker<C: Credentials>: 'static {
    /// Whose credentials these are; `None` if nobody's. Work that would block the loop belongs into
    /// [`reactor.defer_to_thread`](Reactor::defer_to_thread); a password's is [there](crate::auth::Password::matches)
    /// already. If the connection ends meanwhile, the future is dropped.
    ///
    /// # Errors
    ///
    /// If it cannot tell: [`LoginError::failed`].
    async fn check(&self, credentials: C, reactor: &Reactor) -> Result<Option<Identity>, LoginError>;
}

#[async_trait(?Send)]
impl<C, F> Checker<C> for F
where
    C: Credentials,
    F: AsyncFn(C, Reactor) -> Result<Option<Identity>, LoginError> + 'static,
{
    async fn check(&self, credentials: C, reactor: &Reactor) -> Result<Option<Identity>, LoginError> {
        self(credentials, reactor.clone()).await
    }
}
