//! The service for browsers: a page, and the web socket that it talks over.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use protocols::policies::IdleTimeout;
use protocols::web_socket::WebSocket;
use reactor::Factory;
use reactor::io::TokioStream;

use crate::by_chunk;
use crate::journal::Journal;

/// Serves the page, and answers each message of a web socket at `/socket` with the time and the message.
pub(crate) fn factory(journal: &Rc<Journal>) -> impl Factory + use<> {
    WebSocket::around(by_chunk(journal))
        .path("/socket")
        .text()
        .otherwise(IdleTimeout::around(PATIENCE, TokioStream::factory(serve_page)))
}

/// Answers the requests of one connection.
async fn serve_page(stream: TokioStream) -> io::Result<()> {
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(&request)));
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let text = |status: StatusCode| {
        let mut response = Response::new(Full::from(format!("{status}\n")));
        *response.status_mut() = status;
        response
    };
    match (request.uri().path(), request.method()) {
        ("/", &Method::GET | &Method::HEAD) => {
            let mut response = Response::new(Full::from(PAGE));
            for (name, value) in HEADERS {
                response.headers_mut().insert(name, header::HeaderValue::from_static(value));
            }
            response
        }
        ("/", _) => text(StatusCode::METHOD_NOT_ALLOWED),
        _ => text(StatusCode::NOT_FOUND),
    }
}

const PAGE: &str = include_str!("page.html");

/// The page needs nothing but itself and its socket.
const HEADERS: [(header::HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-cache"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
];

/// How long a browser may keep a connection on which it asks for nothing.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    use reactor::testing::StringTransport;

    fn connect() -> StringTransport {
        StringTransport::connect(factory(&Rc::new(Journal::open(false).unwrap())))
    }

    fn ask(request: &str) -> String {
        let mut wire = connect();
        wire.receive(format!("{request} HTTP/1.1\r\nHost: here\r\n\r\n"));
        assert!(wire.close_reason().is_none(), "the next request may follow");
        String::from_utf8(wire.take_written()).unwrap()
    }

    #[test]
    fn the_page_is_at_the_root_and_nothing_else_anywhere() {
        let answer = ask("GET /?ask=hello");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n"), "{answer}");
        assert!(answer.ends_with(PAGE));
        let answer = ask("HEAD /");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(ask("GET /favicon.ico").starts_with("HTTP/1.1 404"));
        assert!(ask("POST /").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn a_browser_that_asks_for_nothing_is_let_go() {
        let mut wire = connect();
        wire.receive("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        wire.advance(PATIENCE);
        assert!(wire.close_reason().unwrap().is_clean());
    }
}
