//! What Twisted's `howto/rdbms.rst` shows and what its readers ask next, line by line, with SQLite: `adbapi`. The Python that a
//! function stands for is above it.

use std::path::PathBuf;
use std::time::Duration;
use std::{io, thread};

use futures_util::future::try_join_all;
use protocols::database::{ConnectionPool, Database, InteractionError, PendingInteraction, WithoutTransactions};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;
use reactor::testing::{Simulation, StringTransport};
use rusqlite::{Connection, Error, OptionalExtension, params};

/// `sqlite3`, or any other module that has DB-API: here a trait says how to connect, and how transactions begin and end.
struct Sqlite(PathBuf);

type Pool = ConnectionPool<Sqlite>;
type Result<T> = std::result::Result<T, InteractionError<Error>>;

impl Database for Sqlite {
    type Connection = Connection;
    type Error = Error;

    // Whatever cp_openfun does is done here.
    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.0)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(connection)
    }

    // cp_good_sql
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

// dbpool = adbapi.ConnectionPool("sqlite3", "users.db", cp_max=3, cp_reconnect=True)
fn connection_pool(reactor: &Reactor, file: PathBuf) -> Pool {
    // Connections that are lost are always replaced.
    ConnectionPool::new(reactor, Sqlite(file)).max_connections(3)
}

// dbpool.runOperation("CREATE TABLE users (name text PRIMARY KEY, age integer)")
fn create_table(pool: &Pool) -> PendingInteraction<(), Error> {
    pool.run_interaction(|users| users.execute_batch("CREATE TABLE users (name text PRIMARY KEY, age integer)"))
}

// dbpool.runOperation("INSERT INTO users VALUES (?, ?)", (name, age))
fn insert(pool: &Pool, name: &'static str, age: u32) -> PendingInteraction<usize, Error> {
    pool.run_interaction(move |users| users.execute("INSERT INTO users VALUES (?, ?)", params![name, age]))
}

// def getAge(user):
//     return dbpool.runQuery("SELECT age FROM users WHERE name = ?", user)
fn get_age(pool: &Pool, user: &'static str) -> PendingInteraction<Option<u32>, Error> {
    pool.run_interaction(move |users| {
        users.query_row("SELECT age FROM users WHERE name = ?", [user], |row| row.get(0)).optional()
    })
}

// def printResult(l):
//     if l:
//         print(l[0][0], "years old")
//     else:
//         print("No such user")
fn print_result(age: Option<u32>) {
    match age {
        Some(age) => println!("{age} years old"),
        None => println!("No such user"),
    }
}

// dbpool.runQuery("SELECT name, age FROM users ORDER BY name")
fn all_users(pool: &Pool) -> PendingInteraction<Vec<(String, u32)>, Error> {
    pool.run_interaction(|users| {
        let mut query = users.prepare("SELECT name, age FROM users ORDER BY name")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    })
}

// def _birthday(txn, user):
//     txn.execute("UPDATE users SET age = age + 1 WHERE name = ?", user)
//     txn.execute("SELECT age FROM users WHERE name = ?", user)
//     return txn.fetchall()[0][0]
//
// dbpool.runInteraction(_birthday, user)
fn birthday(pool: &Pool, user: &'static str) -> PendingInteraction<u32, Error> {
    pool.run_interaction(move |users| {
        users.execute("UPDATE users SET age = age + 1 WHERE name = ?", [user])?;
        users.query_row("SELECT age FROM users WHERE name = ?", [user], |row| row.get(0))
    })
}

