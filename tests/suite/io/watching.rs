//! Descriptors that are watched for the program.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;
use std::{io, thread};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use reactor::inspect::Watchdog;
use reactor::io::{Interest, Ready, Watch};
use reactor::testing::Simulation;
use reactor::{Protocol, Transport};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::inotify;
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Log, connect, in_time, log_lines, test_reactor};

/// Reads one byte at a time, as one that is ported may, and stops at the end.
fn read_one(input: &mut impl Read, ready: Ready, log: &Log) {
    let mut byte = [0];
    match input.read(&mut byte).unwrap() {
        0 => {
            log.add(if ready.is_hung_up() { "end, hung up" } else { "end" });
            ready.stop();
        }
        _ => log.add((byte[0] as char).to_string()),
    }
}

#[test]
fn one_that_reads_once_is_called_again_with_everything_else_in_between_until_the_end() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let (input, mut output) = io::pipe().unwrap();
        output.write_all(b"abc").unwrap();
        drop(output);
        let (stopping, inside) = (reactor.clone(), log.clone());
        let watch = reactor.watch(input, Interest::READABLE, move |input, ready| {
            assert!(ready.is_readable() && !ready.is_writable() && !ready.is_error(), "{ready:?}");
            read_one(input, ready, &inside);
            let (log, stopping) = (inside.clone(), stopping.clone());
            stopping.clone().call_later(Duration::ZERO, move || {
                log.add("tick");
                if log.count("tick") == 4 {
                    stopping.stop();
                }
            });
        });
        let watch = watch.unwrap();
        assert!(watch.is_active());
        reactor.run().unwrap();
        assert!(!watch.is_active());
        assert_eq!(log.take(), ["a", "tick", "b", "tick", "c", "tick", "end, hung up", "tick"]);
    });
}

#[test]
fn what_the_system_counts_and_sees_in_folders_is_told_and_so_is_the_poller_of_another_loop() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let folder = tempfile::tempdir().unwrap();
        let changes = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&changes, folder.path(), inotify::WatchFlags::CREATE).unwrap();
        let counter = Rc::new(File::from(eventfd(0, EventfdFlags::NONBLOCK).unwrap()));
        let other_loop = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let wanted = Rc::new(File::from(eventfd(0, EventfdFlags::NONBLOCK).unwrap()));
        epoll::add(&other_loop, &wanted, epoll::EventData::new_u64(1), epoll::EventFlags::IN).unwrap();

        let (seen, waking) = (log.clone(), Rc::clone(&counter));
        let _changes = reactor.watch(changes, Interest::READABLE, move |changes, _| {
            let mut buffer = [MaybeUninit::uninit(); 512];
            let mut reader = inotify::Reader::new(changes.as_fd(), &mut buffer);
            let change = reader.next().unwrap();
            seen.add(change.file_name().unwrap().to_str().unwrap());
            (&*waking).write_all(&7_u64.to_ne_bytes()).unwrap();
        });
        let (seen, waking) = (log.clone(), Rc::clone(&wanted));
        let _counter = reactor.watch(counter, Interest::READABLE, move |counter, _| {
            let mut number = [0; 8];
            (&**counter).read_exact(&mut number).unwrap();
            seen.add(u64::from_ne_bytes(number).to_string());
            (&*waking).write_all(&1_u64.to_ne_bytes()).unwrap();
        });
        let (seen, stopping) = (log.clone(), reactor.clone());
        let _loop = reactor.watch(other_loop, Interest::READABLE, move |_, _| {
            seen.add("loop");
            stopping.stop();
        });
        File::create(folder.path().join("new")).unwrap();
        reactor.run().unwrap();
        assert_eq!(log.take(), ["new", "7", "loop"]);
    });
}

