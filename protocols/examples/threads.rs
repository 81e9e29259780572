//! Has another thread calculate, then has one wait for work of the reactor.

use std::io;

use reactor::Reactor;
use reactor::threads::RemoteReactor;

fn do_long_calculation() -> u64 {
    (1..=1_000_000).sum()
}

/// Does one thing after another on a thread that may block without delaying others.
fn in_thread(remote: &RemoteReactor) {
    match remote.block_on(|reactor| reactor.resolve("127.0.0.1:80")) {
        Ok(addresses) => println!("the reactor has resolved {addresses:?}"),
        Err(error) => println!("{error}"),
    }
    // Does not wait for this call.
    remote
        .call_from_thread(|reactor| {
            println!("back on the reactor's thread");
            reactor.stop();
        })
        .expect("the reactor runs, and nobody else calls it");
}

fn main() -> io::Result<()> {
    let reactor = Reactor::new()?;
    let (result, threads, remote) = (reactor.defer_to_thread(do_long_calculation), reactor.clone(), reactor.remote());
    reactor.spawn(async move {
        println!("the result is {:?}", result.await);
        if let Err(error) = threads.call_in_thread(move || in_thread(&remote)) {
            println!("{error}");
        }
    });
    reactor.run()
}
