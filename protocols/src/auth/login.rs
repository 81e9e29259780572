use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::{fmt, iter};

use reactor::Transport;

use crate::auth::identity::Identity;
use crate::auth::realm::Realm;

/// A login, and access to its avatar. It logs out exactly once: when it is dropped, or when its connection ends, whichever is
/// first and whatever ended it. The avatar itself stays as long as this.
///
/// ```
/// use protocols::auth::{Identity, Login, Portal};
/// # use protocols::auth::Anonymous;
/// use reactor::{Protocol, Transport};
///
/// struct Session { transport: Transport, portal: Portal<Identity>, login: Option<Login<Identity>> }
///
/// impl Protocol for Session {
///     fn connection_made(&mut self) {
///         self.portal.login(&self.transport, Anonymous, |this: &mut Self, result| match result {
///             Ok(login) => this.login = Some(login),
///             Err(error) => write!(this.transport, "{error}\n"),
///         });
///     }
///     fn data_received(&mut self, _data: &[u8]) {
///         if let Some(login) = &self.login {
///             write!(self.transport, "you are {}\n", **login);
///         }
///     }
/// }
/// ```
#[must_use = "dropping the login logs out"]
pub struct Login<A: 'static>(Rc<LoginCore<A>>);

struct LoginCore<A: 'static> {
    identity: Identity,
    avatar: A,
    realm: Rc<dyn Realm<Avatar = A>>,
    is_over: Cell<bool>,
}

impl<A> Login<A> {
    pub(super) fn new(transport: &Transport, identity: Identity, avatar: A, realm: Rc<dyn Realm<Avatar = A>>) -> Self {
        let core = Rc::new(LoginCore { identity, avatar, realm, is_over: Cell::new(false) });
        let depth = depth(transport);
        // One that is further out belongs to a connection around this one.
        let logins = transport.attached::<Logins>().filter(|logins| logins.depth == depth).unwrap_or_else(|| {
            let logins = Rc::new(Logins { depth, open: RefCell::default() });
            transport.attach(Rc::clone(&logins));
            logins
        });
        logins.add(Rc::downgrade(&core) as Weak<dyn LogOut>);
        Self(core)
    }

    /// Who has logged in.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Whether it is over, because its connection has ended.
    pub fn is_over(&self) -> bool {
        self.0.is_over.get()
    }

    /// Logs out, as dropping it does.
    pub fn log_out(self) {}
}

impl<A> Deref for Login<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0.avatar
    }
}

impl<A> Drop for Login<A> {
    fn drop(&mut self) {
        self.0.log_out();
    }
}

impl<A> fmt::Debug for Login<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("identity", self.identity())
            .field("is_over", &self.is_over())
            .finish_non_exhaustive()
    }
}

/// A login of any avatar.
trait LogOut {
    fn log_out(&self);
}

impl<A> LogOut for LoginCore<A> {
    fn log_out(&self) {
        // First, because a realm may drop the login, or end its connection.
        if !self.is_over.replace(true) {
            self.realm.log_out(&self.avatar);
        }
    }
}

/// The logins of a connection, which drops this when it ends.
struct Logins {
    /// How many connections are around it.
    depth: usize,
    open: RefCell<Vec<Weak<dyn LogOut>>>,
}

impl Logins {
    fn add(&self, login: Weak<dyn LogOut>) {
        let mut open = self.open.borrow_mut();
        if open.len() == open.capacity() {
            open.retain(|login| login.strong_count() > 0);
        }
        open.push(login);
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        let open = self.open.take();
        open.iter().filter_map(Weak::upgrade).for_each(|login| login.log_out());
    }
}

/// How many connections are around this one.
fn depth(transport: &Transport) -> usize {
    iter::successors(transport.outer(), Transport::outer).count()
}
