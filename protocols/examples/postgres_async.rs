//! An asynchronous driver, `tokio-postgres`, over the reactor's own sockets: `postgres_async LISTEN SERVER`, where both are
//! endpoints, `tcp:localhost:5432` for example. `NAME` asks for somebody's age, `NAME AGE` sets it.
//!
//! An interaction is spawned, so that it ends in order whatever becomes of the connection that asks: it is the answer alone
//! that is deferred. Were the interaction itself deferred, its future would be dropped with the connection, between two
//! statements, and it would be up to the driver what becomes of the transaction.

use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;
use reactor::endpoint::{client_from_string, server_from_string};
use reactor::io::TokioStream;
use tokio::sync::{Semaphore, oneshot};
use tokio_postgres::{Client, Config, NoTls, Transaction};

type Failure = Box<dyn Error>;

const CONNECTIONS: u32 = 4;

/// A few connections to a server, which serve one interaction at a time.
struct Database {
    reactor: Reactor,
    server: String,
    idle: RefCell<Vec<Client>>,
    free: Semaphore,
}

impl Database {
    fn new(reactor: &Reactor, server: String) -> Rc<Self> {
        let free = Semaphore::new(CONNECTIONS as usize);
        let database = Rc::new(Self { reactor: reactor.clone(), server, idle: RefCell::default(), free });
        let stopping = Rc::clone(&database);
        // The sockets are the reactor's, so this is before it closes them.
        reactor.before_shutdown(async move || {
            // When all places are free, nothing is under way, and nothing more can begin.
            if let Ok(all) = stopping.free.acquire_many(CONNECTIONS).await {
                all.forget();
                stopping.free.close();
            }
        });
        database
    }

    /// Runs an interaction to its end; dropping the future that this returns only drops the result.
    fn run_interaction<T: 'static>(
        self: &Rc<Self>,
        interaction: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, tokio_postgres::Error> + 'static,
    ) -> impl Future<Output = Result<T, Failure>> + 'static {
        let (tell, told) = oneshot::channel();
        let database = Rc::clone(self);
        self.reactor.spawn(async move {
            let _ = tell.send(database.interact(interaction).await);
        });
        told.map(|told| told.unwrap_or_else(|_| Err("the interaction has panicked, or the program ends".into())))
    }

    async fn interact<T>(
        &self,
        interaction: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failure> {
        let _place = self.reactor.time_out(Duration::from_secs(30), self.free.acquire()).await??;
        let idle = self.idle.borrow_mut().pop().filter(|client| !client.is_closed());
        let mut client = match idle {
            Some(client) => client,
            None => self.connect().await?,
        };
        // Whatever returns early, and a panic, drops the client, which closes the connection and ends the transaction.
        let transaction = client.transaction().await?;
        match interaction(&transaction).await {
            Ok(value) => {
                // After a statement that has failed, a commit rolls back, and is no error.
                transaction.simple_query("SELECT").await?;
                transaction.commit().await?;
                self.idle.borrow_mut().push(client);
                Ok(value)
            }
            Err(error) => {
                transaction.rollback().await?;
                self.idle.borrow_mut().push(client);
                Err(error.into())
            }
        }
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let (factory, mut incoming) = TokioStream::incoming();
        client_from_string(&self.reactor, &self.server)?.connect(Box::new(factory)).await?;
        let stream = incoming.accept().await.ok_or("the connection was lost at once")?;
        let (client, connection) = Config::new().user("tester").dbname("postgres").connect_raw(stream, NoTls).await?;
        self.reactor.spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection to the database is lost: {error}");
            }
        });
        Ok(client)
    }
}

struct Ages {
    lines: Lines,
    database: Rc<Database>,
}

impl LineHandler for Ages {
    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let answer = self.database.run_interaction(async move |users| {
            let (name, age) = match line.split_once(' ') {
                Some((name, age)) => (name, age.parse::<i32>().ok()),
                None => (&*line, None),
            };
            if let Some(age) = age {
                let statement = "INSERT INTO users VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET age = $2";
                users.execute(statement, &[&name, &age]).await?;
            }
            let row = users.query_opt("SELECT age FROM users WHERE name = $1", &[&name]).await?;
            Ok(row.map(|row| row.get::<_, i32>(0)))
        });
        self.lines.defer(answer, |this: &mut Self, answer| match answer {
            Ok(Some(age)) => this.lines.send_line(format!("{age} years old")),
            Ok(None) => this.lines.send_line("no such user"),
            Err(error) => this.lines.send_line(format!("not now: {error}")),
        });
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "tcp:8000:interface=127.0.0.1".to_owned());
    let server = arguments.next().unwrap_or_else(|| "tcp:localhost:5432".to_owned());
    let reactor = Reactor::new()?;
    let database = Database::new(&reactor, server);
    let endpoint = server_from_string(&reactor, &listen)?;
    reactor.spawn(async move {
        let factory = LineReceiver::factory(move |lines| Ages { lines, database: database.clone() });
        match endpoint.listen(Box::new(factory)).await {
            Ok(port) => println!("listening on {}", port.host()),
            Err(error) => eprintln!("{error}"),
        }
    });
    Ok(reactor.run()?)
}
