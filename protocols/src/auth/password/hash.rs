use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use argon2::password_hash::phc;
use argon2::{
    ARGON2D_IDENT, ARGON2I_IDENT, ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHasher as _, Version,
};
use reactor::Reactor;

use crate::auth::credentials::Password;
use crate::auth::error::{InvalidPasswordHash, LoginError};
use crate::auth::password::hashing::{Memory, hash_in_thread};
use crate::auth::scram::verifier::ScramVerifier;

/// What is kept of a password: enough to check it, and costly to guess it from. Of Argon2 as a PHC string
/// (`$argon2id$v=19$…`), as Python's `argon2-cffi` and `passlib`, the program `argon2` and others write it; or a
/// [`ScramVerifier`], which also serves SCRAM, as PostgreSQL writes it (`SCRAM-SHA-256$…`).
///
/// It is not to be shown either: `Debug` shows only what it costs.
///
/// ```no_run
/// use protocols::auth::PasswordHash;
///
/// let line = format!("guest:{}", PasswordHash::new("welcome").to_text());
/// assert!(line.starts_with("guest:$argon2id$v=19$m=19456,t=2,p=1$"));
/// ```
#[derive(Clone)]
pub struct PasswordHash(Kind);

#[derive(Clone)]
enum Kind {
    Argon2(Box<phc::PasswordHash>),
    Scram(ScramVerifier),
}

impl PasswordHash {
    /// Hashes a password by Argon2id with 19 MiB of memory and 2 passes, as OWASP recommends, and a random salt. This takes
    /// some 20 ms of a processor, and many times that without optimisation.
    ///
    /// # Panics
    ///
    /// If the system gives no memory for it.
    pub fn new(password: impl AsRef<[u8]>) -> Self {
        let hash = Argon2::default().hash_password(password.as_ref()).expect("the system gives 19 MiB of memory");
        Self(Kind::Argon2(Box::new(hash)))
    }

    /// The text that [`parse`](str::parse) reads.
    pub fn to_text(&self) -> String {
        match &self.0 {
            Kind::Argon2(hash) => hash.to_string(),
            Kind::Scram(verifier) => verifier.to_text(),
        }
    }

    /// What SCRAM needs, if this is one.
    pub fn as_scram(&self) -> Option<&ScramVerifier> {
        match &self.0 {
            Kind::Scram(verifier) => Some(verifier),
            Kind::Argon2(_) => None,
        }
    }

    /// Whether it is the hash of this password. It takes as long as making it: programs call [`Password::matches`].
    fn is_of(&self, password: &[u8], memory: &mut Memory) -> bool {
        match &self.0 {
            Kind::Argon2(hash) => hash_again(password, hash, memory).is_some_and(|again| hash.hash == Some(again)),
            Kind::Scram(verifier) => verifier.is_of(password),
        }
    }
}

impl From<ScramVerifier> for PasswordHash {
    fn from(verifier: ScramVerifier) -> Self {
        Self(Kind::Scram(verifier))
    }
}

impl FromStr for PasswordHash {
    type Err = InvalidPasswordHash;

    fn from_str(text: &str) -> Result<Self, InvalidPasswordHash> {
        if text.starts_with("SCRAM-") {
            return text.parse().map(|verifier| Self(Kind::Scram(verifier)));
        }
        if !text.starts_with("$argon2") {
            return Err(InvalidPasswordHash(
                "neither a hash of Argon2 ($argon2id$…) nor one of SCRAM (SCRAM-SHA-256$…)",
            ));
        }
        let hash = phc::PasswordHash::new(text).map_err(|_| InvalidPasswordHash("a malformed hash of Argon2"))?;
        let params = Params::try_from(&hash)
            .map_err(|_| InvalidPasswordHash("a hash of Argon2 with parameters that there are not"))?;
        if ![ARGON2D_IDENT, ARGON2I_IDENT, ARGON2ID_IDENT].contains(&hash.algorithm) {
            return Err(InvalidPasswordHash("a hash of an unknown kind of Argon2"));
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(InvalidPasswordHash("a hash of Argon2 without its salt, or without the hash itself"));
        }
        if params.m_cost() > MOST_MEMORY_KIB || params.t_cost() > MOST_PASSES {
            return Err(InvalidPasswordHash("a hash of Argon2 that takes more than 256 MiB, or more than 100 passes"));
        }
        Ok(Self(Kind::Argon2(Box::new(hash))))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Argon2(hash) => write!(f, "PasswordHash({}, {})", hash.algorithm, hash.params),
            Kind::Scram(verifier) => write!(f, "PasswordHash({verifier:?})"),
        }
    }
}

impl Password {
    /// Whether this is the password that was hashed. `None` stands for an account that there is not: this does the same work
    /// as for one with a [new](PasswordHash::new) hash, and says no.
    ///
    /// It runs on threads of [`Reactor::defer_to_thread`]: on up to 4, and on no more than there are processors besides the
    /// loop's, shared among the process's reactors, but at least on one for each. Up to 1,024 others wait, in the order in which
    /// they came. The memory for those that run is kept for the next.
    ///
    /// ```
    /// # use std::collections::HashMap;
    /// # use protocols::auth::{Identity, Password, PasswordHash, Portal};
    /// # fn register(portal: &Portal<Identity>, accounts: HashMap<String, PasswordHash>) {
    /// portal.register_checker(async move |password: Password, reactor| {
    ///     let matches = password.matches(&reactor, accounts.get(password.name())).await?;
    ///     Ok(matches.then(|| password.name().into()))
    /// });
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Busy`](LoginError::Busy) when 1,024 others wait; [`Failed`](LoginError::Failed) if there is no thread.
    pub async fn matches(&self, reactor: &Reactor, hash: Option<&PasswordHash>) -> Result<bool, LoginError> {
        self.matches_or(reactor, hash, &NOBODYS).await
    }

    /// The same, which works as with `otherwise` for an account that there is not.
    pub(in crate::auth) async fn matches_or(
        &self,
        reactor: &Reactor,
        hash: Option<&PasswordHash>,
        otherwise: &PasswordHash,
    ) -> Result<bool, LoginError> {
        let is_known = hash.is_some();
        let (hash, password) = (hash.unwrap_or(otherwise).clone(), self.secret().clone());
        hash_in_thread(reactor, move |memory| hash.is_of(password.expose(), memory) & is_known).await
    }
}

/// The hash of a password, with the salt and the cost of another. Two of them are compared in a time that tells nothing.
fn hash_again(password: &[u8], like: &phc::PasswordHash, memory: &mut Memory) -> Option<phc::Output> {
    let algorithm = Algorithm::try_from(like.algorithm.as_str()).ok()?;
    // Hashes that name no version are from before there were two.
    let version = like.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
    let params = Params::try_from(like).ok()?;
    if memory.len() < params.block_count() {
        // Not both at a time.
        *memory = Memory::new();
        memory.resize(params.block_count(), Block::default());
    }
    let mut hash = [0; phc::Output::MAX_LENGTH];
    let hash = &mut hash[..like.hash?.len()];
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password, &like.salt?, hash, &mut memory[..])
        .ok()?;
    phc::Output::new(hash).ok()
}

/// For accounts that there are not, where no other hash says what one costs here.
pub(in crate::auth) static NOBODYS: LazyLock<PasswordHash> = LazyLock::new(|| {
    let text = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    text.parse().unwrap_or_else(|error| unreachable!("{error}"))
});

/// Four times what `argon2-cffi` and `passlib` take.
const MOST_MEMORY_KIB: u32 = 256 * 1024;

const MOST_PASSES: u32 = 100;
