//! The terminal: its mode, and the connection that draws on it and is typed at.

use std::fs::{File, OpenOptions};
use std::io;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use ratatui::backend::TermionBackend;
use ratatui::layout::Rect;
use ratatui::{TerminalOptions, Viewport};
use reactor::{CloseReason, DelayedCall, OnEof, Protocol, Transport};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::draw::draw;
use crate::key::{Key, Keys};
use crate::link::Shared;

/// The terminal of the process, whatever standard input and output are. It gets back its mode and its screen when this is
/// dropped.
pub(crate) struct Terminal {
    device: Device,
    mode: Termios,
}

/// The terminal, to read from and to write to.
pub(crate) struct Device(File);

/// The other screen; no cursor; no wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

impl Terminal {
    /// Takes it over.
    pub(crate) fn open() -> io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let mode = tcgetattr(&device)?;
        let mut terminal = Self { device: Device(device), mode: mode.clone() };
        let mut raw = mode;
        raw.make_raw();
        tcsetattr(&terminal.device.0, OptionalActions::Now, &raw)?;
        terminal.device.0.write_all(ENTER.as_bytes())?;
        Ok(terminal)
    }

    pub(crate) fn device(&self) -> io::Result<Device> {
        self.device.0.try_clone().map(Device)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Without a terminal there is nothing to give back.
        let _ = self.device.0.write_all(LEAVE.as_bytes());
        let _ = tcsetattr(&self.device.0, OptionalActions::Now, &self.mode);
    }
}

impl Device {
    /// Its columns and rows.
    pub(crate) fn size(&self) -> (u16, u16) {
        match tcgetwinsize(&self.0) {
            // Serial lines do not know.
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => (80, 24),
        }
    }
}

impl From<Device> for OwnedFd {
    fn from(device: Device) -> Self {
        device.0.into()
    }
}

/// The protocol of a terminal's connection: keys come in, the screen goes out.
pub(crate) struct Screen {
    transport: Transport,
    shared: Rc<Shared>,
    terminal: ratatui::Terminal<TermionBackend<Output>>,
    keys: Keys,
    escape: Option<DelayedCall>,
    /// Whether something has changed since it was drawn.
    is_old: bool,
}

/// What is drawn goes to the transport; that of one picture in one piece.
struct Output(Transport);

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How long the rest of a key may take: longer than a slow line needs, shorter than a person notices.
const REST_OF_KEY: Duration = Duration::from_millis(50);

/// What changes is drawn together, up to 30 times a second.
const BETWEEN_PICTURES: Duration = Duration::from_millis(33);

impl Screen {
    pub(crate) fn new(transport: Transport, shared: Rc<Shared>, size: (u16, u16)) -> io::Result<Self> {
        let backend = TermionBackend::new(Output(transport.clone()));
        let viewport = Viewport::Fixed(area(size));
        let terminal = ratatui::Terminal::with_options(backend, TerminalOptions { viewport })?;
        Ok(Self { transport, shared, terminal, keys: Keys::default(), escape: None, is_old: false })
    }

    /// Has it drawn soon.
    pub(crate) fn invalidate(&mut self) {
        if !std::mem::replace(&mut self.is_old, true) {
            self.transport.call_later(BETWEEN_PICTURES, Self::draw);
        }
    }

    /// The terminal has this size now.
    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        if let Err(error) = self.terminal.resize(area(size)) {
            self.fail(error);
        }
        self.draw();
    }

    fn draw(&mut self) {
        self.is_old = false;
        if self.transport.is_full() {
            // The terminal does not keep up: `resume_writing` draws.
            return;
        }
        let drawn = self.terminal.draw(|frame| draw(&self.shared.dashboard.borrow(), frame)).map(drop);
        if let Err(error) = drawn {
            self.fail(error);
        }
    }

    fn fail(&self, error: io::Error) {
        self.transport.lose_connection_with(CloseReason::failed(error));
    }

    fn press(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            let action = self.shared.dashboard.borrow_mut().key(key);
            if let Some(action) = action {
                self.shared.act(action);
            }
        }
        self.draw();
    }

    fn end_escape(&mut self) {
        let key = self.keys.end_escape();
        self.press([key]);
    }
}

fn area((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows)
}

impl Protocol for Screen {
    fn connection_made(&mut self) {
        self.draw();
    }

    fn data_received(&mut self, data: &[u8]) {
        if let Some(escape) = self.escape.take() {
            escape.cancel();
        }
        let keys = self.keys.receive(data);
        self.press(keys);
        if self.keys.is_escaping() {
            self.escape = Some(self.transport.call_later(REST_OF_KEY, Self::end_escape));
        }
    }

    fn resume_writing(&mut self) {
        self.draw();
    }

    fn eof_received(&mut self) -> OnEof {
        // The terminal has gone.
        OnEof::Close
    }
}
