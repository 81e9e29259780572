//! Connections on threads of their own.

use std::sync::Arc;
use std::{io, thread};

use crate::database::Database;
use crate::database::panics::contain;
use crate::database::queue::{Next, Shared};
use crate::database::worker::Worker;

pub(super) fn start<D: Database>(shared: &Arc<Shared<D>>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name("database".to_owned()).spawn(move || work(shared)).map(drop)
}

fn work<D: Database>(shared: Arc<Shared<D>>) {
    let mut worker = Worker::new(shared, |payload| contain(|| drop(payload)));
    loop {
        let paused = match worker.shared.next_on_thread(worker.is_connected()) {
            Next::Connect => worker.connect(),
            Next::Run(waiting) => worker.run(waiting),
            Next::End => return,
        };
        if let Err(pause) = paused {
            thread::sleep(pause);
        }
    }
}
