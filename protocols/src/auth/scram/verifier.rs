use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use ctutils::CtEq as _;
use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::auth::error::InvalidPasswordHash;
use crate::auth::scram::keys::{Key, client_proof_key, digest, hmac, random, salted_password, server_key, xor};

/// What a server keeps of a password for SCRAM-SHA-256 (RFC 5802, RFC 7677): it can check that a client knows the password,
/// and show the client that it knows this. Stolen, it lets others guess the password, and pose as the server. Its text is
/// PostgreSQL's: `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`.
#[derive(Clone)]
pub struct ScramVerifier {
    iterations: u32,
    salt: Box<[u8]>,
    stored_key: Key,
    server_key: Key,
}

impl ScramVerifier {
    /// Makes one from a password, with a random salt and 100,000 iterations: a client repeats these at each login. They take
    /// some 30 ms of a processor, and many times that without optimisation.
    pub fn new(password: impl AsRef<[u8]>) -> Self {
        Self::with_iterations(password, 100_000)
    }

    /// The same with this many iterations. Clients may refuse fewer than 4,096.
    ///
    /// # Panics
    ///
    /// If `iterations` is zero, or more than 10,000,000.
    #[track_caller]
    pub fn with_iterations(password: impl AsRef<[u8]>, iterations: u32) -> Self {
        assert!(
            (1..=MOST_ITERATIONS).contains(&iterations),
            "{iterations} iterations: there must be 1 to {MOST_ITERATIONS}"
        );
        let mut salt = [0; 16];
        random(&mut salt);
        Self::from_parts(password.as_ref(), &salt, iterations)
    }

    pub(in crate::auth) fn from_parts(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let salted = salted_password(password, salt, iterations);
        let stored_key = Zeroizing::new(digest(&*client_proof_key(&salted)));
        Self { iterations, salt: salt.into(), stored_key, server_key: server_key(&salted) }
    }

    /// The text that [`parse`](str::parse) reads.
    pub fn to_text(&self) -> String {
        let [salt, stored_key, server_key] =
            [&*self.salt, &*self.stored_key, &*self.server_key].map(|part| BASE64.encode(part));
        format!("{PREFIX}{}:{salt}${stored_key}:{server_key}", self.iterations)
    }

    /// Whether it is this password's.
    pub(in crate::auth) fn is_of(&self, password: &[u8]) -> bool {
        let salted = salted_password(password, &self.salt, self.iterations);
        digest(&*client_proof_key(&salted)).ct_eq(&*self.stored_key).to_bool()
    }

    /// Whether a client that sends this proof, for these messages, knows the password.
    pub(super) fn is_proven(&self, messages: &[u8], proof: &[u8; 32]) -> bool {
        let signature = hmac(&*self.stored_key, &[messages]);
        let client_key = xor(Zeroizing::new(*proof), &signature);
        digest(&*client_key).ct_eq(&*self.stored_key).to_bool()
    }

    /// What shows to the client that this side knows it, too.
    pub(super) fn signature(&self, messages: &[u8]) -> Key {
        hmac(&*self.server_key, &[messages])
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) fn iterations(&self) -> u32 {
        self.iterations
    }

    /// One that nobody's password fits, as costly as this, for a name without an account: always the same salt for the same
    /// name, as an account has.
    pub(super) fn decoy(name: &str, like: Option<&Self>) -> Self {
        let (iterations, salt_length) = like.map_or((100_000, 16), |like| (like.iterations, like.salt.len()));
        let secret = like.map_or(&DECOY_SECRET[..], |like| &*like.server_key);
        let salt = hmac(secret, &[b"salt", name.as_bytes()]);
        let salt = salt.iter().copied().cycle().take(salt_length).collect();
        Self { iterations, salt, stored_key: hmac(secret, &[b"stored", name.as_bytes()]), server_key: Key::default() }
    }
}

impl FromStr for ScramVerifier {
    type Err = InvalidPasswordHash;

    fn from_str(text: &str) -> Result<Self, InvalidPasswordHash> {
        Self::parsed(text).ok_or(InvalidPasswordHash("not a hash of SCRAM (SCRAM-SHA-256$ITERATIONS:SALT$KEY:KEY)"))
    }
}

impl ScramVerifier {
    fn parsed(text: &str) -> Option<Self> {
        let (cost, keys) = text.strip_prefix(PREFIX)?.split_once('$')?;
        let (iterations, salt) = cost.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let iterations = iterations.parse().ok().filter(|number| (1..=MOST_ITERATIONS).contains(number))?;
        let salt = BASE64.decode(salt.as_bytes()).ok().filter(|salt| (1..=LONGEST_SALT).contains(&salt.len()))?;
        let key = |text: &str| Some(Key::new(BASE64.decode(text.as_bytes()).ok()?.try_into().ok()?));
        Some(Self { iterations, salt: salt.into(), stored_key: key(stored_key)?, server_key: key(server_key)? })
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SCRAM-SHA-256, {} iterations", self.iterations)
    }
}

const PREFIX: &str = "SCRAM-SHA-256$";

/// A few seconds of a processor.
const MOST_ITERATIONS: u32 = 10_000_000;

/// Four times what is usual.
const LONGEST_SALT: usize = 64;

/// For decoys that no verifier was given for.
static DECOY_SECRET: LazyLock<Key> = LazyLock::new(|| {
    let mut secret = Key::default();
    random(&mut *secret);
    secret
});
