//! The servers: `reliability serve KIND [address=A] [nofile=N] [budget=N] [memory=MIB] [address-space=MIB] [cpu=N]
//! [echo=A] [fail-allocation=N] [path=P] [threads=N]`. Each prints `ready ADDRESS`, and its counts at the end. Kinds are those below, and the
//! ready-made servers.

use std::cell::{Cell, RefCell};
use std::io;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use protocols::policies::{FirstMessageTimeout, IdleTimeout};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::listen::Handover;
use reactor::net::ListenOptions;
use reactor::port::AcceptLimits;
use reactor::service::{EndpointService, Runner};
use reactor::{CloseReason, Factory, Port, Protocol, Reactor, Transport, run_on_threads, share};
use rig::allocations::{allocations, fail_allocation, live_bytes, until_failure};
use rig::echo::{DatagramEcho, Echo};
use rig::faulty::{Faulty, Tally};
use rig::ready_made::factory;

use crate::{framed, live_handover, logins, soak, spread, tls};

pub(crate) fn serve(kind: &str, options: &[String]) -> io::Result<()> {
    let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
    let number = |name| option(name).and_then(|text| text.parse::<u64>().ok());
    match number("nofile") {
        Some(files) => setrlimit(Resource::RLIMIT_NOFILE, files, files)?,
        None => drop(rig::open_files()),
    }
    if let Some(mebibytes) = number("address-space") {
        setrlimit(Resource::RLIMIT_AS, mebibytes << 20, mebibytes << 20)?;
    }
    if let Some(nth) = number("fail-allocation") {
        fail_allocation(nth);
    }
    if let Some(number) = number("cpu") {
        rig::stay_on_processor(number as usize);
    }
    let path = || option("path").ok_or_else(|| io::Error::other("path=PATH is missing"));
    let address = option("address").unwrap_or("127.0.0.1:0");
    if let Some(result) = framed::serve(kind, address) {
        return result;
    }

    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let threads = number("threads").unwrap_or(2) as usize;
    match kind {
        "threads" => return serve_on_threads(address),
        "spread" => return spread::serve_on_threads(address, threads),
        "reuse-port" => return spread::serve_with_reuse_port(threads),
        "counted-lines" => return live_handover::serve(address, path()?, threads),
        _ => (),
    }
    let reactor = Reactor::new()?;
    if let Some(connections) = number("budget") {
        reactor.set_connection_budget(connections as usize);
    }
    if let Some(mebibytes) = number("memory") {
        reactor.set_memory_budget((mebibytes as usize) << 20);
    }
    match kind {
        "echo" => listen(&reactor, address, |transport| Echo { transport })?,
        "idle-timeout" => {
            let echo = |transport| Echo { transport };
            listen(&reactor, address, IdleTimeout::around(Duration::from_secs(60), echo))?;
        }
        "fan-out" => {
            let room = Room::default();
            listen(&reactor, address, move |transport| Member { transport, room: Rc::clone(&room) })?;
        }
        "datagrams" => {
            let port = reactor.listen_udp(address, |transport| DatagramEcho { transport })?;
            reactor.call_when_running(move || say_ready(&port));
        }
        "faulty" => {
            let tally = Rc::new(Tally::default());
            let counts = Rc::clone(&tally);
            listen(&reactor, address, move |transport| Faulty::build(transport, &tally))?;
            reactor.after_shutdown(move || print(&counts));
        }
        "acks" => return run_service(&reactor, address, |transport| Acks { transport, frames: 0 }),
        "flood" => {
            let overflows = Rc::new(Cell::new(0));
            let count = Rc::clone(&overflows);
            reactor.after_shutdown(move || println!("overflows {}", overflows.get()));
            return run_service(&reactor, address, move |transport| Flood { transport, overflows: Rc::clone(&count) });
        }
        "questions" => {
            let questions = LineReceiver::factory(|lines| EchoLines { lines }).delimiter("?");
            listen(&reactor, address, FirstMessageTimeout::around(Duration::from_secs(30), questions))?;
        }
        "successor" => {
            let handover = Handover::begin(&reactor, path()?)?;
            listen(&reactor, address, |transport| OneAnswer { transport })?;
            let stopping = reactor.clone();
            reactor.spawn(async move {
                match handover.finish(move || stopping.stop()).await {
                    Ok(_) => println!("offering"),
                    Err(error) => eprintln!("{error}"),
                }
            });
        }
        "tls-echo" => listen(&reactor, address, tls::serve::echo())?,
        "soak" => listen(&reactor, address, soak::factory())?,
        "logins" => listen(&reactor, address, logins::factory())?,
        "jobs" => listen(&reactor, address, |transport| Jobs { transport })?,
        _ => {
            let echo = option("echo").and_then(|address| address.parse().ok());
            let factory = factory(kind, echo.unwrap_or((Ipv4Addr::LOCALHOST, 0).into()));
            listen(&reactor, address, factory.map_err(io::Error::other)?)?;
        }
    }
    reactor.before_shutdown(async || {
        println!("thread_allocations {}", allocations());
        println!("bytes_on_the_heap {}", live_bytes());
    });
    reactor.run()?;
    if let Some(nth) = number("fail-allocation") {
        println!("allocations {}", nth - until_failure());
    }
    Ok(())
}

