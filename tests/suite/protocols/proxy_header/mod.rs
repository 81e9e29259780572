//! R20: PROXY headers, in memory, on the simulated network, compared with another parser, and with HAProxy.

mod compared;
mod haproxy;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocols::policies::{ConnectionLimit, FirstMessageTimeout};
use protocols::proxy_header::{ProxyHeader, ProxyRefusals};
use protocols::{LineHandler, LineReceiver, Lines};
use proxy_protocol_rs::{HeaderBuilder, TransportProtocol, V2_SIGNATURE};
use reactor::address::UnixAddress;
use reactor::testing::{Link, Pair, Simulation, StringTransport, every_cut};
use reactor::{Address, CloseReason, Factory, Transport};
use rig::peer::pattern;
use tokio::io::duplex;
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Callback, Ending, Log, Recorder, count_logged, echo, every_world_with, recorder};

/// Logs between which addresses it is made.
fn introduced(recorder: Recorder) -> Recorder {
    recorder.on(Callback::Made, |this| this.log.add(between(&this.transport)))
}

fn between(transport: &Transport) -> String {
    format!("{} to {}", transport.peer(), transport.host())
}

/// Sends this first.
fn greeting<D: AsRef<[u8]> + Clone + 'static>(
    log: &Log,
    data: D,
) -> impl FnMut(Transport) -> Recorder + 'static + use<D> {
    let log = log.clone();
    move |transport| {
        let data = data.clone();
        Recorder::new(transport, log.clone()).on(Callback::Made, move |this| this.transport.write(&data))
    }
}

fn proxied(log: &Log) -> ProxyHeader {
    ProxyHeader::around(recorder(log, |recorder| introduced(echo(recorder))))
}

/// What has become of a connection on which something came.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// What has happened inside.
    lines: Vec<String>,
    refused: ProxyRefusals,
    reason: Option<String>,
}

fn play(pieces: &[&[u8]]) -> Outcome {
    let log = Log::default();
    let proxied = proxied(&log);
    let mut wire = StringTransport::connect(proxied.clone());
    pieces.iter().for_each(|piece| wire.receive(piece));
    Outcome {
        lines: log.lines(),
        refused: proxied.refusals(),
        reason: wire.close_reason().map(|reason| reason.to_string()),
    }
}

/// What the protocol inside is told of its addresses, when this has come and "hi" behind it.
#[track_caller]
fn addresses(header: impl AsRef<[u8]>) -> String {
    let outcome = play(&[&[header.as_ref(), b"hi"].concat()]);
    let [made, between, data] = &outcome.lines[..] else { panic!("{outcome:?}") };
    assert_eq!((&made[..], &data[..], outcome.reason), ("made", "data hi", None));
    between.clone()
}

/// Why this is refused: by the text of the reason.
#[track_caller]
fn refusal(header: impl AsRef<[u8]>) -> String {
    let outcome = play(&[header.as_ref()]);
    assert_eq!(
        (&outcome.lines[..], outcome.refused.malformed, outcome.refused.total()),
        (&[][..], 1, 1),
        "{outcome:?}"
    );
    outcome.reason.unwrap().strip_prefix("the PROXY header ").unwrap().to_owned()
}

/// A header of version 2.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [&V2_SIGNATURE[..], &[command, family], &length, block].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind], &u16::try_from(value.len()).unwrap().to_be_bytes()[..], value].concat()
}

const CLIENT: &str = "192.0.2.1:56324";
const SERVER: &str = "203.0.113.7:443";

fn builder() -> HeaderBuilder {
    HeaderBuilder::v2_proxy(CLIENT.parse().unwrap(), SERVER.parse().unwrap())
}

/// Of version 2, with these bytes behind the addresses.
fn with_extensions(extensions: &[u8]) -> Vec<u8> {
    let block = [&builder().build()[16..], extensions].concat();
    binary(0x21, 0x11, &block)
}

/// The longest that there is.
fn longest() -> Vec<u8> {
    with_extensions(&tlv(4, &vec![0xff; 65_535 - 12 - 3]))
}

