use reactor::testing::Pair;

use super::{Wire, client, server};
use crate::remote_end::RemoteEnd;

#[test]
fn s193_tls_runs_over_anything_and_so_over_tls() {
    let (at_client, at_server) = (RemoteEnd::default(), RemoteEnd::default());
    let (client, server) = (client(), server());
    let mut pair = Pair::connect(
        client.around("server.example", client.around("server.example", at_client.factory())),
        server.around(server.around(at_server.factory())),
    );
    pair.run_until_quiet();
    at_client.transport().write("within");
    at_client.transport().lose_connection();
    pair.run_until_quiet();
    assert_eq!(at_server.received(), b"within");
    assert!(at_server.has_eof());
}

#[test]
fn bytes_go_both_ways_whatever_their_number() {
    let mut wire = Wire::open();
    let much: Vec<u8> = (0..1_000_000_u32).map(|index| index as u8).collect();
    wire.client.transport().write("hello");
    wire.server.transport().write(&much);
    wire.run();
    assert_eq!(wire.server.received(), b"hello");
    assert!(wire.client.received() == much);
}

#[test]
fn s201_what_one_callback_writes_is_one_record() {
    let mut wire = Wire::open();
    for _ in 0..100 {
        wire.client.transport().write("0123456789");
    }
    wire.pair.client.settle();
    let record = wire.pair.client.written();
    assert_eq!(record[0], 23);
    assert_eq!(usize::from(u16::from_be_bytes([record[3], record[4]])) + 5, record.len());
}

#[test]
fn while_the_protocol_inside_does_not_read_little_is_kept_and_nothing_is_lost() {
    let mut wire = Wire::open();
    wire.server.transport().pause_reading();
    let much = vec![b'x'; 500_000];
    wire.client.transport().write(&much);
    wire.run();
    assert_eq!(wire.server.received(), b"");
    assert!(wire.client.transport().unsent_bytes() > 300_000);
    wire.server.transport().resume_reading();
    wire.run();
    assert!(wire.server.received() == much);
}

#[test]
fn a_changed_record_ends_both_sides_with_a_reason() {
    let mut wire = Wire::open();
    wire.client.transport().write("first");
    wire.pair.client.settle();
    let mut records = wire.pair.client.take_written();
    wire.client.transport().write("second");
    wire.pair.client.settle();
    let mut second = wire.pair.client.take_written();
    let last = second.len() - 1;
    second[last] ^= 1;
    records.extend(second);
    wire.pair.server.receive(records);
    wire.run();
    assert_eq!(wire.server.received(), b"first");
    let expected = "a message of the peer cannot be decrypted: it was changed on the way, or is not TLS";
    assert_eq!(wire.server.lost().unwrap().to_string(), expected);
    assert_eq!(wire.client.lost().unwrap().to_string(), "server.example ended the connection: BadRecordMac");
}
