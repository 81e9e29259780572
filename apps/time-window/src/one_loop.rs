//! One loop for both: the reactor hosts the window's.
//!
//! The poller of the window's loop is a descriptor, which the reactor watches; when it is ready, the window's loop makes one turn
//! without waiting. When that wants to be woken at a time, a timed call of the reactor does it. All is on one thread, so a
//! callback could touch what is shown without a lock.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd as _;
use std::rc::Rc;
use std::time::Duration;

use eframe::{EframeWinitApplication, UserEvent};
use reactor::io::Interest;
use reactor::{DelayedCall, Reactor};
use winit::application::ApplicationHandler;
use winit::event::{DeviceEvent, DeviceId, StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop};
use winit::platform::pump_events::{EventLoopExtPumpEvents as _, PumpStatus};
use winit::window::WindowId;

use crate::client::{Shared, connect};
use crate::window::Window;

pub(crate) fn run(server: String) -> io::Result<()> {
    let reactor = Reactor::new()?;
    let event_loop = EventLoop::<UserEvent>::with_user_event().build();
    let event_loop = event_loop.map_err(|error| io::Error::other(format!("cannot open a window: {error}")))?;
    let connecting = reactor.clone();
    let app = eframe::create_native(
        crate::TITLE,
        eframe::NativeOptions::default(),
        Box::new(move |creation| {
            let repaint = creation.egui_ctx.clone();
            let shared = Shared::new(move || repaint.request_repaint());
            connect(&connecting, &server, &shared);
            Ok(Box::new(Window::new(shared)))
        }),
        &event_loop,
    );
    let poller = event_loop.as_fd().try_clone_to_owned()?;
    let guest = Guest { app, had_events: false, waits: ControlFlow::Wait };
    let host = Rc::new(RefCell::new(Host { reactor: reactor.clone(), event_loop, guest, next: None }));
    // The first turn opens the window.
    let first = Rc::clone(&host);
    reactor.call_when_running(move || Host::turn(&first));
    let _watch = reactor.watch(poller, Interest::READABLE, move |_, _| Host::turn(&host))?;
    match reactor.run() {
        // By a signal.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        ended => ended,
    }
}

struct Host {
    reactor: Reactor,
    event_loop: EventLoop<UserEvent>,
    guest: Guest,
    /// The next turn, if it has a time.
    next: Option<DelayedCall>,
}

impl Host {
    fn turn(this: &Rc<RefCell<Self>>) {
        let mut host = this.borrow_mut();
        let Self { reactor, event_loop, guest, next } = &mut *host;
        if let Some(next) = next.take() {
            next.cancel();
        }
        guest.had_events = false;
        if let PumpStatus::Exit(_) = event_loop.pump_app_events(Some(Duration::ZERO), guest) {
            return reactor.stop();
        }
        let delay = match guest.waits {
            // Drawing reads from the display's connection, so that events may wait where the poller does not see them: the
            // loop is at rest only after a turn without any.
            _ if guest.had_events => Duration::ZERO,
            ControlFlow::Poll => Duration::ZERO,
            ControlFlow::Wait => return,
            ControlFlow::WaitUntil(at) => at.saturating_duration_since(reactor.now()),
        };
        let again = Rc::clone(this);
        *next = Some(reactor.call_later(delay, move || Self::turn(&again)));
    }
}

/// The window's program, and what a turn of its loop has shown of it.
struct Guest {
    app: EframeWinitApplication<'static>,
    had_events: bool,
    waits: ControlFlow,
}

impl ApplicationHandler<UserEvent> for Guest {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        self.had_events = true;
        self.app.resumed(event_loop);
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, window: WindowId, event: WindowEvent) {
        self.had_events = true;
        self.app.window_event(event_loop, window, event);
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, event: UserEvent) {
        self.had_events = true;
        self.app.user_event(event_loop, event);
    }

    fn device_event(&mut self, event_loop: &ActiveEventLoop, device: DeviceId, event: DeviceEvent) {
        self.had_events = true;
        self.app.device_event(event_loop, device, event);
    }

    fn new_events(&mut self, event_loop: &ActiveEventLoop, cause: StartCause) {
        self.app.new_events(event_loop, cause);
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        self.app.about_to_wait(event_loop);
        self.waits = event_loop.control_flow();
    }

    fn exiting(&mut self, event_loop: &ActiveEventLoop) {
        self.app.exiting(event_loop);
    }
}