/// Valid headers, and what they say; nothing if they leave the addresses as they are.
fn corpus() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let v6 = |builder: fn(SocketAddr, SocketAddr) -> HeaderBuilder| {
        builder("[2001:db8::1]:1".parse().unwrap(), "[2001:db8::2]:65535".parse().unwrap()).build()
    };
    vec![
        (b"PROXY TCP4 192.0.2.1 203.0.113.7 56324 443\r\n".to_vec(), Some("192.0.2.1:56324 to 203.0.113.7:443")),
        (v6(HeaderBuilder::v1_proxy), Some("[2001:db8::1]:1 to [2001:db8::2]:65535")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN  anything \xff \r at all\r\n".to_vec(), None),
        (builder().build(), Some("192.0.2.1:56324 to 203.0.113.7:443")),
        (v6(HeaderBuilder::v2_proxy), Some("[2001:db8::1]:1 to [2001:db8::2]:65535")),
        (
            HeaderBuilder::v2_unix("/run/client", "/run/server", TransportProtocol::Stream).build(),
            Some("/run/client to /run/server"),
        ),
        (HeaderBuilder::v2_local().build(), None),
        (binary(0x21, 0, b"whatever this is"), None),
        (
            builder().with_crc32c().with_alpn("h2").with_raw_tlv(0xe0, "").build(),
            Some("192.0.2.1:56324 to 203.0.113.7:443"),
        ),
        (longest(), Some("192.0.2.1:56324 to 203.0.113.7:443")),
    ]
}

#[test]
fn s255_the_protocol_is_built_behind_the_header_and_has_its_addresses_from_the_beginning() {
    for (header, says) in corpus() {
        let log = Log::default();
        let mut wire = StringTransport::connect(proxied(&log));
        let own = between(wire.transport());
        wire.receive(&header[..header.len() - 1]);
        assert_eq!(log.lines(), [""; 0]);
        wire.receive(&header[header.len() - 1..]);
        assert_eq!(log.lines(), ["made", says.unwrap_or(&own)]);
        assert_eq!(wire.reactor().pending_call_count(), 0, "nothing is left of the deadline");
        wire.receive("hi");
        assert_eq!(wire.written(), b"hi");
    }
}

#[test]
fn s256_what_begins_with_anything_else_is_refused_as_soon_as_that_shows() {
    for beginning in [
        &b"G"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\0\xa5",
        b"proxy TCP4",
        b" PROXY",
        b"PROXY\t",
        b"PROXYTCP4",
        b"\r\n\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\n",
    ] {
        assert_eq!(refusal(beginning), "is missing", "{}", beginning.escape_ascii());
    }
    for command in [0x11, 0x10, 0x22, 0x2f, 0x31, 0x00] {
        assert_eq!(refusal(binary(command, 0x11, b"")), "has an unknown version or command");
    }
}

#[test]
fn s257_a_header_may_come_in_any_pieces() {
    for (header, says) in corpus() {
        let outcome = every_cut([&header[..], b"and what is behind it"].concat(), play);
        assert_eq!(outcome.refused, ProxyRefusals::default());
        assert_eq!(outcome.lines[2..], ["data and what is behind it"]);
        assert!(says.is_none_or(|says| outcome.lines[1] == says), "{outcome:?}");
    }
}

#[test]
fn what_is_refused_is_so_in_any_pieces() {
    let wrong_sum = with_extensions(&tlv(3, &[1, 2, 3, 4]));
    for header in [&b"PROXY TCP4 192.0.2.1 203.0.113.7 56324 65536\r\nhello"[..], b"PROXY UNKNOWN\nhello", &wrong_sum] {
        let outcome = every_cut(header, play);
        assert_eq!((&outcome.lines[..], outcome.refused.malformed), (&[][..], 1), "{outcome:?}");
    }
}

#[test]
fn s258_version_1_is_one_line_of_single_fields_and_what_is_behind_it_comes_in_the_same_turn() {
    assert_eq!(addresses("PROXY TCP4 1.2.3.4 5.6.7.8 0 65535\r\n"), "1.2.3.4:0 to 5.6.7.8:65535");
    assert_eq!(addresses("PROXY TCP6 FE80::A ::1 1 2\r\n"), "[fe80::a]:1 to [::1]:2");
    let unknown = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
    assert_eq!(addresses(unknown(107)), addresses("PROXY UNKNOWN\r\n"));
    assert_eq!(refusal(unknown(108)), "is longer than 107 bytes");
    assert_eq!(refusal("PROXY TCP4".to_owned() + &" ".repeat(97)), "is longer than 107 bytes");
    let fields = "does not have exactly two addresses and two ports, one space before each";
    for (line, why) in [
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", fields),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", fields),
        ("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", fields),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", fields),
        ("PROXY TCP4\r\n", fields),
        ("PROXY \r\n", "names neither TCP4, TCP6 nor UNKNOWN"),
        ("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "names neither TCP4, TCP6 nor UNKNOWN"),
        ("PROXY TCP 1.2.3.4 5.6.7.8 1 2\r\n", "names neither TCP4, TCP6 nor UNKNOWN"),
        ("PROXY UNKNOWN1\r\n", "names neither TCP4, TCP6 nor UNKNOWN"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "ends without CR"),
    ] {
        assert_eq!(refusal(line), why, "{line:?}");
    }
}

