use std::thread;

use crate::apps::program::Program;
use crate::gallery::{Client, listening};
use crate::protocols::database::server::Server;
use crate::support::PATIENCE;

#[test]
fn what_the_howto_about_databases_shows_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let ended = Program::example("adbapi", [directory.path().join("users.db")]).finish().with_code(0);
    let expected = "42 years old\n\
        No such user\n\
        43\n\
        row 2\n\
        UNIQUE constraint failed: users.name\n\
        not really\n\
        [(\"ann\", 7), (\"bob\", 30), (\"eve\", 31), (\"joe\", 43)]\n\
        43\n\
        43 years old\n\
        true\n\
        [Some(43), Some(7), None]\n\
        in time: Ok(Some(43))\n\
        on another thread: Ok(Some(43))\n\
        of a fake: [\"42\"]\n\
        of one in memory: \"42\\r\\n\"\n";
    assert_eq!((&*ended.stdout, &*ended.stderr), (expected, ""));
    let users = rusqlite::Connection::open(directory.path().join("users.db")).unwrap();
    let last = users.query_row("SELECT age FROM users WHERE name = 'last'", [], |row| row.get::<_, u32>(0));
    assert_eq!(last, Ok(1), "the stop has waited for what nobody has");
}

#[test]
fn an_interaction_of_an_asynchronous_driver_ends_in_order_though_its_asker_is_gone() {
    let name = "an_interaction_of_an_asynchronous_driver_ends_in_order_though_its_asker_is_gone";
    let Some(server) = Server::start(name) else { return };
    let mut other = server.client();
    other
        .batch_execute("CREATE TABLE users (name text PRIMARY KEY, age int); INSERT INTO users VALUES ('eve', 1)")
        .unwrap();
    let socket = format!("unix:{}/.s.PGSQL.5432", server.directory().display());
    let mut program = Program::example("postgres_async", ["tcp:0:interface=127.0.0.1", &*socket]);
    let address = listening(&mut program);
    let mut ann = Client::connect(address);
    for (line, answer) in [("ann", "no such user"), ("ann 7", "7 years old"), ("ann", "7 years old")] {
        ann.say(line);
        assert_eq!(ann.hear(), answer);
    }
    // Its transaction has begun and waits when its asker goes.
    other.batch_execute("BEGIN; UPDATE users SET age = 2 WHERE name = 'eve'").unwrap();
    let mut gone = Client::connect(address);
    gone.say("eve 30");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let deadline = rig::now() + PATIENCE;
    while other.query_one(waits, &[]).unwrap().get::<_, i64>(0) == 0 {
        // What a transaction sees of the activity is as it was when it looked first.
        other.batch_execute("SELECT pg_stat_clear_snapshot()").unwrap();
        assert!(rig::now() < deadline, "the interaction does not begin");
        thread::yield_now();
    }
    drop(gone);
    other.batch_execute("COMMIT").unwrap();
    while other.query_one("SELECT age FROM users WHERE name = 'eve'", &[]).unwrap().get::<_, i32>(0) != 30 {
        assert!(rig::now() < deadline, "the interaction is not committed");
        thread::yield_now();
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'";
    assert_eq!(other.query_one(open, &[]).unwrap().get::<_, i64>(0), 0);
    // A server that is lost is connected to again.
    let lost = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    other.batch_execute(lost).unwrap();
    program.stderr_line_with("a connection to the database is lost: ");
    ann.say("ann");
    assert_eq!(ann.hear(), "7 years old");
}
