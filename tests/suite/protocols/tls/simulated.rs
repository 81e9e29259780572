//! TLS on the simulated network, by its clock.

use std::cell::Cell;
use std::time::Duration;

use rcgen::date_time_ymd;
use reactor::testing::Simulation;
use rig::{certificates, interrupted_handshakes};

use crate::protocols::tls::{Authority, NAME};
use crate::support::{Log, Recorder, echo};

#[test]
fn clients_are_served_or_hear_why_not_whatever_happens_in_their_handshakes() {
    let (server, served, failed) = (certificates::server(), Cell::new(0), Cell::new(0));
    Simulation::for_seeds(0..100, |sim| {
        let outcome = interrupted_handshakes::play(sim, &server);
        served.set(served.get() + outcome.served());
        failed.set(failed.get() + outcome.failed());
    });
    let (served, failed) = (served.get(), failed.get());
    let is_one_seed = std::env::var_os("REACTOR_SEED").is_some();
    assert!(is_one_seed || (served > 300 && failed > 50), "{served} were served, {failed} were not connected");
}

#[test]
fn equal_seeds_give_equal_logs_over_tls() {
    let server = certificates::server();
    let log = |seed| {
        let sim = Simulation::new(seed);
        interrupted_handshakes::play(&sim, &server);
        sim.log()
    };
    for seed in 0..5 {
        assert!(log(seed) == log(seed), "seed {seed}");
    }
}

#[test]
fn a_certificate_expires_when_the_simulations_clock_says_so_and_those_who_are_connected_stay() {
    let authority = Authority::new();
    let hours = |hours| date_time_ymd(2000, 1, 1).replace_hour(hours).unwrap();
    let issued = authority.issue_with("server", &[NAME], |params| {
        params.not_before = date_time_ymd(1990, 1, 1);
        params.not_after = hours(2);
    });
    let sim = Simulation::new(1);
    let echoing = issued.server().around(|transport| echo(Recorder::new(transport, Log::default())));
    sim.host("server").listen_tcp(443, echoing).unwrap();
    let connect = |name: &str| {
        let (log, told) = (Log::default(), Log::default());
        let logged = log.clone();
        // A client each, without a session to resume.
        let inside = authority.client().around(NAME, move |transport| Recorder::new(transport, logged.clone()));
        let connector = sim.host(name).connect_tcp("server:443", inside);
        let failed = told.clone();
        sim.host(name).spawn(async move {
            if let Err(error) = connector.finished().await {
                failed.add(error.to_string());
            }
        });
        sim.run_for(Duration::from_secs(60));
        (log, told)
    };
    let (early, _) = connect("early");
    assert!(early.has("made"));
    sim.run_for(Duration::from_secs(2 * 3600));
    let (late, told) = connect("late");
    assert!(!late.has("made"));
    let reason =
        "cannot connect to server:443: the certificate of server.example expired at 2000-01-01T02:00:00Z; it is ";
    assert!(told.lines()[0].starts_with(reason), "{:?}", told.lines());
    assert!(!early.has("lost"));
}