#[test]
fn s259_version_1_may_say_unknown_alone_and_its_addresses_and_ports_are_looked_at() {
    assert_eq!(addresses("PROXY UNKNOWN\r\n"), addresses("PROXY UNKNOWN ::1 ::2 1 2\r\n"));
    for [from, to] in [
        ["1.2.3", "5.6.7.8"],
        ["1.2.3.256", "5.6.7.8"],
        ["1.2.3.04", "5.6.7.8"],
        ["0x1.2.3.4", "5.6.7.8"],
        ["1.2.3.4", "::1"],
        ["localhost", "5.6.7.8"],
        ["1.2.3.4", ""],
    ] {
        let line = format!("PROXY TCP4 {from} {to} 1 2\r\n");
        assert_eq!(refusal(&line), "has an invalid address, or one of another family", "{line:?}");
    }
    for [from, to] in
        [["1::2::3", "::1"], ["fe80::1%1", "::1"], ["[::1]", "::1"], ["::1", "1.2.3.4"], ["::12345", "::1"]]
    {
        let line = format!("PROXY TCP6 {from} {to} 1 2\r\n");
        assert_eq!(refusal(&line), "has an invalid address, or one of another family", "{line:?}");
    }
    for port in ["65536", "-1", "+1", "01", "00", "1a", "", "99999999999999999999"] {
        for ports in [format!("{port} 2"), format!("1 {port}")] {
            let line = format!("PROXY TCP4 1.2.3.4 5.6.7.8 {ports}\r\n");
            assert_eq!(refusal(&line), "has an invalid port", "{line:?}");
        }
    }
    assert_eq!(refusal(b"PROXY TCP4 \xff 5.6.7.8 1 2\r\n"), "is not text");
}

#[test]
fn s260_version_2_names_addresses_of_all_families_or_leaves_them_as_they_are() {
    let own = addresses("PROXY UNKNOWN\r\n");
    // What else is in the header of a connection that is the proxy's own is of no interest.
    for family in [0x00, 0x11, 0x21, 0x31, 0xff] {
        for block in [&b""[..], b"short", &[0xff; 300]] {
            assert_eq!(addresses(binary(0x20, family, block)), own);
        }
    }
    for family in [0x00, 0x01, 0x02, 0x10, 0x20, 0x30] {
        assert_eq!(addresses(binary(0x21, family, b"1234567890123456")), own);
    }
    for family in [0x03, 0x13, 0x1f, 0x41, 0xf0] {
        assert_eq!(refusal(binary(0x21, family, &[0; 300])), "has an unknown family or protocol");
    }
    for (family, size) in [(0x11, 12), (0x12, 12), (0x21, 36), (0x22, 36), (0x31, 216), (0x32, 216)] {
        let block: Vec<u8> = (1..=size).collect();
        let refused = binary(0x21, family, &block[..block.len() - 1]);
        assert_eq!(refusal(&refused[..16]), "is too short for its addresses", "which shows before they come");
        assert_ne!(addresses(binary(0x21, family, &block)), own);
    }
    assert_eq!(
        addresses(binary(0x21, 0x12, b"\x01\x02\x03\x04\x05\x06\x07\x08\0\x07\x01\0")),
        "1.2.3.4:7 to 5.6.7.8:256"
    );
    for (from, to, says) in [
        ("/run/a\0b", "\0", "/run/a to (unnamed)"),
        ("\0abstract\0name", "", "@abstract\\x00name to (unnamed)"),
        (&*"x".repeat(108), "y", &*format!("{} to y", "x".repeat(108))),
    ] {
        let block = [from, to].map(|text| [text.as_bytes(), &vec![0; 108 - text.len()]].concat()).concat();
        assert_eq!(addresses(binary(0x21, 0x31, &block)), says);
    }
}

