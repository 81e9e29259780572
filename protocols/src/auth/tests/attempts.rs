use std::time::Duration;

use reactor::testing::Simulation;

use super::*;
use crate::auth::{AttemptLimit, PasswordTable};

fn accounts() -> PasswordTable {
    let accounts = PasswordTable::new();
    accounts.insert("ann", cheap("right"));
    accounts
}

/// A server in a simulation.
fn server(sim: &Simulation, limit: AttemptLimit) -> Portal<Member> {
    let portal = Portal::new(Members::default());
    portal.register_checker::<Password>(accounts());
    portal.set_attempt_limit(limit);
    sim.host("server").listen_tcp(7, serve(&portal)).unwrap();
    portal
}

/// What the server answers to each of these, on one connection of this host.
fn ask(sim: &Simulation, host: &str, lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let client = sim.open(host, "server:7");
    for line in lines {
        client.send_line(line);
        sim.run_for(Duration::from_millis(300));
    }
    client.received_lines()
}

fn login(password: &str) -> String {
    format!("LOGIN ann {password}")
}

#[test]
fn an_address_that_has_failed_often_is_refused_unheard_and_others_are_not() {
    let sim = Simulation::new(0);
    server(&sim, AttemptLimit::none().per_address(3, Duration::from_secs(60)));
    let wrong = (0..4).map(|_| login("wrong"));
    let answers = ask(&sim, "guesser", wrong.chain([login("right")]));
    assert_eq!(answers[..3], ["NO wrong name or password"; 3]);
    assert!(
        answers.len() == 5 && answers[3..].iter().all(|answer| answer.contains("too many failed logins")),
        "{answers:?}"
    );
    assert_eq!(ask(&sim, "owner", [login("right")]), ["OK ann"]);
    // Another attempt is allowed after each minute.
    sim.run_for(Duration::from_secs(60));
    assert_eq!(ask(&sim, "guesser", [login("right")]), ["OK ann"]);
}

#[test]
fn a_name_that_was_guessed_often_is_refused_from_everywhere() {
    let sim = Simulation::new(0);
    server(&sim, AttemptLimit::none().per_name(3, Duration::from_secs(60)));
    for host in ["a", "b", "c"] {
        assert_eq!(ask(&sim, host, [login("wrong")]), ["NO wrong name or password"]);
    }
    assert!(ask(&sim, "owner", [login("right")])[0].starts_with("NO too many failed logins"));
    assert_eq!(ask(&sim, "owner", ["LOGIN bob x".to_owned()]), ["NO wrong name or password"]);
    sim.run_for(Duration::from_secs(61));
    assert_eq!(ask(&sim, "owner", [login("right")]), ["OK ann"]);
}

#[test]
fn logins_that_succeed_are_not_counted() {
    let sim = Simulation::new(0);
    server(&sim, AttemptLimit::none().per_address(1, Duration::from_secs(3600)).per_name(1, Duration::from_secs(3600)));
    assert_eq!(ask(&sim, "owner", (0..20).map(|_| login("right"))), ["OK ann"; 20]);
}

#[test]
fn many_attempts_at_once_count_before_the_first_has_failed() {
    let sim = Simulation::new(0);
    let portal = server(&sim, AttemptLimit::none().per_address(3, Duration::from_secs(60)));
    let asked = Rc::new(Cell::new(0));
    let counter = Rc::clone(&asked);
    portal.register_checker(async move |_: Password, _| {
        counter.set(counter.get() + 1);
        std::future::pending().await
    });
    let clients: Vec<_> = (0..10).map(|_| sim.open("guesser", "server:7")).collect();
    clients.iter().for_each(|client| client.send_line(login("wrong")));
    sim.run_for(Duration::from_secs(1));
    assert_eq!(asked.get(), 3);
    let refused = clients.iter().filter(|client| client.received_text().contains("too many")).count();
    assert_eq!(refused, 7);
}

#[test]
fn a_checker_that_fails_costs_the_client_nothing() {
    let sim = Simulation::new(0);
    let portal = server(&sim, AttemptLimit::none().per_address(1, Duration::from_secs(3600)));
    portal.register_checker(async |_: Password, _| Err(LoginError::failed("the database is down")));
    assert_eq!(ask(&sim, "owner", (0..3).map(|_| login("right"))), ["NO the login could not be checked"; 3]);
}

#[test]
fn what_is_remembered_is_bounded_and_those_who_fail_most_stay() {
    let sim = Simulation::new(0);
    let reactor = sim.host("server");
    let mut limit = AttemptLimit::none().per_name(2, Duration::from_secs(60));
    let peer = "192.0.2.1:1".parse::<std::net::SocketAddr>().unwrap().into();
    for _ in 0..2 {
        limit.begin(&reactor, &peer, Some("victim")).unwrap();
    }
    for number in 0..100_000 {
        limit.begin(&reactor, &peer, Some(&number.to_string())).unwrap();
    }
    assert!(format!("{limit:?}").contains("remembered: "), "{limit:?}");
    let remembered: usize =
        format!("{limit:?}").split("remembered: ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!((4000..=8192).contains(&remembered), "{remembered}");
    assert!(limit.begin(&reactor, &peer, Some("victim")).is_err());
}
