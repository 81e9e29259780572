use async_trait::async_trait;

use crate::auth::error::LoginError;
use crate::auth::identity::Identity;

/// Makes avatars: what a protocol works with on behalf of who has logged in. Twisted's `IRealm`.
///
/// A closure from an [`Identity`] to an avatar is one that needs no log-out. What follows a log-out is written in a type:
///
/// ```
/// use std::cell::Cell;
/// use protocols::auth::{Identity, LoginError, Realm};
///
/// struct Users { online: Cell<usize> }
/// struct User { name: String }
///
/// #[async_trait::async_trait(?Send)]
/// impl Realm for Users {
///     type Avatar = User;
///
///     async fn request_avatar(&self, who: &Identity) -> Result<User, LoginError> {
///         self.online.set(self.online.get() + 1);
///         Ok(User { name: who.to_string() })
///     }
///
///     fn log_out(&self, _user: &User) {
///         self.online.set(self.online.get() - 1);
///     }
/// }
/// ```
#[async_trait(?Send)]
pub trait Realm: 'static {
    /// What it makes.
    type Avatar: 'static;

    /// Makes the avatar for one login. If the connection ends meanwhile, the future is dropped, and there is no log-out.
    ///
    /// # Errors
    ///
    /// If there is no avatar to be had: [`LoginError::Refused`], or [`LoginError::failed`].
    async fn request_avatar(&self, who: &Identity) -> Result<Self::Avatar, LoginError>;

    /// Called once for each avatar that was made, when its login ends.
    fn log_out(&self, avatar: &Self::Avatar) {
        let _ = avatar;
    }
}

#[async_trait(?Send)]
impl<A: 'static, F: Fn(&Identity) -> A + 'static> Realm for F {
    type Avatar = A;

    async fn request_avatar(&self, who: &Identity) -> Result<A, LoginError> {
        Ok(self(who))
    }
}