#[test]
fn one_that_ends_itself_while_it_runs_is_not_called_again_and_lets_its_descriptor_go() {
    for by_handle in [true, false] {
        in_time(move || {
            let (reactor, log) = (test_reactor(), Log::default());
            let (near, mut far) = UnixStream::pair().unwrap();
            far.write_all(b"abc").unwrap();
            let slot = Rc::<RefCell<Option<Watch>>>::default();
            let (inside, kept) = (log.clone(), Rc::clone(&slot));
            let watch = reactor.watch(near, Interest::READABLE, move |near, ready| {
                if by_handle {
                    drop(kept.take());
                } else {
                    ready.stop();
                }
                let mut bytes = [0; 2];
                near.read_exact(&mut bytes).unwrap();
                inside.data(&bytes);
            });
            slot.replace(Some(watch.unwrap()));
            let stopping = reactor.clone();
            // What is unread makes the end a reset.
            let _far = reactor.watch(far, Interest::READABLE, move |far, ready| {
                assert!(ready.is_hung_up());
                assert_eq!(far.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
                stopping.stop();
            });
            reactor.run().unwrap();
            assert_eq!(log.received(), b"ab");
        });
    }
}

#[test]
fn reading_and_writing_are_watched_apart_or_at_once_and_one_that_wants_nothing_is_not_called() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let (near, mut far) = UnixStream::pair().unwrap();
        let near = Rc::new(near);
        let (reading, stopping) = (log.clone(), reactor.clone());
        let reader = reactor.watch(Rc::clone(&near), Interest::READABLE, move |near, ready| {
            assert!(!ready.is_writable());
            read_one(&mut &**near, ready, &reading);
            if reading.has("end") {
                stopping.stop();
            }
        });
        let (writing, kept) = (log.clone(), Rc::clone(&near));
        let writer = reactor.watch(kept, Interest::WRITABLE, move |near, ready| {
            assert!(ready.is_writable() && !ready.is_readable());
            writing.add("written");
            (&**near).write_all(b"x").unwrap();
            ready.set_interest(Interest::NONE);
        });
        let both = log.clone();
        let (mut second, mut peer) = UnixStream::pair().unwrap();
        let _both = reactor.watch(second.try_clone().unwrap(), Interest::BOTH, move |_, ready| {
            both.add(format!("{} {}", ready.is_readable(), ready.is_writable()));
            if ready.is_readable() {
                ready.stop();
            } else {
                ready.set_interest(Interest::READABLE);
            }
        });
        let (writer, answered) = (writer.unwrap(), log.clone());
        assert_eq!(writer.interest(), Interest::WRITABLE);
        let _far = reactor.watch(far.try_clone().unwrap(), Interest::READABLE, move |_, ready| {
            ready.stop();
            assert_eq!(writer.interest(), Interest::NONE);
            far.read_exact(&mut [0]).unwrap();
            answered.add("answered");
            far.write_all(b"y").unwrap();
            // The hang-up is no reason to call one that rests.
            far.shutdown(std::net::Shutdown::Both).unwrap();
            peer.write_all(b"z").unwrap();
        });
        reactor.run().unwrap();
        assert!(reader.unwrap().interest().readable);
        second.read_exact(&mut [0]).unwrap();
        let mut lines = log.take();
        // Those of one turn come in the system's order.
        lines.sort();
        assert_eq!(lines, ["answered", "end, hung up", "false true", "true false", "written", "y"]);
    });
}

#[test]
fn a_fifo_that_was_hung_up_is_as_good_as_new_when_it_is_opened_again() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let open = move || OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let first = open();
        let fifo = OpenOptions::new().read(true).open(folder.path().join("fifo")).unwrap();
        drop(first);
        let (inside, again) = (log.clone(), reactor.clone());
        let mut writer = None;
        let _watch = reactor.watch(fifo, Interest::READABLE, move |fifo, ready| {
            inside.add(if ready.is_hung_up() { "hung up" } else { "readable" });
            if ready.is_hung_up() {
                let mut writing = writer.insert(open()).try_clone().unwrap();
                again.call_later(Duration::from_millis(5), move || writing.write_all(b"a").unwrap());
            } else {
                fifo.read_exact(&mut [0]).unwrap();
                again.stop();
            }
        });
        reactor.run().unwrap();
        assert_eq!(log.take(), ["hung up", "readable"]);
    });
}

#[test]
fn a_writer_whose_reader_has_gone_is_called_and_told() {
    in_time(|| {
        let reactor = test_reactor();
        let (input, output) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&output, true).unwrap();
        while (&output).write(&[0; 65_536]).is_ok() {}
        let stopping = reactor.clone();
        let _watch = reactor.watch(output, Interest::WRITABLE, move |output, ready| {
            assert!(ready.is_writable() && ready.is_error());
            assert_eq!(output.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            ready.stop();
            stopping.stop();
        });
        reactor.call_when_running(|| drop(input));
        reactor.run().unwrap();
    });
}

