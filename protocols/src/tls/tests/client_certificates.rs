use super::{Pem, Wire, client, roots, self_signed, server};
use crate::tls::{Certificates, ClientCertificates, TlsInfo};

#[test]
fn a_required_client_certificate_is_verified_and_shown() {
    let server = server().client_certificates(ClientCertificates::required(roots()));
    let own = Pem::of(&["someone.example"]).certificates();
    let wire = Wire::between(&client().certificates(own.clone()), &server);
    let shown = TlsInfo::of(&wire.server.transport()).unwrap().peer_fingerprint();
    assert_eq!(shown, own.fingerprints().next());
    let mut wire = Wire::between(&client(), &server);
    assert!(!wire.server.is_connected());
    assert_eq!(wire.reasons()[1], "the peer presented no certificate, and one is required");
    let lost = wire.client.lost().unwrap().to_string();
    assert_eq!(lost, "server.example ended the connection: it requires a certificate of this side");
}

#[test]
fn an_optional_client_certificate_may_be_left_out_but_not_be_wrong() {
    let server = server().client_certificates(ClientCertificates::optional(roots()));
    let wire = Wire::between(&client(), &server);
    assert!(TlsInfo::of(&wire.server.transport()).unwrap().peer_fingerprint().is_none());
    let own = self_signed("me.example");
    let mut wire = Wire::between(&client().certificates(own.certificates()), &server);
    assert!(wire.reasons()[1].starts_with("the certificate of the peer was not issued by an authority"));
}

#[test]
fn client_certificates_may_be_accepted_by_their_fingerprints() {
    let (own, other) = (Pem::of(&["a.example"]).certificates(), Pem::of(&["b.example"]).certificates());
    let server = server().client_certificates(ClientCertificates::fingerprints(own.fingerprints()));
    assert!(Wire::between(&client().certificates(own), &server).server.is_connected());
    let mut wire = Wire::between(&client().certificates(other), &server);
    assert_eq!(wire.reasons()[1], "the certificate of the peer is not one of the accepted ones");
}

#[test]
fn any_client_certificate_may_be_accepted_and_left_out() {
    let server = server().client_certificates(ClientCertificates::any());
    let own = self_signed("me.example").certificates();
    let wire = Wire::between(&client().certificates(own.clone()), &server);
    let shown = TlsInfo::of(&wire.server.transport()).unwrap().peer_fingerprint();
    assert_eq!(shown, own.fingerprints().next());
    let wire = Wire::between(&client(), &server);
    assert!(TlsInfo::of(&wire.server.transport()).unwrap().peer_fingerprint().is_none());
}

#[test]
fn a_session_begun_without_a_certificate_is_not_resumed_where_one_is_required() {
    let (open, client) = (server(), client());
    let strict = open.clone().client_certificates(ClientCertificates::required(roots()));
    assert!(Wire::between(&client, &open).server.is_connected());
    let mut wire = Wire::between(&client, &strict);
    assert!(!wire.server.is_connected());
    assert_eq!(wire.reasons()[1], "the peer presented no certificate, and one is required");
}

#[test]
fn client_certificates_may_be_changed_while_the_server_serves_and_sessions_do_not_outlive_that() {
    let (one, other) = (Pem::of(&["one.example"]).certificates(), Pem::of(&["other.example"]).certificates());
    let accepting = |certificates: &Certificates| ClientCertificates::fingerprints(certificates.fingerprints());
    let server = server().client_certificates(accepting(&one));
    // What was made of it before counts, too.
    let clone = server.clone();
    let [of_one, of_other] = [&one, &other].map(|own| client().certificates(own.clone()));
    let before = Wire::between(&of_one, &clone);
    assert!(before.server.is_connected() && !Wire::between(&of_other, &clone).server.is_connected());

    // The same again changes nothing.
    server.reload_client_certificates(accepting(&one));
    let again = Wire::between(&of_one, &clone);
    assert!(TlsInfo::of(&again.server.transport()).unwrap().is_resumed());

    server.reload_client_certificates(accepting(&other));
    assert!(Wire::between(&of_other, &clone).server.is_connected());
    let mut refused = Wire::between(&of_one, &clone);
    assert!(!refused.server.is_connected());
    assert_eq!(refused.reasons()[1], "the certificate of the peer is not one of the accepted ones");
    assert!(before.server.lost().is_none());
}
