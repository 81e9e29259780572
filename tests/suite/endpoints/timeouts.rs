//! `timeouts:` around other endpoints.

use std::time::Duration;

use futures_util::FutureExt;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Transport;
use reactor::endpoint::server_from_string;
use reactor::testing::Simulation;

use crate::support::{Log, Recorder};

struct Silent;

impl LineHandler for Silent {
    fn line_received(&mut self, _: &[u8]) {}
}

/// How many seconds a server at this endpoint keeps a client that sends this, up to a minute.
fn kept(description: &str, sent: &'static str) -> usize {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    protocols::add_endpoint_schemes(&server);
    let endpoint = server_from_string(&server, description).unwrap();
    assert_eq!(endpoint.to_string(), description);
    let port = endpoint.listen(Box::new(LineReceiver::factory(|_: Lines| Silent))).now_or_never().unwrap().unwrap();
    sim.host("client").connect_tcp("server:80", move |transport: Transport| {
        transport.write(sent);
        Recorder::new(transport, Log::default())
    });
    sim.run_for(Duration::from_millis(500));
    assert_eq!(port.connection_count(), 1);
    let is_kept = |_: &i32| {
        sim.run_for(Duration::from_secs(1));
        port.connection_count() > 0
    };
    (1..=60).take_while(is_kept).count()
}

#[test]
fn a_description_can_limit_the_time_of_its_clients() {
    let both = "timeouts:idle=20:first-message=10:sim:server:80";
    for (description, sent, seconds) in [
        ("sim:server:80", "", 60),
        ("timeouts:idle=20:sim:server:80", "", 19),
        ("timeouts:first-message=10:sim:server:80", "half a line", 9),
        ("timeouts:first-message=10:sim:server:80", "a line\r\n", 60),
        (both, "half a line", 9),
        (both, "a line\r\n", 19),
    ] {
        assert_eq!(kept(description, sent), seconds, "{description}, {sent:?}");
    }
}

#[test]
fn a_description_without_a_time_is_refused() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    protocols::add_endpoint_schemes(&server);
    for (description, expected) in [
        ("timeouts:tcp:80", "has no time: give idle= or first-message="),
        ("timeouts:idle=x:tcp:80", "\"x\" (at 14) is not a time: a time is a number of seconds"),
        ("timeouts:idle=5", "the endpoint inside timeouts is missing"),
    ] {
        let error = server_from_string(&server, description).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
