use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::program::Node;
use crate::server::Server;

/// Makes an authority, and a certificate of it for `localhost`.
fn certificates(folder: &Path) {
    let authority_key = KeyPair::generate().expect("there is randomness");
    let mut authority = CertificateParams::new(Vec::new()).expect("it has no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).expect("the key is its own");
    std::fs::write(folder.join("authority.pem"), certificate.pem()).expect("the folder is writable");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("there is randomness");
    let server = CertificateParams::new(["localhost".to_owned()]).expect("it is a name");
    let certificate = server.signed_by(&key, &issuer).expect("the authority may sign");
    std::fs::write(folder.join("server.pem"), certificate.pem()).expect("the folder is writable");
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).expect("the folder is writable");
}

/// What the README says of NATS, for the network and the files of this test.
fn configuration(folder: &Path) -> String {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("```text\ntls {").expect("the README has a configuration");
    let (block, _) = block.split_once("```").expect("it ends");
    let path = |name: &str| format!("\"{}\"", folder.join(name).display());
    format!("tls {{{block}")
        .replace("Example", "Test")
        .replace('…', "secret")
        .replace("\"server.pem\"", &path("server.pem"))
        .replace("\"key.pem\"", &path("key.pem"))
}

#[test]
fn nodes_reach_each_other_by_a_server_with_tls_and_the_rights_that_the_readme_gives_them() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    certificates(folder.path());
    let file = folder.path().join("nats.conf");
    std::fs::write(&file, configuration(folder.path())).expect("the folder is writable");
    let Some(nats) = Server::start(&["-c", &file.to_string_lossy()]) else { return };
    let url = format!("tls://irc:secret@localhost:{}", nats.port());
    let authority = folder.path().join("authority.pem");
    let [one, two] = ["one", "two"].map(|name| Node::start_with(name, Some(&url), &[("SSL_CERT_FILE", &authority)]));
    let mut ann = one.member("ann", &[]);
    let mut bob = two.member("bob", &["ann"]);
    ann.wait_for(&["bob"]);
    ann.say("ann", 0..1);
    bob.line("ann 0.");
    ann.ask("NS REGISTER sesame-open", "is yours");
    ann.ask("NS PASSWD sesame-open sesame-close", "is changed");
    ann.ask("NICK ann_", " NICK ");
    two.until_account("ann", true);
    two.operator().ask("KLINE *nobody@* :spam", "Banned: ");
    ann.ask("NS DROP sesame-close", "is removed");
    two.until_account("ann", false);

    // Another, which does not know the authority, is not among them.
    let stranger = Node::start(&url, "stranger");
    let mut eve = stranger.user("eve");
    eve.ask("NS REGISTER sesame-open", "Try again later");
    assert!(eve.ask("LUSERS", " 251 ").contains("1 users"));
}
