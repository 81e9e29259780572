//! Ports and timers as services.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use reactor::endpoint::ServerEndpoint;
use reactor::service::{EndpointService, MultiService, Runner, Service, TimerService};
use reactor::task::Tick;
use reactor::testing::{Simulation, expect_panic};
use reactor::{Factory, Port, Reactor, Transport};

use crate::support::{Log, Recorder, Starting, echo};

const SECOND: Duration = Duration::from_secs(1);

/// Port 7 of a host.
struct Seven(Reactor);

impl fmt::Display for Seven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seven")
    }
}

#[async_trait::async_trait(?Send)]
impl ServerEndpoint for Seven {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        self.0.listen_tcp(7, factory)
    }
}

/// Runs `what` to its end in the simulation.
fn does(reactor: &Reactor, sim: &Simulation, what: impl AsyncFnOnce() + 'static) {
    let done = Rc::new(Cell::new(false));
    let tell = Rc::clone(&done);
    reactor.spawn(async move {
        what().await;
        tell.set(true);
    });
    assert!(sim.run_until(|| done.get()));
}

fn start(reactor: &Reactor, sim: &Simulation, service: &Rc<impl Service>) {
    let service = Rc::clone(service);
    does(reactor, sim, async move || service.start().await.unwrap());
}

fn stop(reactor: &Reactor, sim: &Simulation, service: &Rc<impl Service>) {
    let service = Rc::clone(service);
    does(reactor, sim, async move || service.stop().await);
}

/// A client that logs its callbacks.
fn connect(sim: &Simulation) -> Log {
    let log = Log::default();
    let told = log.clone();
    let connector = sim.host("client").connect_tcp("server:7", move |transport| Recorder::new(transport, told.clone()));
    let told = log.clone();
    connector.on_failed(move |_, _| told.add("refused"));
    log
}

#[test]
fn an_endpoint_service_listens_and_drains_and_may_do_so_again() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let log = Log::default();
    let factory = Starting { log: log.clone(), script: echo };
    let service = Rc::new(EndpointService::new(Seven(server.clone()), factory));
    assert_eq!(service.name(), "seven");
    for _ in 0..2 {
        assert!(service.port().is_none());
        start(&server, &sim, &service);
        assert_eq!(service.port().unwrap().host().socket_addr().unwrap().port(), 7);
        let client = connect(&sim);
        assert!(sim.run_until(|| client.has("made")));
        stop(&server, &sim, &service);
        assert_eq!(service.port().map(|port| port.host()), None);
        assert_eq!(service.cut_off(), []);
        let late = connect(&sim);
        sim.run_for(SECOND);
        assert!(client.has("lost Done"), "{:?}", client.lines());
        assert_eq!(late.lines(), ["refused"]);
        let told = log.take();
        let starts: Vec<_> = told.iter().filter(|line| ["start", "stop"].contains(&line.as_str())).collect();
        assert_eq!(starts, ["start", "stop"]);
    }
    stop(&server, &sim, &service);
}

#[test]
fn an_endpoint_service_tells_whom_it_has_cut_off_at_its_deadline() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let listening = server.clone();
    let listen = async move || {
        listening.listen_tcp(7, |transport: Transport| {
            // It ignores the request to finish.
            transport.on_drain(|_: &mut Recorder| {});
            Recorder::new(transport, Log::default())
        })
    };
    let service = Rc::new(EndpointService::from_fn("stubborn", listen).deadline(3 * SECOND));
    start(&server, &sim, &service);
    let client = connect(&sim);
    assert!(sim.run_until(|| client.has("made")));
    let before = sim.elapsed();
    stop(&server, &sim, &service);
    assert_eq!((sim.elapsed() - before).as_secs(), 3);
    let cut_off = service.cut_off();
    assert_eq!(cut_off.len(), 1);
    assert!(sim.addresses_of("client").contains(&cut_off[0].peer.socket_addr().unwrap().ip()));
}

#[test]
fn services_and_all_other_connections_have_one_time_to_finish() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let stubborn = |transport: Transport| {
        transport.on_drain(|_: &mut Recorder| {});
        Recorder::new(transport, Log::default())
    };
    let listening = server.clone();
    let service = EndpointService::from_fn("stubborn", async move || listening.listen_tcp(7, stubborn));
    let other = server.listen_tcp(8, stubborn).unwrap();
    let services = MultiService::new(&server, "all").with(service);
    let program = server.clone();
    let runs = Runner::new("program");
    let stopping = server.clone();
    server.call_later(SECOND, move || stopping.stop());
    let clients = ["server:7", "server:8"].map(|to| {
        let log = Log::default();
        let told = log.clone();
        sim.host("client").connect_tcp(to, move |transport| Recorder::new(transport, told.clone()));
        log
    });
    runs.run_on(&program, services).unwrap();
    assert!(clients.iter().all(|log| log.has("made")));
    assert_eq!(other.connection_count(), 0);
    let took = sim.elapsed() - SECOND;
    assert!((8 * SECOND..9 * SECOND).contains(&took), "{took:?}");
}

