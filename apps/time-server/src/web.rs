//! The service for browsers: two pages, each with its web socket.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use protocols::policies::IdleTimeout;
use protocols::web_socket::WebSocket;
use reactor::io::TokioStream;
use reactor::{Factory, Protocol, Transport};
use sha2::{Digest, Sha256};

use crate::journal::Journal;
use crate::message::MessageStamper;
use crate::stamp::Stamps;
use crate::status;

/// Serves the pages, answers each message of a web socket at `/socket` with the time and the message, and tells one at
/// `/status/socket` what the server does. If `hosts` is not empty, requests for other hosts are refused.
pub(crate) fn factory(journal: &Arc<Journal>, stamps: Stamps, hosts: &[String]) -> impl Factory + use<> {
    let (journal, told) = (Arc::clone(journal), Arc::clone(journal));
    let socket = WebSocket::messages(move |socket, _| MessageStamper::new(socket, Arc::clone(&journal), stamps));
    let own = |socket: WebSocket| hosts.iter().fold(socket, |socket, host| socket.host(host));
    let pages = IdleTimeout::around(PATIENCE, Pages { hosts: hosts.into(), timer: None });
    let status = own(status::web_socket(&told)).path("/status/socket").otherwise(pages);
    own(socket).path("/socket").otherwise(status)
}

/// Builds the protocol that answers all other requests.
struct Pages {
    hosts: Rc<[String]>,
    timer: Option<Timer>,
}

impl Factory for Pages {
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let timer = self.timer.get_or_insert_with(|| Timer(transport.reactor().timer())).clone();
        let hosts = Rc::clone(&self.hosts);
        TokioStream::factory(move |stream| serve_page(stream, timer.clone(), Rc::clone(&hosts)))
            .build_protocol(transport)
    }
}

/// Answers the requests of one connection.
async fn serve_page(stream: TokioStream, timer: Timer, hosts: Rc<[String]>) -> io::Result<()> {
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(&request, &hosts)));
    let mut http = http1::Builder::new();
    // A client may end its stream with its request, as `nc -N` does, and is answered.
    http.timer(timer).header_read_timeout(HEAD).half_close(true);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    match connection.await {
        // No complete request arrived in time: there is nothing to report.
        Err(error) if error.is_timeout() => Ok(()),
        result => result.map_err(io::Error::other),
    }
}

fn answer(request: &Request<Incoming>, hosts: &[String]) -> Response<Full<Bytes>> {
    let text = |status: StatusCode| {
        let mut response = Response::new(Full::from(format!("{status}\n")));
        *response.status_mut() = status;
        response
    };
    let Some(host) = host(request) else { return text(StatusCode::BAD_REQUEST) };
    let is_own = |own: &String| own.eq_ignore_ascii_case(host.as_str()) || own.eq_ignore_ascii_case(host.host());
    if !hosts.is_empty() && !hosts.iter().any(is_own) {
        return text(StatusCode::MISDIRECTED_REQUEST);
    }
    let page = match request.uri().path() {
        "/" => &*PAGE,
        "/status" => &*STATUS,
        _ => return text(StatusCode::NOT_FOUND),
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED);
    }
    let mut response = Response::new(Full::from(page.text));
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, page.policy.clone());
    response
}

/// The host of a request, which must name it exactly once (RFC 9112, section 3.2).
fn host(request: &Request<Incoming>) -> Option<Authority> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = named.next()?.to_str().ok()?.parse().ok()?;
    if named.next().is_some() {
        return None;
    }
    // The host in a URL takes precedence over the field.
    Some(request.uri().authority().cloned().unwrap_or(host))
}

/// The reactor's time limits, in hyper's form.
#[derive(Clone)]
struct Timer(reactor::io::Timer);

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep(self.0.sleep_until(deadline)))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}

struct Sleep(reactor::io::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl hyper::rt::Sleep for Sleep {}

static PAGE: LazyLock<Page> = LazyLock::new(|| Page::new(include_str!("page.html")));
static STATUS: LazyLock<Page> = LazyLock::new(|| Page::new(include_str!("status.html")));

struct Page {
    text: &'static str,
    policy: HeaderValue,
}

impl Page {
    /// A page needs only itself and its socket: its own style and script by their hashes, no others, and nothing from
    /// elsewhere.
    fn new(text: &'static str) -> Self {
        let [style, script] = ["style", "script"].map(|element| BASE64.encode(&Sha256::digest(inside(text, element))));
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'"
        );
        Self { text, policy: HeaderValue::try_from(policy).expect("a policy is printable") }
    }
}

