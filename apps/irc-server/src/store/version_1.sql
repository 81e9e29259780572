-- Times are milliseconds since the epoch of UNIX. Names are keyed by their lower case.

CREATE TABLE accounts (
    name BLOB PRIMARY KEY,
    shown BLOB NOT NULL,            -- as it was registered
    password TEXT NOT NULL,         -- a hash: see protocols::auth::PasswordHash
    created INTEGER NOT NULL,
    seen INTEGER NOT NULL           -- the last login
) STRICT, WITHOUT ROWID;

CREATE TABLE fingerprints (
    fingerprint TEXT PRIMARY KEY,   -- of a certificate, SHA-256
    account BLOB NOT NULL REFERENCES accounts ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX fingerprints_by_account ON fingerprints (account);

CREATE TABLE bans (
    mask BLOB PRIMARY KEY,
    reason BLOB NOT NULL,
    setter BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER                 -- never, if there is none
) STRICT, WITHOUT ROWID;

CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,      -- of a channel, or of two who talk, with a comma between
    shown BLOB NOT NULL,            -- as it was written last
    one BLOB,                       -- of two who talk
    other BLOB,
    kept INTEGER NOT NULL,          -- how many lines
    latest INTEGER NOT NULL
) STRICT;

CREATE INDEX targets_by_one ON targets (one, latest) WHERE one IS NOT NULL;
CREATE INDEX targets_by_other ON targets (other, latest) WHERE other IS NOT NULL;

CREATE TABLE lines (
    id INTEGER PRIMARY KEY,         -- in the order in which they came
    target INTEGER NOT NULL REFERENCES targets,
    at INTEGER NOT NULL,
    msgid BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    source BLOB NOT NULL,
    account BLOB,
    bot INTEGER NOT NULL,
    tags BLOB,
    text BLOB NOT NULL,
    shown BLOB NOT NULL             -- the target as it was written
) STRICT;

CREATE INDEX lines_by_target ON lines (target, at);

CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
