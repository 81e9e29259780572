//! Connections over descriptors that are not sockets.

use std::fs::File;
use std::io;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;

use nix::pty::openpty;
use reactor::testing::Simulation;
use reactor::{Address, CloseReason};

use crate::support::{Callback, Log, PATIENCE, Recorder, in_time, test_reactor};

#[test]
fn s219_both_addresses_are_pipes() {
    in_time(|| {
        let reactor = test_reactor();
        let ((input, near), (_far, output)) = (io::pipe().unwrap(), io::pipe().unwrap());
        drop(near);
        let session = reactor.connect_fds(input.into(), output.into(), |transport| {
            Recorder::new(transport, Log::default()).on(Callback::Made, |this| {
                assert_eq!([this.transport.host(), this.transport.peer()], [Address::Pipe, Address::Pipe]);
                assert_eq!(this.transport.peer().to_string(), "pipe");
            })
        });
        assert!(reactor.run_until(session.unwrap()).unwrap().is_clean());
    });
}

#[test]
fn a_file_is_read_while_others_have_their_turn_and_what_is_written_to_one_is_there_at_the_end() {
    let (mut input, mut output) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let text = b"0123456789abcdef".repeat(1 << 20);
    input.write_all(&text).unwrap();
    input.rewind().unwrap();
    let file = output.try_clone().unwrap();
    in_time(move || {
        let reactor = test_reactor();
        let ticks = Log::default();
        let (echo_ticks, inside) = (ticks.clone(), reactor.clone());
        let echo = reactor.connect_fds(input.into(), file.into(), move |transport| {
            let ticks = echo_ticks.clone();
            Recorder::new(transport, Log::default()).on(Callback::Data, move |this| {
                this.transport.write(&this.data);
                // Timed calls are made meanwhile.
                let ticks = ticks.clone();
                this.transport.reactor().call_later(std::time::Duration::ZERO, move || ticks.add("tick"));
            })
        });
        let reason = reactor.run_until(echo.unwrap()).unwrap();
        assert!(reason.is_clean(), "{reason}");
        assert!(ticks.count("tick") > 200, "{}", ticks.count("tick"));
        assert_eq!(inside.connection_count(), 0);
    });
    output.rewind().unwrap();
    let mut written = Vec::new();
    output.read_to_end(&mut written).unwrap();
    assert!(written == text, "{} of {} bytes were written, or others", written.len(), text.len());
}

#[test]
fn what_may_only_be_read_by_a_thread_is_and_one_that_is_stuck_keeps_nobody() {
    in_time(|| {
        let reactor = test_reactor();
        // The controlling side of a terminal cannot be opened anew.
        let pty = openpty(None, None).unwrap();
        let mut terminal = File::from(pty.slave);
        let output = pty.master.try_clone().unwrap();
        // Closing it hangs up.
        let _kept = output.try_clone().unwrap();
        let log = Log::default();
        let inside = log.clone();
        let session = reactor.connect_fds(pty.master, output, move |transport| {
            Recorder::new(transport, inside.clone()).on(Callback::Data, |this| {
                this.transport.write("answer\n");
                this.transport.lose_connection();
            })
        });
        terminal.write_all(b"question").unwrap();
        assert!(reactor.run_until(session.unwrap()).unwrap().is_clean());
        assert_eq!(log.received(), b"question");
        let mut answer = [0; 7];
        terminal.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer\n");
    });
}

#[test]
fn a_writer_that_is_never_read_is_lost_when_its_reader_goes() {
    in_time(|| {
        let reactor = test_reactor();
        let ((input, _near), (far, output)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let mut far = Some(far);
        let session = reactor.connect_fds(input.into(), output.into(), move |transport| {
            let mut far = far.take();
            Recorder::new(transport, Log::default())
                .on(Callback::Made, |this| this.transport.write(vec![0; 1_000_000]))
                .on(Callback::Pause, move |_| drop(far.take()))
        });
        let reason = reactor.run_until(session.unwrap()).unwrap();
        let CloseReason::Lost(error) = reason else { panic!("{reason}") };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn one_that_begins_while_the_reactor_stops_does_not_hold_it_up() {
    in_time(|| {
        let reactor = test_reactor();
        reactor.set_shutdown_deadline(PATIENCE * 100);
        let ((input, _near), (_far, output)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let factory = |transport| Recorder::new(transport, Log::default());
        drop(reactor.connect_fds(input.into(), output.into(), factory).unwrap());
        drop(reactor.connect_process(std::process::Command::new("sleep").arg("1000"), factory).unwrap());
        reactor.stop();
        reactor.run().unwrap();
    });
}

#[test]
fn a_simulation_has_no_descriptors_and_says_so() {
    let reactor = Simulation::new(1).host("here");
    let fd = || OwnedFd::from(File::open("/dev/null").unwrap());
    let factory = |transport| Recorder::new(transport, Log::default());
    for error in [reactor.connect_fds(fd(), fd(), factory).err(), reactor.stdio(factory).err()] {
        let error = error.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "this reactor is in memory and has no descriptors");
    }
}
