//! Every call from every callback.

use std::time::Duration;

use bytes::Bytes;
use reactor::{CloseReason, Transport};

use crate::support::{Callback, HUGE, Log, Peer, Recorder, every_world, every_world_and_layers};

/// A call that user code may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Write,
    WriteBytes,
    WriteFormatted,
    Lose,
    Abort,
    Fail,
    WriteEof,
    PauseAndResumeReading,
    PacedByItself,
    CallLater,
    Defer,
    Connect,
    Listen,
    StopListening,
    Stop,
    Spawn,
    SetOptions,
    Remote,
    DropOthers,
    BeforeShutdown,
    DeferToThread,
}

impl Act {
    const ALL: [Self; 21] = [
        Self::Write,
        Self::WriteBytes,
        Self::WriteFormatted,
        Self::Lose,
        Self::Abort,
        Self::Fail,
        Self::WriteEof,
        Self::PauseAndResumeReading,
        Self::PacedByItself,
        Self::CallLater,
        Self::Defer,
        Self::Connect,
        Self::Listen,
        Self::StopListening,
        Self::Stop,
        Self::Spawn,
        Self::SetOptions,
        Self::Remote,
        Self::DropOthers,
        Self::BeforeShutdown,
        Self::DeferToThread,
    ];

    fn run(self, this: &mut Recorder) {
        let transport = this.transport.clone();
        let reactor = transport.reactor();
        match self {
            Self::Write => transport.write("written"),
            Self::WriteBytes => transport.write_bytes(Bytes::from(vec![b'b'; 20_000])),
            Self::WriteFormatted => write!(transport, "{} and {}", 1, Nested(&transport)),
            Self::Lose => transport.lose_connection(),
            Self::Abort => transport.abort_connection(),
            Self::Fail => transport.fail_connection(CloseReason::failed("asked for")),
            Self::WriteEof => transport.write_eof(),
            Self::PauseAndResumeReading => {
                transport.pause_reading();
                transport.resume_reading();
            }
            Self::PacedByItself => transport.paced_by(&transport),
            Self::CallLater => {
                transport.call_later(Duration::ZERO, |this: &mut Recorder| this.transport.write("timed"));
                transport.call_later(Duration::ZERO, |_: &mut Recorder| ()).cancel();
                reactor.call_later(Duration::ZERO, move || transport.write("timed"));
            }
            Self::Defer => {
                let other = transport.clone();
                let future = async move { other.write("from a future") };
                transport.defer(future, |this: &mut Recorder, ()| this.transport.write("deferred")).is_active();
                transport.defer(std::future::pending::<()>(), |_: &mut Recorder, ()| ()).cancel();
            }
            Self::Connect => {
                let connector =
                    reactor.connect_tcp("127.0.0.1:1", |transport: Transport| Recorder::new(transport, Log::default()));
                connector.on_failed(|connector, _| connector.disconnect()).disconnect();
            }
            Self::Listen => {
                // In memory there is no network, and at the end it is gone.
                if let Ok(port) = reactor.listen_tcp("127.0.0.1:0", |t: Transport| Recorder::new(t, Log::default())) {
                    drop(port.stop_listening());
                }
            }
            Self::StopListening => {
                if let Ok(port) = reactor.listen_tcp("127.0.0.1:0", |t: Transport| Recorder::new(t, Log::default())) {
                    reactor.spawn(async move { port.stop_listening().await });
                }
            }
            Self::Stop => reactor.stop(),
            Self::Spawn => reactor.spawn(async move { transport.write("from a task") }),
            Self::SetOptions => {
                transport.set_no_delay(false);
                transport.set_keep_alive(Some(Duration::from_secs(60)));
                transport.set_output_limit(usize::MAX);
            }
            Self::Remote => {
                let remote = transport.remote();
                remote.write(Bytes::from_static(b"remotely")).unwrap();
                remote.call(|this: &mut Recorder| this.transport.write("called")).unwrap();
            }
            Self::DropOthers => {
                drop(reactor.call_later(Duration::from_secs(3600), move || transport.write("never")));
                drop(reactor);
            }
            Self::BeforeShutdown => {
                reactor.before_shutdown(async || {});
                reactor.after_shutdown(|| ());
                reactor.call_when_running(|| ());
            }
            Self::DeferToThread => {
                transport.defer(reactor.defer_to_thread(|| 7), |this: &mut Recorder, result| {
                    assert_eq!(result.unwrap(), 7);
                    this.transport.write("computed");
                });
            }
        }
    }
}

