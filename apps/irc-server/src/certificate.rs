//! The certificate that a server makes for itself.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair};

/// Makes sure that there is a certificate and its key in this file: if there is no such file, makes one, for this name and
/// `localhost`, which nobody but the server's user can read.
///
/// # Errors
///
/// If it cannot be made or written.
pub(crate) fn ensure(path: &Path, name: &str) -> io::Result<()> {
    if fs::exists(path)? {
        return Ok(());
    }
    let pem = make(name).map_err(io::Error::other)?;
    // Elsewhere first: a file that is half written would be found by the next start.
    let unfinished = path.with_extension("pem.new");
    let _ = fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    match fs::hard_link(&unfinished, path) {
        // Another process was faster.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::remove_file(&unfinished)
}

fn make(name: &str) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new([name.to_owned(), "localhost".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    Ok(params.self_signed(&key)?.pem() + &key.serialize_pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::PermissionsExt as _;

    use protocols::tls::Certificates;

    #[test]
    fn a_certificate_is_made_once_and_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("irc.pem");
        let fingerprint = || {
            ensure(&path, "irc.example.org").unwrap();
            Certificates::from_pem_files(&path, &path).unwrap().fingerprints().next()
        };
        let first = fingerprint();
        assert!(first.is_some() && first == fingerprint());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
