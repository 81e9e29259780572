use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use reactor::{DeferredCall, Transport};

use crate::auth::attempt_limit::AttemptLimit;
use crate::auth::checker::Checker;
use crate::auth::credentials::Credentials;
use crate::auth::error::LoginError;
use crate::auth::login::Login;
use crate::auth::realm::Realm;

/// Where one logs in: it has credentials checked, and a realm make the avatar of type `A`. Cheap to clone. Twisted's `Portal`.
///
/// ```
/// use protocols::auth::{AllowAnonymous, Anonymous, Identity, Login, Portal};
/// use protocols::{LineHandler, LineReceiver, Lines};
/// use reactor::testing::StringTransport;
///
/// struct User { name: String }
///
/// struct Session { lines: Lines, portal: Portal<User>, login: Option<Login<User>> }
///
/// impl LineHandler for Session {
///     fn line_received(&mut self, _line: &[u8]) {
///         self.portal.login(self.lines.transport(), Anonymous, |this: &mut Self, result| match result {
///             Ok(user) => {
///                 this.lines.send_line(format!("hello {}", user.name));
///                 this.login = Some(user);
///             }
///             Err(error) => this.lines.send_line(error.to_string()),
///         });
///     }
/// }
///
/// let portal = Portal::new(|who: &Identity| User { name: who.to_string() });
/// portal.register_checker(AllowAnonymous);
/// let factory = LineReceiver::factory(move |lines| Session { lines, portal: portal.clone(), login: None });
/// let mut wire = StringTransport::connect(factory);
/// wire.receive("let me in\r\n");
/// assert_eq!(wire.written_text(), "hello (anonymous)\r\n");
/// ```
pub struct Portal<A: 'static>(Rc<PortalCore<A>>);

struct PortalCore<A: 'static> {
    realm: Rc<dyn Realm<Avatar = A>>,
    /// An `Rc<dyn Checker<C>>` for each kind of credentials `C`.
    checkers: RefCell<HashMap<TypeId, Box<dyn Any>>>,
    attempts: RefCell<AttemptLimit>,
    allows_plain_text: Cell<bool>,
}

impl<A> Portal<A> {
    /// A portal without checkers, with the default [`AttemptLimit`].
    pub fn new(realm: impl Realm<Avatar = A>) -> Self {
        Self(Rc::new(PortalCore {
            realm: Rc::new(realm),
            checkers: RefCell::default(),
            attempts: RefCell::default(),
            allows_plain_text: Cell::new(false),
        }))
    }

    /// Has `checker` check credentials of the kind `C` from now on, in place of one that did before. Twisted's
    /// `registerChecker`.
    pub fn register_checker<C: Credentials>(&self, checker: impl Checker<C>) {
        let checker: Rc<dyn Checker<C>> = Rc::new(checker);
        let before = self.0.checkers.borrow_mut().insert(TypeId::of::<C>(), Box::new(checker));
        // With nothing borrowed: it is the user's.
        drop(before);
    }

    /// Sets how often logins may fail, and forgets the failures so far.
    pub fn set_attempt_limit(&self, limit: AttemptLimit) {
        self.0.attempts.replace(limit);
    }

    /// Allows passwords as they are (the mechanism `PLAIN` of [SASL](Self::start_sasl)) on connections without TLS: behind a
    /// proxy that decrypts, for example.
    pub fn allow_plain_text(&self) {
        self.0.allows_plain_text.set(true);
    }

    /// Has `credentials` checked, and an avatar made, and calls `call` with the login or the error. If the connection ends
    /// before that, `call` is not made, and nobody is logged in. Twisted's `login`.
    ///
    /// # Panics
    ///
    /// As [`Transport::call_later`].
    #[track_caller]
    pub fn login<P: 'static, C: Credentials>(
        &self,
        transport: &Transport,
        credentials: C,
        call: impl FnOnce(&mut P, Result<Login<A>, LoginError>) + 'static,
    ) -> DeferredCall {
        transport.defer(self.clone().log_in(transport.clone(), credentials, None), call)
    }

    /// The same as a future, which is to be dropped when the connection ends. If the account's name is not `wanted`, the login
    /// is refused.
    pub(super) async fn log_in<C: Credentials>(
        self,
        transport: Transport,
        credentials: C,
        wanted: Option<String>,
    ) -> Result<Login<A>, LoginError> {
        let core = &self.0;
        let checker = self.checker::<C>().ok_or(LoginError::Unsupported(C::KIND))?;
        let reactor = transport.reactor();
        let attempt = core.attempts.borrow_mut().begin(&reactor, &transport.peer(), credentials.name())?;
        let checked = checker.check(credentials, &reactor).await;
        let found = match checked {
            Ok(Some(identity)) if wanted.is_none() || wanted.as_deref() == identity.name() => Ok(identity),
            Ok(_) => Err(LoginError::Refused),
            Err(error) => Err(error),
        };
        if !matches!(found, Err(LoginError::Refused | LoginError::Malformed(_))) {
            core.attempts.borrow_mut().forgive(&attempt);
        }
        let identity = found?;
        let avatar = core.realm.request_avatar(&identity).await?;
        Ok(Login::new(&transport, identity, avatar, Rc::clone(&core.realm)))
    }

    /// Whether credentials of this kind are checked.
    pub(super) fn knows<C: Credentials>(&self) -> bool {
        self.0.checkers.borrow().contains_key(&TypeId::of::<C>())
    }

    pub(super) fn allows_plain_text(&self) -> bool {
        self.0.allows_plain_text.get()
    }

    fn checker<C: Credentials>(&self) -> Option<Rc<dyn Checker<C>>> {
        self.0.checkers.borrow().get(&TypeId::of::<C>())?.downcast_ref().cloned()
    }
}

impl<A> Clone for Portal<A> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<A> fmt::Debug for Portal<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portal")
            .field("checkers", &self.0.checkers.borrow().len())
            .field("attempts", &self.0.attempts.borrow())
            .finish_non_exhaustive()
    }
}