#[test]
fn s260_extensions_are_skipped_but_have_to_fit_and_a_checksum_to_be_right() {
    let says = format!("{CLIENT} to {SERVER}");
    let noop = tlv(4, b"");
    for extensions in [&b""[..], &noop, &tlv(0xff, b"x"), &[&noop[..], &tlv(0x20, b"nothing of TLS")].concat()] {
        assert_eq!(addresses(with_extensions(extensions)), says);
    }
    assert_eq!(addresses(longest()), says);
    for extensions in [&b"\x04"[..], b"\x04\0", b"\x04\0\x01", b"\x04\0\0\x04", b"\x04\xff\xffx", b"\x03\0\x04\0\0\0"] {
        assert_eq!(refusal(with_extensions(extensions)), "has a TLV longer than the rest of the header");
    }
    let summed = builder().with_alpn("h2").with_crc32c().build();
    assert_eq!(addresses(&summed), says);
    for place in 16..summed.len() {
        for bit in 0..8 {
            let mut wrong = summed.clone();
            wrong[place] ^= 1 << bit;
            // The lengths and the type decide what is looked at.
            let is_structure = (28..31).contains(&place) || (33..36).contains(&place);
            if !is_structure {
                assert_eq!(refusal(&wrong), "has a wrong checksum", "byte {place}, bit {bit}");
            }
        }
    }
    assert_eq!(refusal(with_extensions(&tlv(3, b"sum"))), "has a checksum whose length is not 4 bytes");
    let twice = builder().with_raw_tlv(3, [0; 4]).with_crc32c().build();
    assert_eq!(refusal(twice), "has two checksums");
}

