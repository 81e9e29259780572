//! R36: a server that has warmed up allocates nothing for a message.

use std::net::Ipv4Addr;

use protocols::web_socket::{WebSocket, WebSocketHandle, WebSocketHandler};
use reactor::testing::StringTransport;
use rig::allocations::{Counting, allocations, live_bytes};
use rig::steady;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MESSAGES: u64 = 20_000;

#[test]
fn the_allocator_counts_what_this_thread_allocates() {
    let before = allocations();
    let boxed = std::hint::black_box(Box::new(1));
    assert_eq!(allocations(), before + 1);
    drop(boxed);
    assert_eq!(allocations(), before + 1);
}

#[test]
fn echoing_a_message_allocates_nothing() {
    let counted = steady::echoing(MESSAGES);
    assert_eq!(counted, 0, "allocations for {MESSAGES} messages");
}

#[test]
fn echoing_a_line_allocates_nothing() {
    let counted = steady::echoing_lines(MESSAGES);
    assert_eq!(counted, 0, "allocations for {MESSAGES} lines");
}

#[test]
fn echoing_a_string_allocates_nothing() {
    let counted = steady::echoing_strings(MESSAGES);
    assert_eq!(counted, 0, "allocations for {MESSAGES} strings");
}

#[test]
fn forwarding_a_message_allocates_nothing() {
    let counted = steady::forwarding(MESSAGES);
    assert_eq!(counted, 0, "allocations for {MESSAGES} messages");
}

#[test]
fn echoing_a_datagram_allocates_nothing() {
    // The second says with each datagram which address was asked, and answers from there.
    for host in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        let counted = steady::echoing_datagrams(host.into(), MESSAGES);
        assert_eq!(counted, 0, "allocations for {MESSAGES} datagrams at {host}");
    }
}

struct Deaf;

impl WebSocketHandler for Deaf {
    fn text_received(&mut self, _text: &str) {}
    fn bytes_received(&mut self, _data: &[u8]) {}
}

#[test]
fn lengths_that_the_frames_of_web_sockets_claim_are_not_allocated() {
    const CLAIMED: u64 = 1 << 30;
    let socket = WebSocket::messages(|_: WebSocketHandle, _| Deaf).max_message(usize::MAX);
    let mut wires: Vec<_> = (0..20)
        .map(|_| {
            let mut wire = StringTransport::connect(socket.clone());
            wire.receive(
                "GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            );
            assert!(wire.take_written().starts_with(b"HTTP/1.1 101 "));
            wire
        })
        .collect();
    let before = live_bytes();
    for wire in &mut wires {
        wire.receive([&[0x82, 0xff][..], &CLAIMED.to_be_bytes(), b"mask", b"x"].concat());
        assert!(wire.close_reason().is_none());
    }
    let grown = live_bytes() - before;
    assert!(grown < 20 * 1024, "{grown} bytes for 20 messages of which one byte has come");
}
