//! What stands in the bucket: `account.NAME` and `ban.MASK`, as hexadecimal digits, and `node.NAME` for each node.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use protocols::tls::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::cluster::{BucketEntry, decode, encode};
use crate::server::{Key, Name, ServerBan, Timestamp};
use crate::store::{Account, Fact};

const ACCOUNT: &str = "account.";
const BAN: &str = "ban.";

/// An account as all nodes know it. The order of the fields is part of the format.
#[derive(Serialize, Deserialize)]
struct Value {
    name: Name,
    password: String,
    created: Timestamp,
    certificates: Vec<String>,
}

/// What an entry says.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    Fact(Fact),
    /// It is of an account of this name, and is not understood.
    UnreadAccount(Key),
    /// It is not understood, or no concern of this release.
    Nothing,
}

pub(super) fn account_key(name: &[u8]) -> String {
    format!("{ACCOUNT}{}", HEXLOWER.encode(name))
}

pub(super) fn account_value(account: &Account) -> Bytes {
    encode(&Value {
        name: Name::clone(&account.name),
        password: account.password.to_text(),
        created: account.created,
        certificates: account.certificates.iter().map(Fingerprint::to_string).collect(),
    })
}

pub(super) fn ban_key(mask: &[u8]) -> String {
    format!("{BAN}{}", HEXLOWER.encode(mask))
}

pub(super) fn ban_value(ban: &ServerBan) -> Bytes {
    encode(ban)
}

/// The key that a node writes to see what the bucket had before.
pub(super) fn node_key(name: &str) -> String {
    format!("node.{name}")
}

pub(super) fn read(entry: &BucketEntry) -> Reading {
    let name = |digits: &str| HEXLOWER.decode(digits.as_bytes()).ok().map(Name::from);
    if let Some(name) = entry.key.strip_prefix(ACCOUNT).and_then(name) {
        let Some(value) = &entry.value else { return Reading::Fact(Fact::NoAccount(name)) };
        return match account(value).filter(|account| account.key() == name) {
            Some(account) => Reading::Fact(Fact::Account(account)),
            None => Reading::UnreadAccount(name),
        };
    }
    if let Some(mask) = entry.key.strip_prefix(BAN).and_then(name) {
        let Some(value) = &entry.value else { return Reading::Fact(Fact::NoBan(mask)) };
        if let Some(ban) = decode::<ServerBan>(value).filter(|ban| ban.mask == mask) {
            return Reading::Fact(Fact::Ban(ban));
        }
    }
    Reading::Nothing
}

fn account(value: &[u8]) -> Option<Account> {
    let Value { name, password, created, certificates } = decode(value)?;
    let certificates = certificates.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
    Some(Account { name, password: password.parse().ok()?, created, certificates })
}

#[cfg(test)]
mod tests {
    use protocols::auth::{PasswordHash, ScramVerifier};

    use super::*;

    fn entry(key: String, value: Option<Bytes>) -> BucketEntry {
        BucketEntry { key, revision: 1, value }
    }

    fn account() -> Account {
        Account {
            name: (*b"Ann").into(),
            password: PasswordHash::from(ScramVerifier::with_iterations("sesame-open", 1)),
            created: Timestamp(7),
            certificates: vec![Fingerprint::of(b"one")],
        }
    }

    #[test]
    fn accounts_and_bans_are_read_as_they_were_written() {
        let account = account();
        let written = entry(account_key(&account.key()), Some(account_value(&account)));
        assert_eq!(written.key, "account.616e6e");
        assert_eq!(read(&written), Reading::Fact(Fact::Account(account)));
        let mask: Name = (*b"*@192.0.2.7").into();
        let ban = ServerBan {
            mask: mask.clone(),
            reason: (*b"spam").into(),
            by: (*b"oper").into(),
            at: Timestamp(1),
            until: Some(Timestamp(2)),
        };
        assert_eq!(read(&entry(ban_key(&mask), Some(ban_value(&ban)))), Reading::Fact(Fact::Ban(ban)));
        assert_eq!(read(&entry(ban_key(&mask), None)), Reading::Fact(Fact::NoBan(mask)));
        assert_eq!(read(&entry(account_key(b"ann"), None)), Reading::Fact(Fact::NoAccount((*b"ann").into())));
    }

    #[test]
    fn what_another_release_has_written_is_no_account_and_removes_none() {
        let unread = Reading::UnreadAccount((*b"ann").into());
        let value = account_value(&account());
        let mut other_format = value.to_vec();
        other_format[0] += 1;
        for value in [Bytes::from(other_format), value.slice(..value.len() - 1), Bytes::from_static(b"x")] {
            assert_eq!(read(&entry(account_key(b"ann"), Some(value))), unread);
        }
        assert_eq!(read(&entry(account_key(b"bob"), Some(value))), Reading::UnreadAccount((*b"bob").into()));
        for key in ["account.XY", "account", "ban.zz", "node.a.example", "later.61"] {
            assert_eq!(read(&entry(key.to_owned(), Some(Bytes::from_static(b"x")))), Reading::Nothing, "{key}");
        }
    }
}