/// Four reactors, each kept busy by timed calls, with `pour` and echo.
fn serve_on_threads(address: &str) -> io::Result<()> {
    fn again(reactor: Reactor) {
        let next = reactor.clone();
        reactor.call_later(Duration::from_micros(100), move || again(next));
    }
    let running = Arc::new(AtomicU32::new(0));
    run_on_threads(4, |reactor| {
        again(reactor.clone());
        let port = reactor.listen_tcp(options(address), |transport| Flood { transport, overflows: Rc::default() })?;
        let running = Arc::clone(&running);
        reactor.call_when_running(move || {
            if running.fetch_add(1, Ordering::Relaxed) == 3 {
                say_ready(&port);
            }
        });
        Ok(())
    })
}

fn print(tally: &Tally) {
    println!("built {}", tally.built.get());
    println!("lost {}", tally.lost.get());
    println!("panicked {}", tally.panicked.get());
    println!("wrong {}", tally.wrong.get());
    println!("dropped {}", tally.dropped.get());
}

fn listen(reactor: &Reactor, address: &str, factory: impl Factory) -> io::Result<()> {
    let port = reactor.listen_tcp(options(address), factory)?;
    let (ready, evicted) = (port.clone(), reactor.clone());
    reactor.call_when_running(move || say_ready(&ready));
    reactor.after_shutdown(move || {
        let refusals = port.refusals();
        println!("refused {}", refusals.total());
        println!("over_budget {}", refusals.budget);
        println!("evicted {}", evicted.evicted());
    });
    Ok(())
}

/// All clients have the same address here.
pub(crate) fn options(address: &str) -> ListenOptions {
    ListenOptions::new(address).limits(AcceptLimits::new().per_peer(usize::MAX))
}

/// Serves in the same way as a service run by the runner.
fn run_service(reactor: &Reactor, address: &str, factory: impl Factory) -> io::Result<()> {
    let (listening, address, factory) = (reactor.clone(), address.to_owned(), share(factory));
    let service = EndpointService::from_fn("port", async move || {
        let port = listening.listen_tcp(options(&address), factory.clone())?;
        say_ready(&port);
        Ok(port)
    });
    Runner::new("reliability").run_on(reactor, service).map_err(io::Error::other)
}

pub(crate) fn say_ready(port: &Port) {
    println!("ready {}", port.host());
    let _ = io::stdout().flush();
}

/// The connections that get what one of them sends.
type Room = Rc<RefCell<Vec<Transport>>>;

/// Sends received bytes to all, itself included.
struct Member {
    transport: Transport,
    room: Room,
}

