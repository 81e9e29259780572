//! What a reactor does in each turn, beside its connections.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Weak;
use std::task::Poll;
use std::time::Duration;

use crate::reactor::core::Core;

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