const HEADERS: [(header::HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-cache"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The text of a page's only element of this name.
fn inside(page: &'static str, element: &str) -> &'static str {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let text = page.split_once(&start).and_then(|(_, rest)| rest.split_once(&end));
    text.map_or("", |(text, _)| text)
}

/// How long a browser may keep a connection open without a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time limit for the head of a request, counted from the answer to the one before.
const HEAD: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpStream};

    use crate::arguments::Format;
    use reactor::Reactor;
    use reactor::testing::StringTransport;

    fn connect() -> StringTransport {
        connect_to(&[])
    }

    fn connect_to(hosts: &[&str]) -> StringTransport {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        StringTransport::connect(factory(
            &Arc::new(Journal::open(false, Format::Text).unwrap()),
            Stamps::default(),
            &hosts,
        ))
    }

    fn ask(request: &str) -> String {
        let mut wire = connect();
        wire.receive(format!("{request} HTTP/1.1\r\nHost: here\r\n\r\n"));
        assert!(wire.close_reason().is_none(), "the next request may follow");
        String::from_utf8(wire.take_written()).unwrap()
    }

    #[test]
    fn each_page_is_at_its_path_and_nothing_else_anywhere() {
        let answer = ask("GET /?ask=hello");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n"), "{answer}");
        assert!(answer.ends_with(PAGE.text));
        assert!(ask("GET /status").ends_with(STATUS.text));
        let answer = ask("HEAD /");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(ask("GET /favicon.ico").starts_with("HTTP/1.1 404"));
        assert!(ask("POST /").starts_with("HTTP/1.1 405") && ask("POST /status").starts_with("HTTP/1.1 405"));
        assert!(ask("GET /status/").starts_with("HTTP/1.1 404"));
    }

    const PAGES: [(&str, &LazyLock<Page>); 2] = [("GET /", &PAGE), ("GET /status", &STATUS)];

    #[test]
    fn a_page_may_run_its_own_script_and_nothing_else() {
        for (request, page) in PAGES {
            let answer = ask(request);
            let policy = answer.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
            assert!(!policy.contains("unsafe"), "{policy}");
            for (directive, element) in [("script-src", "script"), ("style-src", "style")] {
                assert_eq!(page.text.matches(&format!("<{element}")).count(), 1, "one hash allows one {element}");
                let text = inside(page.text, element);
                let hash = BASE64.encode(&Sha256::digest(text));
                assert!(!text.is_empty() && policy.contains(&format!("{directive} 'sha256-{hash}'; ")), "{policy}");
            }
            assert!(!page.text.contains(" style=") && !page.text.contains(" onclick="), "these would be refused");
        }
    }

    #[test]
    fn the_pages_name_nothing_elsewhere() {
        for (request, page) in PAGES {
            // The name of a namespace is not fetched.
            let rest = page.text.replace("http://www.w3.org/2000/svg", "");
            assert!(
                !["://", "src=", "@import", "url("].iter().any(|word| rest.contains(word)),
                "{request} is one file"
            );
        }
    }

    #[test]
    fn a_head_that_comes_in_drop_by_drop_is_not_waited_for() {
        let mut wire = connect();
        wire.receive("GET / HTTP/1.1\r\nHost: here\r\n\r\nGET / HTTP/1.1\r\n");
        for _ in 0..29 {
            wire.advance(Duration::from_secs(1));
            assert!(wire.close_reason().is_none());
            wire.receive("x");
        }
        wire.advance(Duration::from_secs(1));
        assert!(wire.close_reason().is_some());
    }

    #[test]
    fn a_client_that_ends_its_stream_with_its_request_is_answered() {
        let reactor = Reactor::new().unwrap();
        reactor.set_signal_handling(false);
        let pages = factory(&Arc::new(Journal::open(false, Format::Text).unwrap()), Stamps::default(), &[]);
        let port = reactor.listen_tcp("127.0.0.1:0", pages).unwrap();
        let address = port.host().socket_addr().unwrap();
        // hyper may or may not see the end before it has answered.
        let clients = reactor.defer_to_thread(move || {
            for _ in 0..300 {
                let mut client = TcpStream::connect(address).unwrap();
                client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(PAGE.text), "{answer}");
            }
        });
        reactor.run_until(clients).unwrap().unwrap();
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
            for (target, status) in [("/", status), ("/socket", if status == "200" { "426" } else { status })] {
                let mut wire = connect_to(&["here"]);
                wire.receive(format!("GET {target} HTTP/1.1\r\n{fields}\r\n"));
                let answer = String::from_utf8(wire.take_written()).unwrap();
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {answer}");
            }
        }
    }

    #[test]
    fn a_browser_that_asks_for_nothing_is_let_go() {
        let mut wire = connect();
        wire.receive("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        wire.advance(PATIENCE);
        assert!(wire.close_reason().unwrap().is_clean());
    }
}
