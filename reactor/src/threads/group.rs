//! Reactors that run as one.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::{io, thread};

use crate::hub::Budgets;
use crate::port::seats::Load;
use crate::reactor::Reactor;
use crate::reactor::inbox::Room;
use crate::reactor::parts::Part;
use crate::reactor::port_registry::{PortRegistry, ReactorPorts};
use crate::threads::remote::RemoteReactor;
use crate::util::lock::lock;

/// Reactors that share their ports and budgets, and stop together. `E` is the error that stops them.
pub(crate) struct Group<E> {
    budgets: Budgets,
    ports: Arc<PortRegistry>,
    members: Arc<Mutex<Members>>,
    /// The first error of any of them.
    error: Mutex<Option<E>>,
}

#[derive(Default)]
struct Members {
    reactors: Vec<Member>,
    stopped: bool,
}

/// One of the reactors of a group that run.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) remote: RemoteReactor,
    number: usize,
    load: Load,
}

/// The group of a reactor.
#[derive(Default)]
struct GroupPart(RefCell<Option<Arc<Mutex<Members>>>>);

impl Part for GroupPart {
    fn clear(&self) {
        self.0.take();
    }
}

impl<E: From<io::Error> + Send> Group<E> {
    pub(crate) fn new() -> Self {
        Self { budgets: Budgets::of_process(), ports: Arc::default(), members: Arc::default(), error: Mutex::new(None) }
    }

    /// Makes a reactor for this thread.
    pub(crate) fn reactor(&self, number: usize) -> io::Result<Reactor> {
        let ports = ReactorPorts::of_group(Arc::clone(&self.ports), number);
        let reactor = Reactor::within(self.budgets.clone(), ports)?;
        let remote = reactor.remote();
        reactor.0.hub.memory.set_ask(move || {
            // A reactor that has ended holds nothing.
            let _ = remote.queue(|reactor| reactor.0.hub.memory.relieve(), 0, Room::Whatever);
        });
        let members = Arc::clone(&self.members);
        reactor.before_shutdown(async move || stop_all(&members));
        reactor.0.parts.get::<GroupPart>().0.replace(Some(Arc::clone(&self.members)));
        Ok(reactor)
    }

    /// Makes a reactor that is about to run one that stops with the others.
    pub(crate) fn join(&self, reactor: &Reactor) {
        let mut members = lock(&self.members);
        if members.stopped {
            reactor.stop();
        }
        members.reactors.push(Member::of(reactor));
        members.reactors.sort_by_key(|member| member.number);
    }

    /// Runs `first` here and `other` on a thread for each further number; returns the first error when all have ended. A
    /// panic ends the others, too, and goes on here.
    pub(crate) fn run(
        &self,
        threads: usize,
        first: impl FnOnce() -> Result<(), E>,
        other: impl Fn(usize) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        thread::scope(|scope| {
            let mut others = Vec::new();
            for number in 1..threads {
                let other = &other;
                let run = move || self.run_one(|| other(number));
                match thread::Builder::new().name(format!("reactor-{number}")).spawn_scoped(scope, run) {
                    Ok(thread) => others.push(thread),
                    Err(error) => {
                        self.fail(error.into());
                        break;
                    }
                }
            }
            self.run_one(first);
            let panics: Vec<_> = others.into_iter().filter_map(|thread| thread.join().err()).collect();
            if let Some(panic) = panics.into_iter().next() {
                resume_unwind(panic);
            }
        });
        lock(&self.error).take().map_or(Ok(()), Err)
    }

    fn run_one(&self, run: impl FnOnce() -> Result<(), E>) {
        // Also when it panics: the others must not wait forever.
        let _stop = StopAll(&self.members);
        if let Err(error) = run() {
            self.fail(error);
        }
    }

    fn fail(&self, error: E) {
        lock(&self.error).get_or_insert(error);
        stop_all(&self.members);
    }
}

impl Member {
    fn of(reactor: &Reactor) -> Self {
        Self {
            remote: reactor.remote(),
            number: reactor.thread_number(),
            load: Arc::clone(&reactor.0.shared_ports.load),
        }
    }

    /// The number of connections that its ports have accepted.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }
}

impl Reactor {
    /// The reactors that [run together](crate::run_on_threads) and have not ended, this one among them: the
    /// [number](Self::thread_number) of each, from the smallest on, and a handle for other threads.
    ///
    /// ```
    /// # use reactor::Reactor;
    /// # async fn count(reactor: &Reactor) -> usize {
    /// let mut connections = 0;
    /// for (_, thread) in reactor.threads() {
    ///     connections += thread.ask(Reactor::connection_count).await.unwrap_or(0);
    /// }
    /// connections
    /// # }
    /// ```
    pub fn threads(&self) -> Vec<(usize, RemoteReactor)> {
        let all = self.members().into_iter().map(|member| (member.number, member.remote));
        all.filter(|(_, remote)| !remote.has_ended()).collect()
    }

    /// The reactors that run with this one, itself included.
    pub(crate) fn members(&self) -> Vec<Member> {
        let group = self.0.parts.get::<GroupPart>().0.borrow().clone();
        group.map_or_else(|| vec![Member::of(self)], |members| lock(&members).reactors.clone())
    }
}

struct StopAll<'a>(&'a Mutex<Members>);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        stop_all(self.0);
    }
}

fn stop_all(members: &Mutex<Members>) {
    let mut members = lock(members);
    members.stopped = true;
    members.reactors.iter().for_each(|member| member.remote.stop());
}