#[test]
fn what_cannot_be_watched_is_refused_with_the_reason() {
    let reactor = test_reactor();
    let file = tempfile::tempfile().unwrap();
    let error = reactor.watch(file, Interest::READABLE, |_, _| {}).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("files and directories are always ready"), "{error}");
    let cause = error.get_ref().and_then(|error| error.source()).and_then(|cause| cause.downcast_ref::<io::Error>());
    assert_eq!(cause.and_then(io::Error::raw_os_error), Some(nix::libc::EPERM));

    let simulated = Simulation::new(0).host("here");
    let error = simulated.watch(io::stdin(), Interest::READABLE, |_, _| {}).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("has no descriptors"), "{error}");

    reactor.stop();
    reactor.run().unwrap();
    let (input, _output) = io::pipe().unwrap();
    let error = reactor.watch(input, Interest::READABLE, |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("has stopped"), "{error}");
}

#[test]
fn a_panic_ends_the_watch_alone_and_the_reactor_ends_it_too() {
    in_time(|| {
        let reactor = test_reactor();
        let (logged, lines) = log_lines(LevelFilter::ERROR);
        let alive = Rc::new(());
        let (input, mut output) = io::pipe().unwrap();
        output.write_all(b"a").unwrap();
        let kept = Rc::clone(&alive);
        let panicking = reactor.watch(input, Interest::READABLE, move |_, _| {
            let _kept = &kept;
            panic!("as told");
        });
        let (input, _second) = io::pipe().unwrap();
        let kept = Rc::clone(&alive);
        let resting = reactor.watch(input, Interest::READABLE, move |_, _| drop(Rc::clone(&kept))).unwrap();
        let (stopping, alive_inside) = (reactor.clone(), Rc::downgrade(&alive));
        let panicking = panicking.unwrap();
        reactor.call_every(Duration::from_millis(1), move |_| {
            if !panicking.is_active() {
                assert_eq!(alive_inside.strong_count(), 2);
                assert_eq!(stopping.stats().panics, 1);
                stopping.stop();
            }
        });
        reactor.run().unwrap();
        assert!(!resting.is_active());
        assert_eq!(Rc::strong_count(&alive), 1);
        drop(logged);
        let lines = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
        assert!(
            lines.contains("the callback of a watched descriptor panicked") && lines.contains("as told"),
            "{lines}"
        );
    });
}

#[test]
fn a_callback_that_hangs_is_named_by_the_watchdog() {
    in_time(|| {
        let reactor = test_reactor();
        let _watchdog = Watchdog::new().slow_after(Duration::from_millis(4)).start().unwrap();
        let (input, mut output) = io::pipe().unwrap();
        output.write_all(b"a").unwrap();
        let asked = reactor.clone();
        let _watch = reactor.watch(input, Interest::READABLE, move |_, ready| {
            while asked.stats().slow_callbacks == 0 {
                thread::yield_now();
            }
            ready.stop();
            asked.stop();
        });
        reactor.run().unwrap();
    });
}

/// Serves echoes, and stops when as many have come.
struct Echoes {
    transport: Transport,
    left: Rc<Cell<u32>>,
}

impl Protocol for Echoes {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.transport.reactor().stop();
        }
    }
}

#[test]
fn a_hundred_that_are_always_ready_have_their_turns_and_keep_no_connection_waiting() {
    in_time(|| {
        let reactor = test_reactor();
        let left = Rc::new(Cell::new(100));
        let counted = Rc::clone(&left);
        let port = reactor.listen_tcp("127.0.0.1:0", move |transport| Echoes { transport, left: Rc::clone(&counted) });
        let address = port.unwrap().host().socket_addr().unwrap();
        let client = thread::spawn(move || {
            let mut client = connect(address);
            for _ in 0..100 {
                client.write_all(b"x").unwrap();
                client.read_exact(&mut [0]).unwrap();
            }
        });
        let (calls, mut ends): (Rc<RefCell<[u32; 100]>>, Vec<OwnedFd>) = (Rc::new(RefCell::new([0; 100])), Vec::new());
        let mut watches = Vec::new();
        for number in 0..100 {
            let (input, mut output) = io::pipe().unwrap();
            output.write_all(b"x").unwrap();
            ends.push(output.into());
            let calls = Rc::clone(&calls);
            // It never reads.
            let watch = reactor.watch(input, Interest::READABLE, move |_, _| calls.borrow_mut()[number] += 1);
            watches.push(watch.unwrap());
        }
        reactor.run().unwrap();
        client.join().unwrap();
        assert_eq!(left.get(), 0);
        let calls = calls.borrow();
        let (least, most) = (calls.iter().min().unwrap(), calls.iter().max().unwrap());
        assert!(*least > 0 && most - least <= 1, "{calls:?}");
    });
}
