use crate::gallery::serve;
use std::io::{BufRead, BufReader, Write};

use crate::apps::net::connect;

#[test]
fn keys_are_looked_up_and_values_are_quoted() {
    let (_server, address) = serve("postfix_table", &["root=Jane Doe <jane@example.org>", "a key=50%", "empty"]);
    let mut client = BufReader::new(connect(address));
    for (request, answer) in [
        ("get root", "200 Jane%20Doe%20%3Cjane%40example%2Eorg%3E"),
        ("get a%20key", "200 50%25"),
        ("get empty", "200 "),
        ("get nobody", "500 no such key"),
        ("get", "400 Command 'get' takes 1 parameter."),
        ("put root me", "500 put is not implemented yet."),
        ("put root", "400 Command 'put' takes 2 parameters."),
        ("delete root", "400 unknown command"),
        ("", "400 unknown command"),
    ] {
        writeln!(client.get_mut(), "{request}").unwrap();
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{answer}\n"), "{request}");
    }
}
