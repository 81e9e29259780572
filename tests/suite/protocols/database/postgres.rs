use std::time::Duration;

use futures_util::future::join_all;
use postgres::Client;
use protocols::database::{InteractionError, PoolError};

use super::server::Server;
use super::with_pool;

#[test]
fn a_thousand_that_wait_for_a_connection_hear_so_at_their_deadline() {
    let Some(server) = Server::start("a_thousand_that_wait_for_a_connection_hear_so_at_their_deadline") else { return };
    let mut keeper = server.client();
    keeper.batch_execute("SELECT pg_advisory_lock(1)").unwrap();
    with_pool(server.database(), async move |reactor, pool| {
        let pool = pool.max_connections(2);
        let wait = |client: &mut Client| client.batch_execute("SELECT pg_advisory_xact_lock(1)");
        let busy = [(); 2].map(|()| pool.run_interaction(wait));
        while pool.stats().running < 2 {
            reactor.sleep(Duration::from_millis(1)).await;
        }
        let pool = pool.deadline(Duration::from_millis(200));
        let waiting: Vec<_> =
            (0..1000).map(|_| pool.run_interaction(|client| client.batch_execute("SELECT"))).collect();
        let outcomes = join_all(waiting).await;
        let late =
            |outcome: &Result<(), _>| matches!(outcome, Err(InteractionError::Pool(PoolError::NoConnection(_, None))));
        assert!(outcomes.iter().all(late));
        assert_eq!((pool.stats().running, pool.stats().waiting), (2, 0));
        // A client of this driver blocks, also when it is dropped.
        reactor.defer_to_thread(move || drop(keeper)).await.unwrap();
        for outcome in join_all(busy).await {
            outcome.unwrap();
        }
    });
}

#[test]
fn a_commit_after_a_statement_that_has_failed_is_no_success() {
    let Some(server) = Server::start("a_commit_after_a_statement_that_has_failed_is_no_success") else { return };
    with_pool(server.database(), async |_reactor, pool| {
        let swallowed = pool.run_interaction(|client| {
            let _ = client.batch_execute("SELECT 1 / 0");
            Ok::<_, postgres::Error>(())
        });
        let error = swallowed.await.unwrap_err().to_string();
        assert!(error.starts_with("the database refused to commit: "), "{error}");
        // What cannot be in a transaction has none.
        pool.run_with_connection(|client| client.batch_execute("VACUUM")).await.unwrap();
        assert!(pool.run_interaction(|client| client.batch_execute("VACUUM")).await.is_err());
        assert_eq!(pool.stats().discarded, 0);
    });
}
