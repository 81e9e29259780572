use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use reactor::CloseReason;

use super::{Pem, Wire, client, self_signed, server};
use crate::tls::{Certificates, Client, Fingerprint, Roots, Server, TlsError};

/// Why a client refuses a server that presents this.
fn refusal(server: &Pem) -> String {
    let mut wire = Wire::between(&client(), &Server::new(server.certificates()));
    assert!(!wire.client.is_connected() && !wire.server.is_connected());
    wire.reasons()[0].clone()
}

#[test]
fn s195_a_certificate_for_another_name_fails_the_attempt_to_connect() {
    assert_eq!(
        refusal(&Pem::of(&["other.example", "*.server.example"])),
        "the certificate of server.example is for other names: other.example, *.server.example"
    );
}

#[test]
fn a_certificate_is_judged_by_the_reactors_time() {
    let expired = Pem::with(&["server.example"], |params| params.not_after = date_time_ymd(1999, 12, 31));
    assert_eq!(
        refusal(&expired),
        "the certificate of server.example expired at 1999-12-31T00:00:00Z; it is 2000-01-01T00:00:00Z"
    );
    let early = Pem::with(&["server.example"], |params| params.not_before = date_time_ymd(2000, 1, 2));
    assert_eq!(
        refusal(&early),
        "the certificate of server.example is not valid before 2000-01-02T00:00:00Z; it is 2000-01-01T00:00:00Z"
    );
}

#[test]
fn s205_a_certificate_of_an_unknown_authority_is_refused_unless_it_is_known() {
    let own = self_signed("server.example");
    let expected = "the certificate of server.example was not issued by an authority that this side trusts, or \
                    intermediate certificates were not sent";
    assert_eq!(refusal(&own), expected);
    // Unless it is known.
    let fingerprint = own.certificates().fingerprints().next().unwrap();
    let wire = Wire::between(&Client::new().fingerprint(fingerprint), &Server::new(own.certificates()));
    assert!(wire.client.is_connected());
    let mut wire = Wire::between(&Client::new().fingerprint(fingerprint), &server());
    assert_eq!(wire.reasons()[0], "the certificate of server.example is not one of the accepted ones");
    // Or anything goes.
    let wire = Wire::between(&Client::new().danger_accept_any_server(), &Server::new(own.certificates()));
    assert!(wire.client.is_connected());
}

#[test]
fn the_reason_can_be_told_from_others() {
    let wire = Wire::between(&client(), &Server::new(Pem::of(&["other.example"]).certificates()));
    let Some(CloseReason::Failed(error)) = wire.pair.client.close_reason() else { panic!("no failure") };
    let error = error.downcast_ref::<TlsError>().unwrap();
    assert!(std::error::Error::source(error).is_some());
}

#[test]
fn a_key_that_belongs_to_another_certificate_is_told() {
    let (one, other) = (Pem::of(&["a"]), Pem::of(&["b"]));
    let told =
        |chain: &str, key: &str| Certificates::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        told(&one.chain, &other.key),
        "the private key in the key's text does not belong to the first certificate in the certificate's text"
    );
    assert_eq!(
        told(&one.key, &one.key),
        "there is no certificate in the certificate's text: a certificate begins with -----BEGIN CERTIFICATE-----"
    );
    assert_eq!(
        told(&one.chain, &one.chain),
        "there is no private key in the key's text: a key begins with -----BEGIN PRIVATE KEY-----"
    );
    let error = Roots::from_pem_file("/nonexistent/\x1b.pem").unwrap_err().to_string();
    assert_eq!(error, "cannot read /nonexistent/\\x1b.pem: No such file or directory (os error 2)");
}

#[test]
fn a_certificate_that_is_also_its_authority_is_refused_with_advice() {
    let mut params = CertificateParams::new(vec!["server.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(1990, 1, 1);
    let key = KeyPair::generate().unwrap();
    let own = Pem { chain: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
    let client = Client::new().roots(Roots::from_pem(own.chain.as_bytes()).unwrap());
    let mut wire = Wire::between(&client, &Server::new(own.certificates()));
    let expected = "the certificate of server.example is that of an authority (CA:TRUE), which cannot also be a server's or \
                    a client's: have the authority issue another, or know it by its fingerprint";
    assert_eq!(wire.reasons()[0], expected);
}

#[test]
fn a_certificate_of_an_old_version_is_told_when_it_is_read() {
    // By `openssl x509 -req` without `-extfile`.
    let old = "-----BEGIN CERTIFICATE-----\n\
               MIIBKTCB0AIUVyb2NL/geXgJjzF2XBPhzDW9/zUwCgYIKoZIzj0EAwIwFzEVMBMG\n\
               A1UEAwwMTXkgYXV0aG9yaXR5MB4XDTI2MTEyOTE0MzQwM1oXDTI3MDIyNzE0MzQw\n\
               M1owGDEWMBQGA1UEAwwNc2hvdXQuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49\n\
               AwEHA0IABMiQUTZWD7LUhhAjnxi6cLX+9szbF2Av0znWscOpAKLON+JzJ60sVSo+\n\
               UkdmgKQOONC2aigJsimebsZBlbRvoHQwCgYIKoZIzj0EAwIDSAAwRQIgB3h/x+l4\n\
               aWrqOnwcpHqQ1iIa59McaCEfP99qWJipi9ACIQCb6RtAikHaIwWolN69VCHi3TL5\n\
               3A0wWcUc3Iu5YGbRgA==\n\
               -----END CERTIFICATE-----";
    let wrong = Certificates::from_pem(old.as_bytes(), Pem::of(&["server.example"]).key.as_bytes()).unwrap_err();
    let expected = "the first certificate in the certificate's text is not of version 3: have it issued anew, with its names \
                    as subjectAltName";
    assert_eq!(wrong.to_string(), expected);
}

#[test]
fn a_fingerprint_is_read_as_openssl_prints_it() {
    let fingerprint = Fingerprint::of(b"x");
    assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    assert!("12:34".parse::<Fingerprint>().unwrap_err().to_string().contains("64 hexadecimal digits"));
    assert!("g".repeat(64).parse::<Fingerprint>().is_err());
}
