//! The tasks of a reactor that runs.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::task::coop::unconstrained;

use crate::driver::task::DriverTask;
use crate::hub::Hub;
use crate::reactor::core::Core;
use crate::time::panic_log::report_panic;
use crate::util::panics::catch_panic;
use crate::util::task_set::TaskSet;

/// The task that makes the calls of other threads, then the calls that are due on Tokio's clock.
pub(crate) async fn timers_and_inbox(core: Weak<Core>) {
    let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
    poll_fn(|cx| {
        let Some(core) = core.upgrade() else { return Poll::Ready(()) };
        let more_jobs = core.inbox.run(&core, cx.waker());
        if core.hub.timers.run_due() || more_jobs {
            cx.waker().wake_by_ref();
        } else if let Some(deadline) = core.hub.timers.next_deadline(cx.waker()) {
            sleep.as_mut().reset(deadline.into());
            if sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    })
    .await;
}

/// The task that moves the bytes of all connections. It has no budget, because it shares the time among them itself.
pub(crate) async fn run_drivers(drivers: Rc<TaskSet<DriverTask>>, hub: Rc<Hub>) {
    unconstrained(poll_fn(|cx| {
        hub.turn_clock.in_turn(|| {
            // A panic can only be one of ours, and ends the connection that it comes from.
            if let Err(message) = catch_panic(|| drivers.poll(cx)) {
                report_panic(&message, "a connection's driver panicked: the connection ends");
                cx.waker().wake_by_ref();
            }
        });
        Poll::<()>::Pending
    }))
    .await;
}
