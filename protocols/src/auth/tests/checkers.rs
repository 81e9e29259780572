use std::collections::HashMap;
use std::time::Duration;

use reactor::testing::{Simulation, StringTransport};
use reactor::{CloseReason, Protocol, Reactor, Transport};

use super::*;
use crate::auth::{Token, UnixPeer, UnixUsers};
use crate::database::{ConnectionPool, WithoutTransactions};
use crate::remote_end::RemoteEnd;

/// Logs in by whatever the connection shows, and says the result.
struct ByPeer {
    transport: Transport,
    portal: Portal<Member>,
}

impl Protocol for ByPeer {
    fn connection_made(&mut self) {
        let peer = UnixPeer::of(&self.transport).unwrap();
        self.portal.login(&self.transport, peer, |this: &mut Self, result| {
            match result {
                Ok(login) => write!(this.transport, "{}", login.0),
                Err(error) => write!(this.transport, "{error}"),
            }
            this.transport.lose_connection();
        });
    }

    fn data_received(&mut self, _data: &[u8]) {}

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.transport.reactor().stop();
    }
}

/// What a server on a UNIX socket with this checker says to this process.
fn over_unix(users: UnixUsers) -> String {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;
    let portal = Portal::new(Members::default());
    portal.register_checker(users);
    let reactor = Reactor::new().unwrap();
    let (mut here, there) = UnixStream::pair().unwrap();
    reactor.adopt_stream_connection(there, move |transport| ByPeer { transport, portal: portal.clone() }).unwrap();
    reactor.run().unwrap();
    let mut said = String::new();
    here.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn a_user_of_this_machine_logs_in_by_the_name_of_the_account() {
    let me = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    assert_eq!(over_unix(UnixUsers::all()), me);
    assert_eq!(over_unix(UnixUsers::only([&*me])), me);
    assert_eq!(over_unix(UnixUsers::only(["nobody-of-this-name"])), "wrong name or password");
    let wire = StringTransport::connect(|_| Idle);
    assert!(UnixPeer::of(wire.transport()).is_none());
}

struct Idle;

impl Protocol for Idle {
    fn data_received(&mut self, _data: &[u8]) {}
}

#[test]
fn the_checker_that_was_registered_last_for_a_kind_is_asked() {
    let portal = Portal::new(Members::default());
    portal.register_checker(async |_: Password, _| Ok(Some("first".into())));
    portal.register_checker(async |_: Token, _| Ok(Some("other".into())));
    let mut wire = StringTransport::connect(serve(&portal));
    wire.receive("LOGIN a b\r\n");
    portal.register_checker(async |_: Password, _| Ok(None));
    wire.receive("LOGIN a b\r\n");
    assert_eq!(wire.written_text(), "OK first\r\nNO wrong name or password\r\n");
}

#[test]
fn a_checker_may_ask_a_database_and_its_failure_is_no_refusal() {
    let sim = Simulation::new(0);
    let (server, client) = (sim.host("server"), sim.host("client"));
    let connect = || Ok::<_, &str>(HashMap::from([("ann", cheap("secret").to_text()), ("eve", "broken".to_owned())]));
    let pool = ConnectionPool::new(&server, WithoutTransactions(connect));
    let portal = Portal::new(Members::default());
    portal.register_checker(async move |password: Password, reactor| {
        let name = password.name().to_owned();
        let hash = pool.run_interaction(move |hashes| Ok::<_, &str>(hashes.get(&*name).cloned()));
        let hash = hash.await.map_err(|error| LoginError::failed(error.to_string()))?;
        let hash = hash.map(|hash| hash.parse::<PasswordHash>()).transpose().map_err(LoginError::failed)?;
        Ok(password.matches(&reactor, hash.as_ref()).await?.then(|| password.name().into()))
    });
    server.listen_tcp("0.0.0.0:143", serve(&portal)).unwrap();
    let far = RemoteEnd::default();
    client.connect_tcp("server:143", far.factory());
    sim.run_for(Duration::from_secs(1));
    far.transport().write("LOGIN ann secret\r\n");
    sim.run_for(Duration::from_secs(1));
    far.transport().write("LOGIN ann other\r\nLOGIN bob secret\r\nLOGIN eve secret\r\n");
    sim.run_for(Duration::from_secs(10));
    let (refused, failed) = ("NO wrong name or password\r\n", "NO the login could not be checked\r\n");
    assert_eq!(String::from_utf8(far.received()).unwrap(), format!("OK ann\r\n{refused}{refused}{failed}"));
}

#[cfg(feature = "tls")]
#[test]
fn the_owner_of_a_certificate_logs_in() {
    use reactor::testing::Pair;

    use crate::auth::{CertificateTable, PeerCertificate};
    use crate::tls::{Certificates, Client, ClientCertificates, Roots, Server};

    let make = |name: &str| {
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (cert.pem(), Certificates::from_pem(cert.pem().as_bytes(), signing_key.serialize_pem().as_bytes()).unwrap())
    };
    let ((chain, own), (_, anns)) = (make("server"), make("ann"));
    let table = CertificateTable::new();
    let fingerprint = anns.fingerprints().next().unwrap();
    table.insert(fingerprint, "ann");
    let portal = Portal::new(Members::default());
    portal.register_checker::<PeerCertificate>(table.clone());
    let server = Server::new(own).client_certificates(ClientCertificates::fingerprints([fingerprint]));
    let client = Client::new().roots(Roots::from_pem(chain.as_bytes()).unwrap()).certificates(anns);
    let far = RemoteEnd::default();
    let mut pair = Pair::connect(client.around("server", far.factory()), server.around(serve(&portal)));
    pair.run_until_quiet();
    let mut ask = |line: &str| {
        let before = far.received().len();
        far.transport().write(format!("{line}\r\n"));
        pair.run_until_quiet();
        String::from_utf8(far.received()[before..].to_vec()).unwrap()
    };
    assert_eq!(ask("MECHANISMS"), "EXTERNAL\r\n");
    assert_eq!(ask("AUTH EXTERNAL ="), "OK ann\r\n");
    assert_eq!(ask(&format!("AUTH EXTERNAL {}", BASE64.encode(b"ann"))), "OK ann\r\n");
    assert_eq!(ask(&format!("AUTH EXTERNAL {}", BASE64.encode(b"bob"))), "NO wrong name or password\r\n");
    assert!(table.remove(fingerprint) && !table.remove(fingerprint));
    assert_eq!(ask("AUTH EXTERNAL ="), "NO wrong name or password\r\n");
}
