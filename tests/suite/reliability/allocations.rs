//! R36: a server that has warmed up allocates nothing for a message.

use std::net::Ipv4Addr;

use rig::allocations::{Counting, allocations};
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
