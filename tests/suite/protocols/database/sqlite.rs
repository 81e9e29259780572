use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use protocols::database::{ConnectionPool, Database};
use rusqlite::Connection;

use super::{interactions, with_pool};
use crate::support::{PATIENCE, test_reactor};

/// A file of SQLite's.
struct Sqlite(PathBuf);

impl Database for Sqlite {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.0)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")?;
        connection.execute_batch("CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY)")?;
        Ok(connection)
    }

    fn is_alive(&self, connection: &mut Connection) -> bool {
        connection.execute_batch("SELECT 1").is_ok()
    }

    fn begin(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.execute_batch("BEGIN IMMEDIATE")
    }

    fn commit(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.execute_batch("COMMIT")
    }

    fn roll_back(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.execute_batch("ROLLBACK")
    }
}

fn insert(connection: &mut Connection, number: usize) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO numbers VALUES (?)", [number as i64])?;
    match number % 4 {
        0 => Err(rusqlite::Error::InvalidQuery),
        1 => panic!("number {number}"),
        _ => Ok(number),
    }
}

fn numbers(path: &PathBuf) -> Vec<usize> {
    let connection = Connection::open(path).unwrap();
    let mut query = connection.prepare("SELECT number FROM numbers ORDER BY number").unwrap();
    let rows = query.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    rows.map(|number| number.unwrap() as usize).collect()
}

#[test]
fn of_many_interactions_those_that_return_a_value_are_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers.db");
    let count = interactions(400);
    let outcomes = with_pool(Sqlite(path.clone()), async move |_reactor, pool| {
        let pool = pool.max_waiting(count);
        let asked: Vec<_> =
            (0..count).map(|number| pool.run_interaction(move |sqlite| insert(sqlite, number))).collect();
        join_all(asked).await
    });
    let committed: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
    assert_eq!(committed, (0..count).filter(|number| number % 4 > 1).collect::<Vec<_>>());
    assert_eq!(numbers(&path), committed);
}

#[test]
fn a_stop_waits_for_interactions_whose_askers_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers.db");
    let database = Sqlite(path.clone());
    std::thread::spawn(move || {
        let reactor = test_reactor();
        reactor.set_shutdown_deadline(PATIENCE);
        let pool = ConnectionPool::new(&reactor, database);
        for number in 0..100 {
            pool.run_interaction(move |sqlite| insert(sqlite, number * 4 + 2));
        }
        reactor.stop();
        reactor.run().unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(numbers(&path).len(), 100);
}
