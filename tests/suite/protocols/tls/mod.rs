//! Both ends of TLS with other implementations.

pub(crate) mod authority;
mod gnutls;
mod haproxy;
mod keys;
mod openssl;
mod openssl_server;
mod python;
mod simulated;
mod twisted;

use std::net::SocketAddr;

use protocols::tls::{Client, Server, TlsInfo};
use reactor::Transport;
use rig::peer;
use rig::peer::Serving;

use crate::support::datagrams::LOOPBACK;
use crate::support::{Callback, Log, Recorder, echo, in_time, recorder, test_reactor};

pub(crate) use authority::Authority;

/// The name that certificates are for.
pub(crate) const NAME: &str = "server.example";

/// What was negotiated, such as `TLS 1.3 for server.example by h2 without a certificate`.
fn negotiated(transport: &Transport) -> String {
    let tls = TlsInfo::of(transport).expect("the connection is secure");
    let name = tls.server_name().map_or_else(String::new, |name| format!(" for {name}"));
    let alpn = tls.alpn_protocol().map_or_else(String::new, |alpn| format!(" by {}", alpn.escape_ascii()));
    let peer = if tls.peer_fingerprint().is_some() { "with" } else { "without" };
    let resumed = if tls.is_resumed() { ", resumed" } else { "" };
    format!("{}{name}{alpn} {peer} a certificate{resumed}", tls.version())
}

fn tells_what_is_negotiated(recorder: Recorder) -> Recorder {
    recorder.on(Callback::Made, |this| this.log.add(negotiated(&this.transport)))
}

/// An echo that logs.
fn serve(tls: &Server) -> (Serving, Log) {
    let log = Log::default();
    let (tls, logged) = (tls.clone(), log.clone());
    let factory = move || tls.around(recorder(&logged, |recorder| tells_what_is_negotiated(echo(recorder))));
    (peer::serve(move |reactor| reactor.listen_tcp(LOOPBACK, factory())), log)
}

/// Connects to a server that answers each line with one, says `hello` and then `last`, closes, and returns the log; or says
/// why not.
pub(crate) fn talk(tls: &Client, server: SocketAddr) -> Result<Vec<String>, String> {
    let tls = tls.clone();
    in_time(move || {
        let (reactor, log) = (test_reactor(), Log::default());
        let talking = recorder(&log, |recorder| {
            let recorder = tells_what_is_negotiated(recorder);
            let recorder = recorder.on(Callback::Made, |this| this.transport.write("hello\n"));
            recorder.on(Callback::Data, |this| match this.log.received().split(|byte| *byte == b'\n').count() - 1 {
                1 if this.data.ends_with(b"\n") => this.transport.write("last\n"),
                2 => this.transport.lose_connection(),
                _ => {}
            })
        });
        let connector = reactor.connect_tcp(server, tls.around(NAME, talking));
        match reactor.run_until(connector.finished()).unwrap() {
            Ok(_) => Ok(log.lines()),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// What `talk` returns if all is well.
fn talked(negotiated: &str) -> Result<Vec<String>, String> {
    Ok(["made", negotiated, "data hello\nlast\n", "lost Done", "dropped"].map(str::to_owned).to_vec())
}
