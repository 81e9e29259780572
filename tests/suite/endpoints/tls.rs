//! `tls:` over TCP and around other endpoints.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use reactor::endpoint::{ServerEndpoint, server_from_string};
use reactor::threads::RemoteReactor;
use reactor::{Port, Reactor, Transport, run_on_threads};
use rig::peer;
use rig::ready_made::any_server;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};

use crate::protocols::tls::authority::Issued;
use crate::protocols::tls::{Authority, NAME, talk};
use crate::support::{Log, Recorder, echo, in_time, test_reactor};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Begins a connection, sends this, and has it back.
fn connect(config: &Arc<ClientConfig>, address: SocketAddr, message: &str) -> Stream {
    let session = ClientConnection::new(Arc::clone(config), NAME.try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, peer::connect(address));
    stream.write_all(message.as_bytes()).unwrap();
    let mut answer = vec![0; message.rsplit('\n').next().unwrap().len()];
    stream.read_exact(&mut answer).unwrap();
    stream
}

fn is_resumed(stream: &Stream) -> bool {
    stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// An endpoint on a port that the system chooses.
fn endpoint(reactor: &Reactor, description: &str) -> Box<dyn ServerEndpoint> {
    protocols::add_endpoint_schemes(reactor);
    server_from_string(reactor, description).unwrap()
}

fn pair(issued: &Issued) -> String {
    format!("certificate={}:key={}", issued.chain.display(), issued.key.display())
}

async fn listen(endpoint: &dyn ServerEndpoint, log: &Log) -> (Port, SocketAddr) {
    let log = log.clone();
    let factory = move |transport: Transport| {
        log.add(transport.peer().to_string());
        echo(Recorder::new(transport, Log::default()))
    };
    let port = endpoint.listen(Box::new(factory)).await.unwrap();
    let address = port.host().socket_addr().unwrap();
    (port, address)
}

/// Does something that blocks.
async fn beside<T: Send + 'static>(reactor: &Reactor, act: impl FnOnce() -> T + Send + 'static) -> T {
    reactor.defer_to_thread(act).await.unwrap()
}

#[test]
fn a_session_is_resumed_on_whichever_thread_the_next_connection_is() {
    let authority = Authority::new();
    let description = format!("tls:0:interface=127.0.0.1:{}", pair(&authority.issue("server", &[NAME])));
    let (served, remotes) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::<RemoteReactor>::new())));
    let (address, addresses) = std::sync::mpsc::channel();
    let (counted, stopping) = (Arc::clone(&served), Arc::clone(&remotes));
    let serving = thread::spawn(move || {
        run_on_threads(2, |reactor| {
            reactor.set_signal_handling(false);
            stopping.lock().unwrap().push(reactor.remote());
            let (served, number) = (Arc::clone(&counted), reactor.thread_number());
            let factory = move |transport: Transport| {
                served.lock().unwrap().push(number);
                echo(Recorder::new(transport, Log::default()))
            };
            let (endpoint, address) = (endpoint(reactor, &description), address.clone());
            reactor.spawn(async move {
                let port = endpoint.listen(Box::new(factory)).await.unwrap();
                address.send(port.host().socket_addr().unwrap()).unwrap();
            });
            Ok(())
        })
    });
    let [one, other] = [addresses.recv().unwrap(), addresses.recv().unwrap()];
    let config = Arc::new(any_server());
    // Each stays, so that the next one goes to the other thread.
    let streams: Vec<_> =
        [one, other].repeat(3).into_iter().map(|address| connect(&config, address, "hello")).collect();
    let resumed: Vec<_> = streams.iter().map(is_resumed).collect();
    assert_eq!(resumed, [false, true, true, true, true, true]);
    let served = served.lock().unwrap().clone();
    assert!(served.contains(&0) && served.contains(&1), "{served:?}");
    remotes.lock().unwrap()[0].stop();
    serving.join().unwrap().unwrap();
}

