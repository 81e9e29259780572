use std::time::Duration;

use reactor::CloseReason;
use reactor::testing::{StringTransport, every_cut};

use super::*;
use crate::web_socket::WebSocket;
use crate::wire::Echo;

const HTML: &str = "<!DOCTYPE html><style>a{}</style><script>1</script><p>é</p><script>2</script>";

fn ask_of(factory: impl Factory, request: &str) -> String {
    let mut wire = StringTransport::connect(factory);
    wire.receive(request);
    assert!(wire.close_reason().is_some_and(|reason| reason.is_clean()), "each connection has one answer");
    wire.written_text().to_owned()
}

fn get(target: &str) -> String {
    ask_of(WebPage::new(HTML), &format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n"))
}

#[test]
fn the_page_is_at_its_path_and_nothing_else_anywhere() {
    for target in ["/", "/?ask=hello", "http://here/"] {
        let answer = get(target);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"), "{answer}");
        assert!(answer.contains(&format!("\r\nContent-Length: {}\r\n", HTML.len())), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{HTML}")), "{answer}");
    }
    for target in ["/favicon.ico", "//", "/index.html", "/%2f"] {
        assert!(get(target).starts_with("HTTP/1.1 404 "), "{target}");
    }
    let head = ask_of(WebPage::new(HTML), "HEAD / HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(get("/").starts_with(&head) && head.ends_with("\r\n\r\n"), "{head}");
    let refusal = ask_of(WebPage::new(HTML), "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\nx");
    assert!(refusal.starts_with("HTTP/1.1 405 ") && refusal.contains("\r\nAllow: GET, HEAD\r\n"), "{refusal}");
    let elsewhere = ask_of(WebPage::new(HTML).path("/page"), "GET /page HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(elsewhere.ends_with(HTML), "{elsewhere}");
}

#[test]
fn its_policy_allows_its_own_elements_by_their_hashes_and_nothing_else() {
    let policy = |html: &str| {
        let answer = ask_of(WebPage::new(html), "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        answer.lines().find_map(|line| line.strip_prefix("Content-Security-Policy: ")).unwrap().to_owned()
    };
    // As `printf 1 | openssl dgst -sha256 -binary | base64` says.
    let one = "'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='";
    let two = "'sha256-1HNeOiZeFu7gP1lxi5tdAwGcB9i2xR+Q2jpmbuwTqzU='";
    assert!(policy(HTML).contains(&format!("script-src {one} {two}; style-src 'sha256-")), "{}", policy(HTML));
    assert!(policy(HTML).starts_with("default-src 'none'; ") && !policy(HTML).contains("unsafe"));
    assert!(policy("<p>text</p>").contains("script-src 'none'; style-src 'none'; "));
    // The browser refuses what is not found.
    assert!(policy("<script async>1</script>").contains("script-src 'none'; "));
}

#[test]
fn requests_name_one_host_and_that_of_this_server_if_it_has_names() {
    for (status, fields) in [
        ("200", "Host: here:8080\r\n"),
        ("200", "Host: HERE\r\n"),
        ("421", "Host: there\r\n"),
        ("421", "Host: here.there\r\n"),
        ("400", ""),
        ("400", "Host: here\r\nHost: here\r\n"),
        ("400", "Host: he/re\r\n"),
    ] {
        let answer = ask_of(WebPage::new(HTML).host("here"), &format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {answer}");
        assert_eq!(answer.ends_with(HTML), status == "200", "{answer}");
    }
}

#[test]
fn it_is_beside_a_web_socket() {
    let both = || WebSocket::around(Echo::new).path("/socket").otherwise(WebPage::new(HTML));
    assert!(ask_of(both(), "GET / HTTP/1.1\r\nHost: here\r\n\r\n").ends_with(HTML));
    assert!(ask_of(both(), "GET /socket HTTP/1.1\r\nHost: here\r\n\r\n").starts_with("HTTP/1.1 426 "));
    assert!(ask_of(both(), "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

#[test]
fn the_answer_does_not_depend_on_how_the_request_is_cut() {
    every_cut("GET / HTTP/1.1\r\nHost: here\r\n\r\nmore", |pieces| {
        let mut wire = StringTransport::connect(WebPage::new(HTML));
        for piece in pieces {
            wire.receive(piece);
        }
        (wire.take_written(), wire.close_reason().is_some_and(|reason| reason.is_clean()))
    });
}

#[test]
fn a_client_that_does_not_ask_or_does_not_take_its_answer_in_time_is_reset() {
    for (request, patience) in [("GET / HTTP/1.1\r\n", 10), ("GET / HTTP/1.1\r\nHost: here\r\n\r\n", 60)] {
        let mut wire = StringTransport::connect(WebPage::new(HTML));
        wire.stall(true);
        wire.receive(request);
        wire.advance(Duration::from_secs(patience - 1));
        assert!(wire.close_reason().is_none(), "{request}");
        wire.advance(Duration::from_secs(1));
        assert!(wire.was_reset() && matches!(wire.close_reason(), Some(CloseReason::TimedOut)), "{request}");
    }
}
