use std::fs;

use super::{AUTHORITY, Pem, client};
use crate::remote_end::RemoteEnd;
use crate::tls::{Certificates, Server, TlsInfo};

use reactor::testing::Pair;

#[test]
fn each_name_gets_its_certificate_of_a_directory() {
    let directory = std::env::temp_dir().join(format!("protocols-sni-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    for (file, names) in
        [("a.example", &["a.example"][..]), ("more", &["b.example", "*.c.example"]), ("default", &["d.example"])]
    {
        let pem = Pem::of(names);
        fs::write(directory.join(format!("{file}.pem")), format!("{}{}", pem.chain, pem.key)).unwrap();
    }
    let certificates = Certificates::from_directory(&directory);
    fs::write(directory.join("wrong.pem"), AUTHORITY.pem()).unwrap();
    let wrong = Certificates::from_directory(&directory).unwrap_err().to_string();
    fs::remove_dir_all(&directory).unwrap();
    let none = Certificates::from_directory(&directory).unwrap_err().to_string();
    assert!(wrong.starts_with("there is no private key in ") && wrong.contains("wrong.pem"));
    assert!(none.starts_with("cannot read the directory "));

    let server = Server::new(certificates.unwrap());
    for (name, accepted) in
        [("a.example", true), ("B.example", true), ("x.c.example", true), ("d.example", true), ("e.example", false)]
    {
        let end = RemoteEnd::default();
        let mut pair =
            Pair::connect(client().around(name, end.factory()), server.around(RemoteEnd::default().factory()));
        pair.run_until_quiet();
        assert_eq!(end.is_connected(), accepted, "{name}");
        assert_eq!(accepted, end.is_connected() && TlsInfo::of(&end.transport()).is_some());
    }
}