// txn.executemany("INSERT INTO users VALUES (?, ?)", people)
fn insert_many(pool: &Pool, people: Vec<(&'static str, u32)>) -> PendingInteraction<(), Error> {
    pool.run_interaction(move |users| {
        let mut insert = users.prepare("INSERT INTO users VALUES (?, ?)")?;
        people.iter().try_for_each(|person| insert.execute(*person).map(drop))
    })
}

// txn.execute("INSERT …")
// return txn.lastrowid
fn insert_and_return_id(pool: &Pool) -> PendingInteraction<i64, Error> {
    pool.run_interaction(|users| {
        users.execute("INSERT INTO users VALUES ('ann', 7)", [])?;
        Ok(users.last_insert_rowid())
    })
}

// def _transfer(txn):
//     txn.execute("UPDATE users SET age = 0")
//     raise ValueError("not really")
fn roll_back(pool: &Pool) -> PendingInteraction<(), String> {
    pool.run_interaction(|users| {
        users.execute("UPDATE users SET age = 0", []).map_err(|error| error.to_string())?;
        Err("not really".to_owned())
    })
}

// dbpool.runWithConnection(lambda conn: conn.execute("VACUUM"))
fn vacuum(pool: &Pool) -> PendingInteraction<(), Error> {
    pool.run_with_connection(|users| users.execute_batch("VACUUM"))
}

// @retry(adbapi.ConnectionLost)
fn get_age_though_the_server_restarts(pool: &Pool, user: &'static str) -> PendingInteraction<u32, Error> {
    pool.retry_interaction(move |users| {
        users.query_row("SELECT age FROM users WHERE name = ?", [user], |row| row.get(0))
    })
}

// d = getAge("joe")
// d.addCallback(printResult)
// d.addErrback(lambda failure: print(failure.getErrorMessage()))
async fn callback_and_errback(pool: &Pool) {
    match get_age(pool, "joe").await {
        Ok(age) => print_result(age),
        Err(error) => println!("{error}"),
    }
}

// @inlineCallbacks
// def older(first, second):
//     return (yield getAge(first)) > (yield getAge(second))
async fn one_after_the_other(pool: &Pool) -> Result<bool> {
    Ok(get_age(pool, "joe").await? > get_age(pool, "ann").await?)
}

// gatherResults([getAge("joe"), getAge("ann"), getAge("nobody")])
async fn several_at_a_time(pool: &Pool) -> Result<Vec<Option<u32>>> {
    try_join_all(["joe", "ann", "nobody"].map(|user| get_age(pool, user))).await
}

// getAge("joe").addTimeout(5, reactor)
async fn not_for_ever(reactor: &Reactor, pool: &Pool) {
    // The interaction goes on; it is nobody's any more.
    match reactor.time_out(Duration::from_secs(5), get_age(pool, "joe")).await {
        Ok(age) => println!("in time: {age:?}"),
        Err(late) => println!("{late}"),
    }
}

// blockingCallFromThread(reactor, getAge, "joe")
async fn from_another_thread(reactor: &Reactor, pool: &Pool) {
    let (remote, pool) = (reactor.remote(), pool.clone());
    let thread = thread::spawn(move || remote.block_on(move |_reactor| get_age(&pool, "joe")));
    let joined = reactor.defer_to_thread(move || thread.join());
    if let Ok(Ok(Ok(age))) = joined.await {
        println!("on another thread: {age:?}");
    }
}

// class Ages(LineReceiver):
//     def lineReceived(self, line):
//         d = getAge(line)
//         d.addCallback(lambda age: self.sendLine(b"%d" % age))
struct Ages<D: Database<Connection: Users>> {
    lines: Lines,
    users: ConnectionPool<D>,
}

/// What the protocol wants to know, and not of which database.
trait Users {
    fn age(&mut self, name: &str) -> std::result::Result<Option<u32>, String>;
}

impl Users for Connection {
    fn age(&mut self, name: &str) -> std::result::Result<Option<u32>, String> {
        let age = self.query_row("SELECT age FROM users WHERE name = ?", [name], |row| row.get(0));
        age.optional().map_err(|error| error.to_string())
    }
}

impl<D: Database<Connection: Users>> LineHandler for Ages<D> {
    fn line_received(&mut self, line: &[u8]) {
        let name = String::from_utf8_lossy(line).into_owned();
        // If the client is gone by then, the closure is not called, and nothing has to be cancelled.
        self.lines.defer(self.users.run_interaction(move |users| users.age(&name)), |this: &mut Self, age| match age {
            Ok(Some(age)) => this.lines.send_line(age.to_string()),
            Ok(None) => this.lines.send_line("no such user"),
            Err(error) => this.lines.send_line(error.to_string()),
        });
    }
}

// def test_age(self):
//     pool = FakePool({"joe": 42})
fn a_test_without_a_database() {
    struct Fake;
    impl Users for Fake {
        fn age(&mut self, name: &str) -> std::result::Result<Option<u32>, String> {
            Ok((name == "joe").then_some(42))
        }
    }
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let users = ConnectionPool::new(&server, WithoutTransactions(|| Ok::<_, String>(Fake)));
    let factory = LineReceiver::factory(move |lines| Ages { lines, users: users.clone() });
    server.listen_tcp(8000, factory).expect("a host of its own has the port");
    let client = sim.open("client", "server:8000");
    client.send_line("joe");
    sim.run_for(Duration::from_secs(1));
    println!("of a fake: {:?}", client.received_lines());
}

// reactor.connectTCP… in a test, with the real module
fn a_test_with_sqlite_in_memory() {
    // The same code, in the same order every time: with a reactor in memory there are no threads.
    let mut wire = StringTransport::connect(|transport: reactor::Transport| {
        let users = ConnectionPool::new(&transport.reactor(), Sqlite(":memory:".into())).max_connections(1);
        create_table(&users);
        insert(&users, "joe", 42);
        let mut factory = LineReceiver::factory(move |lines| Ages { lines, users: users.clone() });
        reactor::Factory::build_protocol(&mut factory, transport)
    });
    wire.receive("joe\r\n");
    wire.advance(Duration::from_secs(1));
    println!("of one in memory: {:?}", wire.written_text());
}

async fn run(reactor: Reactor, pool: Pool) -> Result<()> {
    create_table(&pool).await?;
    insert(&pool, "joe", 42).await?;
    print_result(get_age(&pool, "joe").await?);
    print_result(get_age(&pool, "nobody").await?);
    println!("{}", birthday(&pool, "joe").await?);
    println!("row {}", insert_and_return_id(&pool).await?);
    insert_many(&pool, vec![("bob", 30), ("eve", 31)]).await?;
    if let Err(error) = insert_many(&pool, vec![("carl", 5), ("eve", 32)]).await {
        println!("{error}");
    }
    if let Err(error) = roll_back(&pool).await {
        println!("{error}");
    }
    println!("{:?}", all_users(&pool).await?);
    vacuum(&pool).await?;
    println!("{}", get_age_though_the_server_restarts(&pool, "joe").await?);
    callback_and_errback(&pool).await;
    println!("{}", one_after_the_other(&pool).await?);
    println!("{:?}", several_at_a_time(&pool).await?);
    not_for_ever(&reactor, &pool).await;
    from_another_thread(&reactor, &pool).await;
    // dbpool.close(): the reactor waits for this one when it stops.
    insert(&pool, "last", 1);
    Ok(())
}

fn main() -> io::Result<()> {
    let file = std::env::args_os().nth(1).unwrap_or_else(|| "users.db".into());
    let reactor = Reactor::new()?;
    let pool = connection_pool(&reactor, file.into());
    if let Err(error) = reactor.run_until(run(reactor.clone(), pool))? {
        println!("{error}");
    }
    a_test_without_a_database();
    a_test_with_sqlite_in_memory();
    Ok(())
}
