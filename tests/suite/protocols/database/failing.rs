//! Interactions whose connections end at every possible moment.

use std::collections::BTreeSet;
use std::thread;

use futures_util::future::join_all;
use postgres::Client;
use protocols::database::{InteractionError, PendingInteraction, PoolError};

use super::link_that_breaks::BreakingLink;
use super::server::{Postgres, Server};
use super::{interactions, with_pool};
use crate::support::PATIENCE;

/// What goes wrong with an interaction by itself.
#[derive(Clone, Copy)]
enum Trouble {
    None,
    /// It returns an error.
    Error,
    Panic,
    /// It ends its own connection, from the server's side.
    Terminated,
    /// It takes an error of the server for none.
    Swallowed,
    /// Its asker is gone at once.
    NobodyAsks,
}

use Trouble::{Error, NobodyAsks, None, Panic, Swallowed, Terminated};

fn insert(client: &mut Client, number: i32, trouble: Trouble) -> Result<i32, String> {
    let text = |error: postgres::Error| error.to_string();
    client.execute("INSERT INTO numbers VALUES ($1)", &[&number]).map_err(text)?;
    match trouble {
        None | NobodyAsks => {}
        Error => return Err("given up".to_owned()),
        Panic => panic!("number {number}"),
        Terminated => drop(client.execute("SELECT pg_terminate_backend(pg_backend_pid())", &[]).map_err(text)?),
        Swallowed => drop(client.execute("SELECT 1 / 0", &[])),
    }
    Ok(number)
}

/// The connections of pools that have a transaction open, or do something.
fn open_transactions(client: &mut Client) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity \
        WHERE state <> 'idle' AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    client.query_one(query, &[]).unwrap().get(0)
}

#[track_caller]
fn wait_until_none_is_open(client: &mut Client) {
    let deadline = rig::now() + PATIENCE;
    while open_transactions(client) > 0 {
        assert!(rig::now() < deadline, "a transaction stays open");
        thread::yield_now();
    }
}

/// The numbers that are in the table.
fn numbers(client: &mut Client) -> BTreeSet<i32> {
    client.query("SELECT number FROM numbers", &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// What the askers have heard of each number.
#[derive(Debug, Default)]
struct Heard {
    committed: BTreeSet<i32>,
    absent: BTreeSet<i32>,
    uncertain: usize,
    repeated: u64,
}

#[test]
fn whatever_ends_their_connections_no_transaction_stays_open_and_each_asker_hears_what_happened() {
    let name = "whatever_ends_their_connections_no_transaction_stays_open_and_each_asker_hears_what_happened";
    let Some(server) = Server::start(name) else { return };
    let mut client = server.client();
    client.batch_execute("CREATE TABLE numbers (number int PRIMARY KEY)").unwrap();
    let link = BreakingLink::to(server.directory(), 4000, 7);
    let count = i32::try_from(interactions(600)).unwrap();
    let heard = with_pool(Postgres::at(link.directory()), async move |_reactor, pool| {
        let mut random = fastrand::Rng::with_seed(3);
        let pool = pool.max_waiting(usize::MAX).deadline(PATIENCE * 20);
        let mut asked = Vec::new();
        for number in 0..count {
            let trouble = [None, None, None, None, Error, Panic, Terminated, Swallowed, NobodyAsks][random.usize(..9)];
            let pending: PendingInteraction<i32, String> = match random.bool() {
                true => pool.run_interaction(move |client| insert(client, number, trouble)),
                false => pool.retry_interaction(move |client| insert(client, number, trouble)),
            };
            if !matches!(trouble, NobodyAsks) {
                asked.push((number, pending));
            }
        }
        let mut heard = Heard::default();
        let outcomes = join_all(asked.into_iter().map(async |(number, pending)| (number, pending.await))).await;
        for (number, outcome) in outcomes {
            match outcome {
                Ok(_) => heard.committed.insert(number),
                Err(InteractionError::Pool(PoolError::Uncertain(_))) => {
                    heard.uncertain += 1;
                    true
                }
                Err(_) => heard.absent.insert(number),
            };
        }
        let stats = pool.stats();
        heard.repeated = stats.repeated;
        eprintln!("{stats:?}");
        heard
    });
    // The reactor has waited for those that nobody asks for.
    wait_until_none_is_open(&mut client);
    let there = numbers(&mut client);
    eprintln!("{} broken, {} rows, {} uncertain", link.broken(), there.len(), heard.uncertain);
    assert_eq!(heard.committed.difference(&there).collect::<Vec<_>>(), [&0; 0], "lost after a commit");
    assert_eq!(heard.absent.intersection(&there).collect::<Vec<_>>(), [&0; 0], "there after an error");
    assert!(heard.committed.len() > usize::try_from(count).unwrap() / 10, "{heard:?}");
    assert!(link.broken() > 20 && heard.repeated > 5);
}

#[test]
fn a_server_that_is_killed_and_started_again_under_load_loses_no_interaction_that_may_be_repeated() {
    let name = "a_server_that_is_killed_and_started_again_under_load_loses_no_interaction_that_may_be_repeated";
    let Some(mut server) = Server::start(name) else { return };
    server.client().batch_execute("CREATE TABLE numbers (number int PRIMARY KEY)").unwrap();
    let count = i32::try_from(interactions(600)).unwrap();
    let (server, outcomes) = with_pool(server.database(), async move |reactor, pool| {
        let pool = pool.max_waiting(usize::MAX).deadline(PATIENCE);
        let ask = |number| pool.retry_interaction(move |client| insert(client, number, None));
        let mut asked: Vec<_> = (0..count).map(|number| (number, ask(number))).collect();
        let restarted = reactor.defer_to_thread(move || {
            server.kill();
            server.run();
            server
        });
        asked.extend((count..2 * count).map(|number| (number, ask(number))));
        let server = restarted.await.unwrap();
        asked.push((2 * count, ask(2 * count)));
        (server, join_all(asked.into_iter().map(async |(number, pending)| (number, pending.await))).await)
    });
    let there = numbers(&mut server.client());
    for (number, outcome) in outcomes {
        match outcome {
            Ok(_) => assert!(there.contains(&number), "{number}"),
            Err(InteractionError::Pool(PoolError::Uncertain(_))) => {}
            Err(error) => panic!("{number}: {error}"),
        }
    }
    wait_until_none_is_open(&mut server.client());
}
