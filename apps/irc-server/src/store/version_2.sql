-- Nodes of a cluster may have given a certificate to two accounts at once: it logs in to neither then.
CREATE TABLE claims (
    fingerprint TEXT NOT NULL,      -- of a certificate, SHA-256
    account BLOB NOT NULL REFERENCES accounts ON DELETE CASCADE,
    PRIMARY KEY (fingerprint, account)
) STRICT, WITHOUT ROWID;

INSERT INTO claims SELECT fingerprint, account FROM fingerprints;
DROP TABLE fingerprints;
ALTER TABLE claims RENAME TO fingerprints;
CREATE INDEX fingerprints_by_account ON fingerprints (account);

-- Masks whose ban was set or lifted here, which the other nodes of a cluster do not know yet.
CREATE TABLE untold_bans (
    mask BLOB PRIMARY KEY,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