#[test]
fn a_session_outlives_the_port_if_the_endpoint_is_listened_on_again() {
    let authority = Authority::new();
    let description = format!("tls:0:interface=127.0.0.1:{}", pair(&authority.issue("server", &[NAME])));
    in_time(move || {
        let reactor = test_reactor();
        let (endpoint, config) = (endpoint(&reactor, &description), Arc::new(any_server()));
        let mut resumed = Vec::new();
        let restarting = async {
            for _ in 0..2 {
                let (port, address) = listen(&*endpoint, &Log::default()).await;
                let config = Arc::clone(&config);
                resumed.push(beside(&reactor, move || is_resumed(&connect(&config, address, "hello"))).await);
                port.stop_listening().await;
            }
        };
        reactor.run_until(restarting).unwrap();
        assert_eq!(resumed, [false, true]);
    });
}

#[test]
fn a_reload_counts_for_the_authorities_of_clients_too_and_a_wrong_file_changes_nothing() {
    let (authority, others) = (Authority::new(), Authority::new());
    let trusted = authority.folder().join("clients.pem");
    fs::copy(authority.path(), &trusted).unwrap();
    let served = pair(&authority.issue("server", &[NAME]));
    let description = format!("tls:0:interface=127.0.0.1:{served}:client-ca={}", trusted.display());
    let [ours, theirs] = [&authority, &others]
        .map(|issuer| authority.client().certificates(issuer.issue("client", &["me.example"]).certificates()));
    in_time(move || {
        let reactor = test_reactor();
        let endpoint = endpoint(&reactor, &description);
        let accepted = async |tls: &protocols::tls::Client, address| {
            let tls = tls.clone();
            // The client's part of the handshake is over before the server has looked.
            let outcome = beside(&reactor, move || talk(&tls, address)).await;
            outcome.is_ok_and(|lines| lines.contains(&"lost Done".to_owned()))
        };
        let reloading = async {
            let (_port, address) = listen(&*endpoint, &Log::default()).await;
            assert!(accepted(&ours, address).await && !accepted(&theirs, address).await);
            fs::write(&trusted, "nonsense").unwrap();
            let error = endpoint.reload().await.unwrap_err().to_string();
            assert!(error.contains("there is no certificate in "), "{error}");
            assert!(accepted(&ours, address).await && !accepted(&theirs, address).await);
            fs::copy(others.path(), &trusted).unwrap();
            endpoint.reload().await.unwrap();
            assert!(!accepted(&ours, address).await && accepted(&theirs, address).await);
        };
        reactor.run_until(reloading).unwrap();
    });
}

#[test]
fn a_proxys_header_comes_before_tls_or_inside_it_as_the_description_says() {
    let header = "PROXY TCP4 192.0.2.1 203.0.113.7 56324 443\r\n";
    let authority = Authority::new();
    let served = pair(&authority.issue("server", &[NAME]));
    in_time(move || {
        let (reactor, log) = (test_reactor(), Log::default());
        let before = endpoint(&reactor, &format!("tls:{served}:haproxy:tcp:0:interface=127.0.0.1"));
        let inside = endpoint(&reactor, &format!("haproxy:tls:0:interface=127.0.0.1:{served}"));
        let talking = async {
            let (_before, before) = listen(&*before, &log).await;
            let (_inside, inside) = listen(&*inside, &log).await;
            let config = Arc::new(any_server());
            beside(&reactor, move || {
                let mut socket = peer::connect(before);
                socket.write_all(header.as_bytes()).unwrap();
                let session = ClientConnection::new(Arc::clone(&config), NAME.try_into().unwrap()).unwrap();
                let mut stream = StreamOwned::new(session, socket);
                stream.write_all(b"hello").unwrap();
                stream.read_exact(&mut [0; 5]).unwrap();
                connect(&config, inside, &format!("{header}hello"));
            })
            .await;
        };
        reactor.run_until(talking).unwrap();
        assert_eq!(log.lines(), ["192.0.2.1:56324"; 2]);
    });
}