impl Protocol for Member {
    fn connection_made(&mut self) {
        self.room.borrow_mut().push(self.transport.clone());
    }

    fn data_received(&mut self, data: &[u8]) {
        self.room.borrow().iter().for_each(|member| member.write(data));
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.room.borrow_mut().retain(|member| *member != self.transport);
    }
}

/// Sends lines back.
struct EchoLines {
    lines: Lines,
}

impl LineHandler for EchoLines {
    fn line_received(&mut self, line: &[u8]) {
        self.lines.send_line(line);
    }
}

/// Sends the first line back and closes, even if it is asked to finish before the line has arrived.
struct OneAnswer {
    transport: Transport,
}

impl Protocol for OneAnswer {
    fn connection_made(&mut self) {
        self.transport.on_drain(|_: &mut Self| ());
    }

    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
        if data.ends_with(b"\n") {
            self.transport.lose_connection();
        }
    }
}

/// Acknowledges every frame, which is a line, with a byte, and reports the number of acknowledgements at the end.
struct Acks {
    transport: Transport,
    frames: usize,
}

impl Protocol for Acks {
    fn data_received(&mut self, data: &[u8]) {
        let frames = data.iter().filter(|byte| **byte == b'\n').count();
        self.frames += frames;
        self.transport.write(vec![b'+'; frames]);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        println!("acknowledged {} {} {}", self.transport.peer(), self.frames, reason.is_clean());
    }
}

/// An echo with commands: `flood` writes 10 MiB per call without waiting, `pour` does so once, and `trickle` writes 64
/// KiB every tenth of a second.
struct Flood {
    transport: Transport,
    overflows: Rc<Cell<u64>>,
}

impl Flood {
    fn pour(&mut self) {
        self.transport.write(vec![b'x'; 10 << 20]);
    }

    fn flood(&mut self) {
        self.pour();
        self.transport.call_later(Duration::ZERO, Self::flood);
    }

    fn trickle(&mut self) {
        self.transport.write([b'x'; 64 << 10]);
        self.transport.call_later(Duration::from_millis(100), Self::trickle);
    }
}

impl Protocol for Flood {
    fn data_received(&mut self, data: &[u8]) {
        match data {
            b"trickle" => self.trickle(),
            b"flood" => self.flood(),
            b"pour" => self.pour(),
            _ => self.transport.write(data),
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        if matches!(reason, CloseReason::Overflow) {
            self.overflows.set(self.overflows.get() + 1);
        }
    }
}

/// An echo with commands: `jobs` requests 10,000 jobs of 100 ms and answers with a byte for each; `stuck` requests one
/// that never ends, and answers when it has started.
struct Jobs {
    transport: Transport,
}

impl Jobs {
    fn ask_for_many(&self) {
        let reactor = self.transport.reactor();
        for _ in 0..10_000 {
            let job = reactor.defer_to_thread(|| {
                let (_never, wait) = mpsc::channel::<()>();
                let _ = wait.recv_timeout(Duration::from_millis(100));
            });
            self.transport.defer(job, |this: &mut Self, result| {
                this.transport.write(if result.is_ok() { "+" } else { "-" });
            });
        }
    }

    fn ask_for_one_that_never_ends(&self) {
        let connection = self.transport.remote();
        let job = self.transport.reactor().defer_to_thread(move || {
            connection.write("running".into()).expect("the reactor runs");
            loop {
                std::thread::park();
            }
        });
        self.transport.defer(job, |_: &mut Self, _| ());
    }
}

impl Protocol for Jobs {
    fn data_received(&mut self, data: &[u8]) {
        match data {
            b"jobs" => self.ask_for_many(),
            _ => match data.strip_prefix(b"stuck") {
                Some(rest) => {
                    self.ask_for_one_that_never_ends();
                    self.transport.write(rest);
                }
                None => self.transport.write(data),
            },
        }
    }
}