/// Writes while it is being formatted.
struct Nested<'a>(&'a Transport);

impl std::fmt::Display for Nested<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(self.0, "nested {} ", 3);
        self.0.write("in the middle ");
        f.write_str("end")
    }
}

/// Leads a connection through all its callbacks.
fn all_callbacks(peer: &mut Peer) {
    peer.stop_reading();
    peer.send("go");
    peer.let_pass(Duration::from_millis(2));
    if peer.is_socket() {
        peer.act(|_| ());
    }
    peer.send_eof();
    peer.let_pass(Duration::from_millis(2));
    // To the end, whatever that is.
    match peer.log.has("lost Aborted") || peer.log.has("lost Failed") {
        true => {}
        false => drop(peer.read_what_comes()),
    }
    peer.wait_for("dropped");
}

#[test]
fn every_callback_may_ask_for_everything() {
    for callback in Callback::ALL {
        for act in Act::ALL {
            every_world(
                move |recorder| {
                    recorder
                        .on(Callback::Data, |this| {
                            this.timer(Duration::from_millis(1), "t");
                            this.deferred();
                            this.transport.write(vec![b'x'; 8 << 20]);
                        })
                        .on(callback, move |this| {
                            act.run(this);
                            this.log.add(format!("did {act:?}"));
                        })
                },
                |peer| {
                    all_callbacks(peer);
                    let lines = peer.log.lines();
                    assert!(!peer.log.has("lost Panicked"), "{act:?} in {callback:?}: {lines:#?}");
                    let may_be_left_out = [Callback::Pause, Callback::Resume, Callback::Timer, Callback::Deferred];
                    if !may_be_left_out.contains(&callback) {
                        assert!(peer.log.has("did"), "{act:?} in {callback:?}: {lines:#?}");
                    }
                },
            );
        }
    }
}

#[test]
fn what_every_callback_writes_arrives() {
    every_world_and_layers(
        |recorder| {
            let mut recorder = recorder.keeping_writing();
            for (callback, text) in [
                (Callback::Made, "made "),
                (Callback::Data, "data "),
                (Callback::Timer, "timer "),
                (Callback::Deferred, "deferred "),
                (Callback::Eof, "eof "),
            ] {
                recorder = recorder.on(callback, move |this| {
                    this.transport.write(text);
                    match callback {
                        Callback::Data => drop(this.timer(Duration::from_millis(1), "t")),
                        Callback::Timer => this.deferred(),
                        Callback::Eof => this.transport.lose_connection(),
                        _ => {}
                    }
                });
            }
            recorder
        },
        |peer| {
            assert_eq!(peer.read(5), b"made ");
            peer.send("hi");
            peer.let_pass(Duration::from_millis(1));
            assert_eq!(peer.read(20), b"data timer deferred ");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end().0, b"eof ");
        },
    );
}

#[test]
fn nested_formatting_writes_in_the_order_of_the_calls() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                write!(this.transport, "[{}]", Nested(&this.transport));
            })
        },
        |peer| {
            peer.send("go");
            let expected = b"nested 3 in the middle [end]";
            assert_eq!(peer.read(expected.len()), expected);
        },
    );
}

#[test]
fn a_future_deferred_from_pause_writing_runs_without_another_event() {
    every_world(
        |recorder| {
            recorder
                .on(Callback::Data, |this| {
                    let transport = this.transport.clone();
                    let future = async move {
                        transport.write(vec![b'x'; HUGE]);
                        std::future::pending::<()>().await;
                    };
                    this.transport.defer(future, |_: &mut Recorder, ()| ());
                })
                .on(Callback::Pause, |this| this.deferred())
        },
        |peer| {
            peer.stop_reading();
            peer.send("go");
            peer.wait_for("deferred");
        },
    );
}
