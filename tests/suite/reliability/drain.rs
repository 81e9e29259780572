//! R22: stopping under load loses nothing that was acknowledged, and a second signal does not wait.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;

use rig::peer;
use rig::peer::End;
use socket2::SockRef;

use crate::reliability::server;

const CONNECTIONS: usize = 40;

#[test]
fn what_a_server_has_acknowledged_when_it_is_told_to_stop_reaches_the_clients() {
    let server = server("acks", &[]);
    let under_load = Barrier::new(CONNECTIONS + 1);
    let received: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let stream = peer::connect(server.address());
                    let mut count = send_and_count(&stream, Some(100));
                    under_load.wait();
                    count += send_and_count(&stream, None);
                    (stream.local_addr().unwrap(), count)
                })
            })
            .collect();
        under_load.wait();
        server.terminate();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });

    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.errors);
    for (address, count) in received {
        let line = format!("acknowledged {address} {count} true");
        let told = ended.output.iter().filter(|line| line.contains(&format!(" {address} "))).collect::<Vec<_>>();
        assert_eq!(told, [&line], "what the server says it has acknowledged, and what the client has got");
    }
}

/// Sends frames until this many batches were acknowledged, or the server ends the stream.
fn send_and_count(mut stream: &TcpStream, batches: Option<usize>) -> usize {
    let mut acknowledged = 0;
    let mut buffer = [0; 4096];
    let mut sent = 0;
    loop {
        if Some(sent) == batches {
            while acknowledged < sent * 3 {
                acknowledged += stream.read(&mut buffer[..sent * 3 - acknowledged]).unwrap();
            }
            return acknowledged;
        }
        // A server that closes takes no more; what it has acknowledged is still to be read.
        let _ = stream.write_all(b"one\ntwo\nthree\n");
        sent += 1;
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return acknowledged,
            Ok(n) => acknowledged += n,
        }
    }
}

#[test]
fn a_second_signal_ends_a_server_that_waits_for_a_peer_and_the_peer_sees_that_it_is_cut_off() {
    let server = server("flood", &[]);
    let idle = peer::connect(server.address());
    peer::round_trip(&idle, b"hello");
    // The system does not take 10 MiB for a peer that does not read, and has little room for more.
    let mut reader = peer::connect(server.address());
    SockRef::from(&reader).set_recv_buffer_size(65_536).unwrap();
    reader.write_all(b"pour").unwrap();
    let mut first = [0; 4096];
    reader.read_exact(&mut first).unwrap();

    server.terminate();
    // Nothing is owed to this one: its end shows that the server drains.
    assert_eq!(peer::read_to_end(&idle).1, End::Clean);
    server.terminate();
    // Reading begins when all is over, or it might take everything before the signal arrives.
    let ended = server.wait();
    let (received, end) = peer::read_to_end(&reader);
    assert_eq!(end, End::Reset, "after {} bytes", received.len());
    assert_eq!(ended.status.code(), Some(0));
    let cut_off = ended.errors.iter().filter(|line| line.contains("cut off: ")).count();
    assert_eq!(cut_off, 1, "{:?}", ended.errors);
}

#[test]
fn one_signal_drains_every_thread_and_cuts_off_nobody() {
    const BYTES: usize = 10 << 20;
    for _ in 0..5 {
        let server = server("threads", &[]);
        let streams: Vec<_> = (0..16).map(|_| peer::connect(server.address())).collect();
        for mut stream in &streams {
            stream.write_all(b"pour").unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
        server.terminate();
        thread::scope(|scope| {
            for stream in &streams {
                scope.spawn(move || {
                    let (received, end) = peer::read_to_end(stream);
                    assert_eq!((received.len() + 1, end), (BYTES, End::Clean));
                });
            }
        });
        drop(streams);
        assert_eq!(server.wait().status.code(), Some(0));
    }
}

#[test]
fn s171_a_job_that_never_ends_does_not_keep_the_program_from_ending() {
    let server = server("jobs", &[]);
    let mut stream = peer::connect(server.address());
    stream.write_all(b"stuck").unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 7, "the job has begun");
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0));
}
