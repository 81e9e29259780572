//! A peer that vanishes: the cable is pulled, and no packet reports it.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{io, thread};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;
use reactor::net::{ConnectOptions, ConnectionOptions};
use reactor::{CloseReason, Protocol, Reactor, Transport};
use rig::now;

use crate::Figure;
use crate::checks::error;
use crate::load::since;

/// R13: the time until connections to a vanished machine are lost. Requires permission to create network namespaces.
pub(crate) fn half_open(seconds: usize) -> io::Result<Vec<Figure>> {
    // On a thread, so that the network of this machine's other programs is not affected.
    let measured = thread::spawn(move || measure(Duration::from_secs(seconds as u64))).join();
    let [idle, unsent] = measured.map_err(|_| error("the measuring thread panicked"))??;
    // Keep-alive sends nine probes, a second apart.
    let (keep_alive, user_timeout) = (seconds as f64 + 9.0, seconds as f64);
    Ok(vec![
        Figure::at_most(
            keep_alive + 3.0,
            format!("seconds until an idle connection is lost, keep-alive {seconds} s"),
            idle,
        ),
        Figure::at_most(
            user_timeout + 3.0,
            format!("seconds until one with data under way is lost, user time-out {seconds} s"),
            unsent,
        ),
    ])
}

fn measure(silence: Duration) -> io::Result<[f64; 2]> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let (tell, told) = mpsc::channel();
    let (pull, pulled) = mpsc::channel::<()>();
    let far = thread::spawn(move || far_end(&tell, &pulled));
    let far_thread = told.recv().map_err(io::Error::other)?;
    shell(&format!("ip link add here type veth peer name there netns {far_thread}"))?;
    shell("ip address add 10.77.0.1/24 dev here; ip link set here up")?;
    pull.send(()).map_err(io::Error::other)?;
    let _ = told.recv();

    let reactor = Reactor::new()?;
    let lost = Rc::<RefCell<Vec<(bool, f64)>>>::default();
    let begun = Rc::<RefCell<Option<Instant>>>::default();
    let target: SocketAddr = ([10, 77, 0, 2], PORT).into();
    let watch = |sends, options| {
        let (lost, begun) = (Rc::clone(&lost), Rc::clone(&begun));
        reactor.connect_tcp(options, move |transport| Watch {
            transport,
            sends,
            begun: Rc::clone(&begun),
            lost: Rc::clone(&lost),
        })
    };
    let idle = watch(false, ConnectOptions::new(target).connection(ConnectionOptions::new().keep_alive(Some(silence))));
    let unsent =
        watch(true, ConnectOptions::new(target).connection(ConnectionOptions::new().user_timeout(Some(silence))));
    let begins = Rc::clone(&begun);
    reactor.call_later(Duration::from_secs(1), move || {
        let _ = pull.send(());
        begins.replace(Some(now()));
    });
    let ended = reactor.run_until(async move { (idle.finished().await, unsent.finished().await) })?;
    drop(ended);
    let _ = far.join();
    let of = |sends| lost.borrow().iter().find(|lost| lost.0 == sends).map_or(f64::NAN, |lost| lost.1);
    Ok([of(false), of(true)])
}

/// The machine at the other end of the cable: accepts, and pulls the cable on request.
fn far_end(tell: &mpsc::Sender<i32>, pulled: &mpsc::Receiver<()>) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let _ = tell.send(gettid().as_raw());
    let _ = pulled.recv();
    shell("ip address add 10.77.0.2/24 dev there; ip link set there up")?;
    let listener = TcpListener::bind(("10.77.0.2", PORT))?;
    let _ = tell.send(0);
    let _clients = [listener.accept()?, listener.accept()?];
    let _ = pulled.recv();
    shell("ip link set there down")?;
    // Waits until the other side has given up.
    let _ = pulled.recv();
    Ok(())
}

fn shell(line: &str) -> io::Result<()> {
    let ended = Command::new("sh").args(["-ec", line]).status()?;
    if ended.success() { Ok(()) } else { Err(io::Error::other(format!("'{line}' failed"))) }
}

/// Records when the connection is lost. If requested, sends something when the cable is pulled.
struct Watch {
    transport: Transport,
    sends: bool,
    begun: Rc<RefCell<Option<Instant>>>,
    lost: Rc<RefCell<Vec<(bool, f64)>>>,
}

impl Protocol for Watch {
    fn connection_made(&mut self) {
        if self.sends {
            self.transport.call_later(Duration::from_millis(1500), |this: &mut Self| this.transport.write("hello?"));
        }
    }

    fn data_received(&mut self, _data: &[u8]) {}

    fn connection_lost(&mut self, _reason: CloseReason) {
        if let Some(begun) = *self.begun.borrow() {
            self.lost.borrow_mut().push((self.sends, since(begun)));
        }
    }
}

const PORT: u16 = 7;
