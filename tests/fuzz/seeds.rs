//! Every target with its seeds, and with a fixed number of mutations of them, a few seconds of each: the work of a
//! fuzzer, without one.
//!
//! `FUZZ_RUNS` sets another number, `REACTOR_SEED` selects other mutations. A failing input is printed in the form for
//! a file in `seeds`.

use std::panic::catch_unwind;
use std::path::Path;
use std::{env, fs};

use fastrand::Rng;

#[test]
fn texts_that_say_where_to_connect_to() {
    run("target_text", 2_800_000, fuzz::target_text);
}

#[test]
fn texts_that_say_where_to_listen() {
    run("listen_text", 1_700_000, fuzz::listen_text);
}

#[test]
fn addresses_that_the_time_server_is_told() {
    run("server_address", 73_000, fuzz::server_address);
}

#[test]
fn descriptions_of_endpoints() {
    run("endpoint", 320_000, fuzz::endpoint);
}

#[test]
fn variables_in_which_sockets_are_handed_over() {
    run("listen_fds", 4_700_000, fuzz::listen_fds);
}

#[test]
fn replies_that_the_time_client_puts_together() {
    run("reply", 960_000, fuzz::reply);
}

#[test]
fn lines_however_they_are_cut() {
    run("lines", 120_000, fuzz::lines);
}

#[test]
fn what_socks_clients_say() {
    run("socks", 23_000, fuzz::socks);
}

#[test]
fn headers_of_proxies_about_their_clients() {
    run("proxy_header", 76_000, fuzz::proxy_header);
}

#[test]
fn files_of_accounts() {
    run("accounts", 40_000, fuzz::accounts);
}

#[test]
fn what_the_ends_of_sasl_are_told() {
    run("sasl", 10_000, fuzz::sasl);
}

#[test]
fn questions_about_users() {
    run("finger", 145_000, fuzz::finger);
}

#[test]
fn questions_about_connections_and_their_replies() {
    run("ident", 27_000, fuzz::ident);
}

#[test]
fn messages_of_irc_however_they_are_cut() {
    run("irc", 30_000, fuzz::irc);
}

#[test]
fn what_clients_of_irc_are_told() {
    run("irc_client", 20_000, fuzz::irc_client);
}

#[test]
fn captures_of_traffic() {
    run("capture", 680_000, fuzz::capture);
}

#[test]
fn amp_however_it_is_cut() {
    run("amp", 69_000, fuzz::amp);
}

#[test]
fn answers_of_a_memcached_server() {
    run("memcache", 66_000, fuzz::memcache);
}

#[test]
fn strings_however_they_are_cut() {
    run("strings", 130_000, fuzz::strings);
}

#[test]
fn parts_however_they_are_cut() {
    run("states", 124_000, fuzz::states);
}

#[test]
fn segments_however_they_are_cut() {
    run("segments", 136_000, fuzz::segments);
}

#[test]
fn messages_of_a_codec_however_they_are_cut() {
    run("codec", 160_000, fuzz::codec);
}

#[test]
fn lines_and_negotiations_of_terminals() {
    run("telnet", 100_000, fuzz::telnet);
}

#[test]
fn connections_and_their_model() {
    run("connection", 190_000, fuzz::connection);
}

#[test]
fn requests_and_frames_of_web_sockets() {
    run("web_socket", 20_000, fuzz::web_socket);
}

#[test]
fn messages_of_web_sockets_at_both_ends() {
    run("web_messages", 40_000, fuzz::web_messages);
}

#[test]
fn answers_to_requests_for_web_sockets() {
    run("web_answer", 50_000, fuzz::web_answer);
}

#[test]
fn heads_of_http_requests() {
    run("http_head", 35_000, fuzz::http_head);
}

#[test]
fn datagrams_from_anywhere() {
    run("datagrams", 25_000, fuzz::datagrams);
}

#[test]
fn messages_with_descriptors() {
    run("descriptors", 8_000, fuzz::descriptors);
}

#[test]
fn what_processes_say_at_a_handover() {
    run("handover", 1_000, fuzz::handover);
}

#[test]
fn tls_that_is_made_up_or_changed() {
    run("tls", 15_000, fuzz::tls);
}

fn run(name: &str, runs: usize, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "{name} has no seeds");

    let try_one = |input: &[u8]| {
        if catch_unwind(|| target(input)).is_err() {
            panic!("{name} fails with these {} bytes: printf '{}'", input.len(), printable(input));
        }
    };
    seeds.iter().for_each(|seed| try_one(seed));

    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse().ok());
    let mut rng = Rng::with_seed(number("REACTOR_SEED").unwrap_or(1));
    let runs = number("FUZZ_RUNS").map_or(runs, |runs| runs as usize);
    for _ in 0..runs {
        let mut input = rng.choice(&seeds).unwrap().clone();
        // One change often, many rarely.
        while {
            change(&mut input, &seeds, &mut rng);
            rng.u8(..3) > 0
        } {}
        try_one(&input);
    }
}

/// A mutation as fuzzers make it.
fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(..=input.len());
    let end = at + rng.usize(..=(input.len() - at).min(8));
    let other = rng.choice(seeds).unwrap();
    let from = rng.usize(..=other.len());
    let to = from + rng.usize(..=(other.len() - from).min(16));
    match rng.u8(..8) {
        0 => drop(input.drain(at..end)),
        1 => input.insert(at, rng.u8(..)),
        2 => input.insert(at, *rng.choice(INTERESTING).unwrap()),
        3 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
        4 if at < input.len() => input[at] = *rng.choice(INTERESTING).unwrap(),
        5 => drop(input.splice(at..at, input[at..end].to_vec())),
        6 => drop(input.splice(at..end, other[from..to].iter().copied())),
        _ => {
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
            input.truncate(LONGEST);
        }
    }
}

/// In single quotes, as the shell's `printf` expects it.
fn printable(input: &[u8]) -> String {
    input
        .iter()
        .map(|byte| match byte {
            b' ' | b'('..=b'~' if *byte != b'\\' => char::from(*byte).to_string(),
            _ => format!("\\{byte:03o}"),
        })
        .collect()
}

/// Bytes with a meaning somewhere.
const INTERESTING: &[u8] = b"\x00\x01\x7f\x80\xff\xfa\xf0 \t\r\n:[]%+-./,0123456789aAfFxX";

const LONGEST: usize = 512;