#[test]
fn s261_ipv6_addresses_are_those_of_the_system_and_mapped_ones_are_of_ipv4() {
    let one = Ipv6Addr::LOCALHOST;
    let header = HeaderBuilder::v2_proxy((one, 1).into(), (one, 2).into()).build();
    assert_eq!(addresses(header), "[::1]:1 to [::1]:2");
    let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
    let header = HeaderBuilder::v2_proxy((mapped, 1).into(), (one, 2).into()).build();
    assert_eq!(addresses(header), "192.0.2.1:1 to [::1]:2");
    assert_eq!(addresses("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), "192.0.2.1:1 to [::1]:2");
}

#[test]
fn an_untrusted_peer_is_closed_at_once_whatever_it_sends() {
    let sim = Simulation::new(1);
    let log = Log::default();
    let proxied = proxied(&log);
    let [proxy, stranger] = ["proxy", "stranger"].map(|name| (sim.host(name), sim.addresses_of(name)));
    // On a network of its own not even the proxy is, unless it is named.
    let sources: Vec<_> = proxy.1.iter().map(ToString::to_string).collect();
    let trusting = proxied.clone().trust(&sources).unwrap();
    sim.host("server").listen_tcp(7, trusting).unwrap();
    sim.host("server").listen_tcp(8, proxied.clone()).unwrap();
    let header = "PROXY TCP4 192.0.2.1 203.0.113.7 56324 443\r\nhi";
    let ends = [Log::default(), Log::default(), Log::default()];
    proxy.0.connect_tcp("server:7", greeting(&ends[0], header));
    stranger.0.connect_tcp("server:7", greeting(&ends[1], header));
    proxy.0.connect_tcp("server:8", greeting(&ends[2], header));
    sim.run_for(Duration::from_secs(1));
    assert_eq!(log.lines(), ["made", "192.0.2.1:56324 to 203.0.113.7:443", "data hi"]);
    assert!(ends[0].has("data hi") && !ends[0].has("lost") && ends[1].has("lost") && ends[2].has("lost"));
    assert_eq!((proxied.refusals().untrusted, proxied.refusals().total()), (2, 2));
}

#[test]
fn sources_are_networks_and_addresses_and_those_without_an_internet_address_are_trusted() {
    let connects = |peer: &str, sources: Option<&[&str]>| {
        let sim = Simulation::new(1);
        let log = Log::default();
        let proxied = proxied(&log);
        let proxied = match sources {
            Some(sources) => proxied.trust(sources).unwrap(),
            None => proxied,
        };
        let peer = peer.parse().map_or(Address::Unix(UnixAddress::unnamed()), |ip| SocketAddr::new(ip, 1).into());
        let (_near, far) = duplex(1);
        sim.host("server").adopt_stream(far, Address::memory("server"), peer, proxied.clone());
        sim.run_for(Duration::from_millis(1));
        proxied.refusals().total() == 0
    };
    let some = Some(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::2"][..]);
    for trusted in ["10.255.0.1", "::ffff:10.0.0.1", "192.0.2.7", "2001:db8::1", "::2", "unix"] {
        assert!(connects(trusted, some), "{trusted}");
    }
    for stranger in ["11.0.0.1", "127.0.0.1", "192.0.2.8", "::1", "::3"] {
        assert!(!connects(stranger, some), "{stranger}");
    }
    for trusted in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "unix"] {
        assert!(connects(trusted, None), "{trusted}");
    }
    for stranger in ["10.0.0.1", "192.168.0.1", "fe80::1", "::", "0.0.0.0"] {
        assert!(!connects(stranger, None), "{stranger}");
    }
    assert!(!connects("127.0.0.1", Some(&[])), "nobody is trusted");
}

#[test]
fn what_cannot_be_trusted_is_told() {
    for source in ["10.0.0.0/33", "10.0.0", "localhost", "127.0.0.1:80", "", " ::1"] {
        let error = ProxyHeader::around(|_: Transport| None::<Recorder>).trust(["::1", source]).unwrap_err();
        let told = format!("cannot trust {source:?}: it is neither a network, such as 10.0.0.0/8, nor an address");
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn a_header_has_to_be_complete_in_time_however_it_drips() {
    let second = Duration::from_secs(1);
    for (limit, proxied) in [(5, proxied(&Log::default())), (2, proxied(&Log::default()).deadline(2 * second))] {
        for header in [&b"PROXY TCP4"[..], &binary(0x21, 0x11, b"")[..12], b""] {
            let before = proxied.refusals().late;
            let mut wire = StringTransport::connect(proxied.clone());
            for n in 0..limit {
                assert!(wire.close_reason().is_none());
                wire.receive(&header[header.len() * n / limit..header.len() * (n + 1) / limit]);
                wire.advance(second);
            }
            assert!(matches!(wire.close_reason(), Some(CloseReason::TimedOut)) && wire.was_reset(), "{wire:?}");
            assert_eq!(proxied.refusals().late, before + 1);
        }
        let mut wire = StringTransport::connect(proxied.clone());
        wire.receive("PROXY UNKNOWN\r\n");
        wire.advance(1000 * second);
        assert!(wire.close_reason().is_none());
        assert_eq!(proxied.refusals().total(), 3);
    }
}

#[test]
fn a_stream_that_ends_before_its_header_does_is_closed_in_order() {
    let log = Log::default();
    let proxied = proxied(&log);
    for (header, _) in corpus() {
        for length in [0, 1, 12, header.len() - 1] {
            let mut wire = StringTransport::connect(proxied.clone());
            wire.receive(&header[..length]);
            wire.receive_eof();
            assert!(wire.close_reason().unwrap().is_clean() && wire.eof_written());
        }
    }
    assert_eq!(log.lines(), [""; 0]);
    assert_eq!(proxied.refusals().cut_short, 4 * corpus().len() as u64);
    assert_eq!(proxied.refusals().total(), proxied.refusals().cut_short);
}

#[test]
fn what_is_refused_is_logged_once_in_a_while_for_each_reason() {
    let (_guard, lines) = count_logged(LevelFilter::WARN);
    let proxied = proxied(&Log::default());
    for _ in 0..100 {
        StringTransport::connect(proxied.clone()).receive("GET");
        let mut cut_short = StringTransport::connect(proxied.clone());
        cut_short.receive("PROXY");
        cut_short.receive_eof();
    }
    assert_eq!((lines.load(Ordering::Relaxed), proxied.refusals().total()), (2, 200));
    for _ in 0..100 {
        StringTransport::connect(proxied.clone()).receive_eof();
    }
    assert_eq!((lines.load(Ordering::Relaxed), proxied.refusals().total()), (2, 300), "who is silent is counted only");
}

#[test]
fn behind_its_header_a_connection_is_as_any_other() {
    let everybody = ["0.0.0.0/0", "::/0"];
    every_world_with(
        move |log| Box::new(proxied(&log).trust(everybody).unwrap()),
        |peer| {
            peer.send("PROXY TCP4 192.0.2.1 203.0.113.7 56324 443\r\nhi");
            assert_eq!(peer.read(2), b"hi");
            peer.send("there");
            assert_eq!(peer.read(5), b"there");
            peer.send_eof();
            peer.wait_for("dropped");
            let lines = ["made", "192.0.2.1:56324 to 203.0.113.7:443", "data hithere", "eof", "lost Done", "dropped"];
            assert_eq!(peer.log.lines(), lines);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn what_is_behind_the_header_waits_for_a_protocol_that_pauses_and_so_does_the_end() {
    let log = Log::default();
    let pausing = recorder(&log, |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()));
    let mut wire = StringTransport::connect(ProxyHeader::around(pausing));
    wire.receive("PROXY UNKNOWN\r\nhi");
    wire.receive(" there");
    wire.receive_eof();
    assert_eq!(log.lines(), ["made"]);
    wire.protocol::<Recorder>().transport.resume_reading();
    wire.settle();
    assert_eq!(log.lines(), ["made", "data hi there", "eof", "lost Done", "dropped"]);
}

#[test]
fn policies_inside_see_the_client_and_messages_are_seen_outside() {
    struct Echo(Lines);
    impl LineHandler for Echo {
        fn line_received(&mut self, line: &[u8]) {
            self.0.send_line(line);
        }
    }
    let limit = ConnectionLimit::per_peer(1);
    let inside = limit.around(LineReceiver::factory(Echo));
    let proxied = ProxyHeader::around(inside);
    let connect = |client: &str| {
        let factory = FirstMessageTimeout::around(Duration::from_secs(10), proxied.clone());
        let mut wire = StringTransport::connect(factory);
        wire.receive(format!("PROXY TCP4 {client} 203.0.113.7 56324 443\r\n"));
        wire
    };
    let [mut one, mut two, mut again] = ["192.0.2.1", "192.0.2.2", "192.0.2.1"].map(connect);
    assert!(again.close_reason().unwrap().is_clean(), "the protocol inside refuses");
    assert_eq!((limit.connection_count(), limit.refused_count(), proxied.refusals().total()), (2, 1, 0));
    again.settle();
    one.receive("hello\r\n");
    one.advance(Duration::from_secs(10));
    two.advance(Duration::from_secs(10));
    assert!(one.close_reason().is_none() && one.written() == b"hello\r\n");
    assert!(matches!(two.close_reason(), Some(CloseReason::TimedOut)));
}

type Send = fn(&Address, &Address, Box<dyn Factory>) -> Box<dyn Factory>;

#[test]
fn a_header_that_is_sent_is_understood_at_the_other_end() {
    let long = "x".repeat(107);
    let inet = |text: &str| Address::Inet(text.parse().unwrap());
    let unix = |text: &str| Address::Unix(UnixAddress::from(text));
    let unnamed = Address::Unix(UnixAddress::unnamed());
    for (client, server, line_tells, binary_tells) in [
        (inet("192.0.2.1:1"), inet("203.0.113.7:65535"), true, true),
        (inet("[2001:db8::1]:0"), inet("[::1]:2"), true, true),
        (unix("/run/client"), unix(&long), false, true),
        (unnamed, unix("@abstract"), false, true),
        (inet("192.0.2.1:1"), inet("[::1]:2"), false, false),
        (inet("192.0.2.1:1"), unix("/run/server"), false, false),
        (Address::Pipe, Address::memory("here"), false, false),
    ] {
        let talk = |send: Send| {
            let log = Log::default();
            let hello =
                recorder(&Log::default(), |recorder| recorder.on(Callback::Made, |this| this.transport.write("hello")));
            let mut pair = Pair::connect(send(&client, &server, Box::new(hello)), proxied(&log));
            pair.run_until_quiet();
            assert_eq!(log.lines()[2..], ["data hello"]);
            log.lines()[1] == format!("{client} to {server}")
        };
        assert_eq!(talk(|client, server, inside| Box::new(ProxyHeader::send_v1(client, server, inside))), line_tells);
        assert_eq!(talk(|client, server, inside| Box::new(ProxyHeader::send_v2(client, server, inside))), binary_tells);
    }
}

#[test]
fn headers_and_what_is_behind_them_arrive_over_a_bad_network() {
    Simulation::for_seeds(0..20, |sim| {
        sim.set_link(Link::new().latency(Duration::from_millis(5)).splits(0.5));
        let log = Log::default();
        let trusting = proxied(&log).trust(["0.0.0.0/0", "::/0"]).unwrap();
        sim.host("server").listen_tcp(7, trusting).unwrap();
        let [client, server] = [CLIENT, SERVER].map(|text| Address::Inet(text.parse().unwrap()));
        let heard = Log::default();
        let data = pattern(0, 100_000);
        let sender = greeting(&heard, data.clone());
        sim.host("client").connect_tcp("server:7", ProxyHeader::send_v2(&client, &server, sender));
        assert!(sim.run_until(|| heard.received_len() == data.len()));
        assert_eq!(log.lines()[1], format!("{CLIENT} to {SERVER}"));
        assert!(heard.received() == data && log.received() == data);
    });
}