#[test]
fn a_drain_that_nobody_waited_for_is_gone_on_with() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let listening = server.clone();
    let listen = async move || {
        listening.listen_tcp(7, |transport: Transport| {
            transport.on_drain(|this: &mut Recorder| {
                this.transport.call_later(2 * SECOND, |this: &mut Recorder| this.transport.lose_connection());
            });
            Recorder::new(transport, Log::default())
        })
    };
    let service = Rc::new(EndpointService::from_fn("slow", listen));
    start(&server, &sim, &service);
    let client = connect(&sim);
    assert!(sim.run_until(|| client.has("made")));
    let (dropped, before) = (Rc::clone(&service), sim.elapsed());
    let pause = server.sleep(SECOND);
    does(&server, &sim, async move || {
        let stop = dropped.stop();
        futures_util::future::select(stop, Box::pin(pause)).await;
    });
    assert!(service.port().is_some());
    stop(&server, &sim, &service);
    assert_eq!((sim.elapsed() - before).as_secs(), 2);
    assert_eq!(service.cut_off(), []);
}

#[test]
fn an_endpoint_service_whose_port_somebody_else_stops_waits_for_its_connections_all_the_same() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let factory = Starting { log: Log::default(), script: echo };
    let service = Rc::new(EndpointService::new(Seven(server.clone()), factory));
    start(&server, &sim, &service);
    let client = connect(&sim);
    assert!(sim.run_until(|| client.has("made")));
    service.port().unwrap().stop_listening();
    sim.run_for(SECOND);
    assert!(!client.has("lost"));
    stop(&server, &sim, &service);
    sim.run_for(SECOND);
    assert!(client.has("lost Done"), "{:?}", client.lines());
    start(&server, &sim, &service);
    assert!(service.port().is_some());
}

#[test]
fn a_timer_service_calls_as_long_as_it_runs() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let timer =
        Rc::new(TimerService::new(&server, "timer", SECOND, move |tick| counted.set(counted.get() + tick.count())));
    for round in 1..3 {
        sim.run_for(10 * SECOND);
        start(&server, &sim, &timer);
        sim.run_for(3 * SECOND + SECOND / 2);
        stop(&server, &sim, &timer);
        assert_eq!(calls.get(), 3 * round);
    }
}

#[test]
fn a_timer_service_may_call_as_soon_as_it_starts_each_time() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let timer = TimerService::new(&server, "timer", SECOND, move |tick| counted.set(counted.get() + tick.count()));
    let timer = Rc::new(timer.now());
    for round in 1..3 {
        start(&server, &sim, &timer);
        sim.run_for(SECOND + SECOND / 2);
        stop(&server, &sim, &timer);
        assert_eq!(calls.get(), 2 * round);
    }
}

#[test]
fn a_timer_service_that_stops_waits_for_the_work_that_it_has_begun() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let ticks = Rc::new(RefCell::new(Vec::<Tick>::new()));
    let kept = Rc::clone(&ticks);
    let timer = Rc::new(TimerService::new(&server, "timer", SECOND, move |tick| kept.borrow_mut().push(tick)));
    start(&server, &sim, &timer);
    sim.run_for(5 * SECOND);
    let releasing = Rc::clone(&ticks);
    server.call_later(7 * SECOND, move || drop(releasing.take()));
    let before = sim.elapsed();
    stop(&server, &sim, &timer);
    assert_eq!((sim.elapsed() - before).as_secs(), 7);
    assert!(ticks.borrow().is_empty());
}

#[test]
fn a_panic_in_the_function_of_a_timer_service_is_its_failure_and_its_own_end_is_not() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let timer = TimerService::new(&server, "timer", SECOND, move |tick| {
        counted.set(counted.get() + 1);
        match counted.get() {
            2 | 4 => panic!("call {} is broken", counted.get()),
            6 => tick.stop(),
            _ => {}
        }
    });
    let all = Rc::new(MultiService::new(&server, "all").restarts(2, 60 * SECOND).with(timer));
    start(&server, &sim, &all);
    let (supervised, failed) = (Rc::clone(&all), Rc::new(Cell::new(false)));
    let tell = Rc::clone(&failed);
    server.spawn(async move {
        supervised.failed().await;
        tell.set(true);
    });
    expect_panic("is broken", || sim.run_for(60 * SECOND));
    assert_eq!(calls.get(), 6, "it was restarted twice, and has ended by itself then");
    assert!(!failed.get());
}

#[test]
fn an_endpoint_service_reloads_as_it_is_told_to() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let (log, listening) = (Log::default(), server.clone());
    let told = log.clone();
    let listen = async move || listening.listen_tcp(7, |transport| Recorder::new(transport, Log::default()));
    let service = EndpointService::from_fn("port", listen).on_reload(async move || {
        told.add("reload");
        if told.count("reload") == 1 { Ok(()) } else { Err(std::io::Error::other("it is gone")) }
    });
    let outcomes = server.run_until(async { [service.reload().await, service.reload().await] }).unwrap();
    let told = outcomes.map(|outcome| outcome.err().map(|error| error.to_string()));
    assert_eq!(told, [None, Some("it is gone".to_owned())]);
    assert_eq!(log.lines(), ["reload"; 2]);
}
