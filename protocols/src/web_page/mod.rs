//! A page of HTML for browsers, and nothing else.

use std::fmt;
use std::future::ready;
use std::rc::Rc;

use data_encoding::BASE64;
use http::Request;
use reactor::{Factory, Protocol, Reactor, Transport};
use sha2::{Digest, Sha256};

use crate::http1::{Answer, OneAnswer, Refusal, Responder, check_host, host_of};

/// A factory of servers that answer `GET /` with one page, and anything else with a refusal. It is meant for the page from which
/// people use a program that speaks by [web sockets](crate::web_socket), at the same port:
///
/// ```no_run
/// use protocols::web_page::WebPage;
/// use protocols::web_socket::WebSocket;
/// use protocols::wire::Echo;
/// use reactor::Reactor;
///
/// let page = WebPage::new("<!DOCTYPE html><title>Echo</title><script>new WebSocket('/socket').onopen = …</script>");
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:8080", WebSocket::around(Echo::new).path("/socket").otherwise(page))?;
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # What the page may do
///
/// Its [policy](https://www.w3.org/TR/CSP3/) allows the page's own elements `<style>` and `<script>`, by their hashes; pictures in
/// `data:` URLs; and connections to the server that it came from. It allows nothing from elsewhere, no attributes `style` or
/// `onclick`, no forms that are sent, no frames around the page, and no text that becomes HTML or a script (trusted types). The
/// two elements must have no attributes, for it is by `<style>` and `<script>` that they are found.
///
/// # Limits
///
/// Each connection has one answer. A client has 10 s for its request, of at most 8 KiB, and 60 s to take the answer. Requests for
/// [other hosts](Self::host) are refused if this server's names are known.
#[derive(Clone)]
pub struct WebPage(Rc<Page>);

#[derive(Clone)]
struct Page {
    path: String,
    html: String,
    hosts: Vec<String>,
    fields: String,
}

impl WebPage {
    /// Serves this page, which is UTF-8, at the path `/`.
    pub fn new(html: impl Into<String>) -> Self {
        let html = html.into();
        let [scripts, styles] = ["script", "style"].map(|element| hashes(&html, element));
        let fields = format!(
            "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\nReferrer-Policy: no-referrer\r\n\
             Content-Security-Policy: default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'\r\n"
        );
        Self(Rc::new(Page { path: "/".into(), html, hosts: Vec::new(), fields }))
    }

    /// Serves it at this path instead, such as `/status`. The query after `?` is ignored.
    pub fn path(mut self, path: &str) -> Self {
        Rc::make_mut(&mut self.0).path = path.to_owned();
        self
    }

    /// A name of this server, as in the `Host` field of requests: `example.org` at any port, or `example.org:8080` at that port
    /// only. If at least one is set, requests for other hosts are refused with 421 (Misdirected Request), as by
    /// [`WebSocket::host`](crate::web_socket::WebSocket::host).
    pub fn host(mut self, name: &str) -> Self {
        Rc::make_mut(&mut self.0).hosts.push(name.to_owned());
        self
    }
}

/// The sources in a policy that allow the elements of this name; `'none'` if there are none.
fn hashes(html: &str, element: &str) -> String {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let texts = html.split(&start).skip(1).filter_map(|rest| rest.split_once(&end));
    let hashes: Vec<_> = texts.map(|(text, _)| format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)))).collect();
    if hashes.is_empty() { "'none'".into() } else { hashes.join(" ") }
}

impl Responder for WebPage {
    fn path(&self) -> &str {
        &self.0.path
    }

    fn respond(
        &self,
        _: Reactor,
        request: Request<()>,
    ) -> impl Future<Output = Result<Answer, Refusal>> + use<> + 'static {
        let Page { html, hosts, fields, .. } = &*self.0;
        let is_own = host_of(&request).and_then(|host| check_host(host, hosts));
        ready(is_own.map(|()| Answer { fields: fields.clone(), body: html.clone() }))
    }
}

impl Factory for WebPage {
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        Some(Box::new(OneAnswer::new(transport, self.clone())))
    }
}

impl fmt::Debug for WebPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebPage").field("path", &self.0.path).field("hosts", &self.0.hosts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
