//! Connections in tasks of a reactor that is in memory: nothing runs beside it, and time passes by its clock.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use reactor::Reactor;
use reactor::threads::RemoteReactor;

use crate::database::Database;
use crate::database::queue::{Next, Shared};
use crate::database::worker::Worker;

pub(super) fn start<D: Database>(shared: &Arc<Shared<D>>, reactor: &Reactor) {
    // The handle is weak: a task that holds its reactor would keep one that nobody runs.
    let home = reactor.remote();
    let panicked = {
        let home = home.clone();
        // A call that panics fails the test, unless that expects it.
        move |payload| _ = home.call_from_thread(move |_| resume_unwind(payload))
    };
    let mut worker = Worker::new(Arc::clone(shared), panicked);
    reactor.spawn(async move {
        loop {
            let paused = match worker.shared.next_in_task(worker.is_connected()).await {
                Next::Connect => worker.connect(),
                Next::Run(waiting) => {
                    let about = worker.shared.options().simulated_latency;
                    // Between half of it and one and a half times, by the seed.
                    sleep(&home, move |reactor| about.mul_f64(0.5 + reactor.random() as f64 / u64::MAX as f64)).await;
                    worker.run(waiting)
                }
                Next::End => return,
            };
            if let Err(pause) = paused {
                sleep(&home, move |_| pause).await;
            }
        }
    });
}

async fn sleep(home: &RemoteReactor, time: impl FnOnce(&Reactor) -> Duration + Send + 'static) {
    let (tell, told) = oneshot::channel();
    let begin = move |reactor: &Reactor| {
        reactor.call_later(time(reactor), move || _ = tell.send(()));
    };
    let _ = home.call_from_thread(begin);
    let _ = told.await;
}
