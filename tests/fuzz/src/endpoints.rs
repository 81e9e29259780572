//! Endpoint descriptions, and the variables that hand over sockets.

#[path = "../../../reactor/src/listen/socket_activation.rs"]
mod activation;

use std::fmt::Debug;

use activation::Activation;
use reactor::Reactor;
use reactor::endpoint::{EndpointError, client_from_string, quote_string_argument, server_from_string};
use reactor::testing::Simulation;
use reactor::text::escaped;

thread_local! {
    /// A reactor with all schemes, on which nothing is opened.
    static REACTOR: (Simulation, Reactor) = {
        let sim = Simulation::new(1);
        let reactor = sim.host("here");
        protocols::add_endpoint_schemes(&reactor);
        reactor.allow_endpoint_schemes(&["exec", "fd", "stdio", "systemd"]);
        (sim, reactor)
    };
}

/// A text as a description of either side: it gives an endpoint that displays as a description of the same endpoint, or
/// an error with the text and a position in it. Quoted text is taken unchanged.
pub fn endpoint(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    REACTOR.with(|(_, reactor)| {
        check(&text, |text| server_from_string(reactor, text));
        check(&text, |text| client_from_string(reactor, text));
        let quoted = format!("exec:{}", quote_string_argument(&text));
        match client_from_string(reactor, &quoted) {
            Ok(endpoint) => assert_eq!(endpoint.to_string(), quoted),
            Err(error) => assert!(text.is_empty(), "{error}"),
        }
    });
}

fn check<E: Debug>(text: &str, read: impl Fn(&str) -> Result<E, EndpointError>) {
    match read(text) {
        // An endpoint's `Debug` is the same as its `Display`.
        Ok(endpoint) => {
            let shown = format!("{endpoint:?}");
            let again =
                read(&shown).unwrap_or_else(|error| panic!("{text:?} displays as an invalid description: {error}"));
            assert_eq!(format!("{again:?}"), shown);
        }
        Err(error) => {
            let shown = error.to_string();
            let quoted = escaped(text).to_string();
            assert!(shown.len() > quoted.len() + 2 && shown.starts_with(&quoted), "{shown}");
            assert!(error.position().is_none_or(|position| text.is_char_boundary(position)), "{shown}");
        }
    }
}

/// The three variables, one per line, then a name: the result consists of numbers of sockets that were handed over.
pub fn listen_fds(data: &[u8]) {
    const PROCESS: u32 = 7;
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"].map(|name| (name, lines.next()));
    let value = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).and_then(|(_, value)| *value);
    let activation = Activation::read(|name| value(name).map(str::to_owned), PROCESS);
    let count = value("LISTEN_FDS").and_then(|count| count.parse::<u32>().ok());
    let Ok(activation) = activation else {
        let meant = value("LISTEN_PID").and_then(|process| process.parse().ok()) == Some(PROCESS);
        let signed = [value("LISTEN_PID"), value("LISTEN_FDS")].iter().flatten().any(|text| text.starts_with('+'));
        assert!(!meant || count.is_none() || signed, "{text:?} is refused: {activation:?}");
        return;
    };
    let count = count.unwrap();
    for index in [0, 1, count.wrapping_sub(1), count, u32::MAX] {
        match activation.number_of(index) {
            Ok(number) => assert!(index < count && i64::from(number) == i64::from(index) + 3),
            Err(why) => assert!(!why.is_empty() && (index >= count || index > i32::MAX as u32 - 3)),
        }
    }
    let name = lines.next().unwrap_or_default();
    let names: Vec<_> = value("LISTEN_FDNAMES").unwrap_or_default().split(':').collect();
    match activation.named(name) {
        Ok(numbers) => {
            assert!(!numbers.is_empty() && numbers.is_sorted());
            assert!(
                numbers
                    .iter()
                    .all(|number| names[*number as usize - 3] == name && i64::from(*number - 3) < i64::from(count))
            );
        }
        Err(why) => {
            let there = names.iter().take(count as usize).any(|other| *other == name);
            assert!(!there || names == [""], "{name:?} is not found in {text:?}: {why}");
        }
    }
}
