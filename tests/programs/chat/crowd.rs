//! Clients, all of them in one loop. What comes is read at once and dropped, so that no server ever waits for its readers.

use std::io;
use std::ops::Range;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::client::{Client, Heard};
use crate::interruption;
use crate::running::Running;

/// Clients of one server by their numbers. Those that flood it are the last.
pub(crate) struct Crowd {
    port: u16,
    epoll: Epoll,
    clients: Vec<Client>,
    /// How many wait for something, those that flood left out.
    waiting: usize,
    /// How often one that floods has come back.
    returns: usize,
    buffer: Vec<u8>,
}

impl Crowd {
    /// Nobody yet.
    pub(crate) fn new(port: u16) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { port, epoll, clients: Vec::new(), waiting: 0, returns: 0, buffer: vec![0; 1 << 16] })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn nick(&self, number: usize) -> &str {
        &self.clients[number].nick
    }

    /// Adds some that connect and say nothing.
    pub(crate) fn connect(&mut self, server: &Running, clients: usize) -> io::Result<()> {
        let (before, first) = (server.descriptors()?, self.len());
        for number in first..first + clients {
            let client = Client::connect(self.port, format!("u{number}"), false)?;
            self.epoll.add(&client.stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            self.clients.push(client);
            // A queue that overflows lets a client wait for a second: ngircd's holds ten.
            if self.len().is_multiple_of(QUEUE) || self.len() == first + clients {
                server.wait_for_descriptors(before + self.len() - first)?;
            }
        }
        Ok(())
    }

    /// Registers those from this number on.
    pub(crate) fn register(&mut self, first: usize) -> io::Result<()> {
        for batch in batches(first..self.len(), REGISTERING) {
            self.ask_each(batch.clone(), " 001 ", Client::registration)?;
            self.ask_each(batch, "ready", |_| "PING :ready\r\n".to_owned())?;
        }
        Ok(())
    }

    /// All join the channel that `channel` names for their number.
    pub(crate) fn join(&mut self, channel: impl Fn(usize) -> String) -> io::Result<()> {
        for batch in batches(0..self.len(), JOINING) {
            for number in batch.clone() {
                self.send(number, &format!("JOIN {}\r\n", channel(number)))?;
            }
            self.ask_each(batch, "joined", |_| "PING :joined\r\n".to_owned())?;
        }
        // What those are told who were there first is read, too, before they have this answer.
        for batch in batches(0..self.len(), JOINING) {
            self.ask_each(batch, "settled", |_| "PING :settled\r\n".to_owned())?;
        }
        Ok(())
    }

    /// Adds some that send as fast as they can from now on.
    pub(crate) fn flood(&mut self, server: &Running, flooders: usize) -> io::Result<()> {
        let first = self.len();
        self.connect(server, flooders)?;
        self.register(first)?;
        for number in first..self.len() {
            self.clients[number].floods = true;
            self.watch_for_room(number)?;
        }
        Ok(())
    }

    /// What this one sends, it sends when its socket has room.
    fn watch_for_room(&self, number: usize) -> io::Result<()> {
        let mut event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT, number as u64);
        Ok(self.epoll.modify(&self.clients[number].stream, &mut event)?)
    }

    /// How many lines those that flood have got back.
    pub(crate) fn flooded(&self) -> usize {
        self.clients.iter().map(|client| client.lines).sum()
    }

    /// One that floods is back, after the server has let it go.
    fn reconnect(&mut self, number: usize) -> io::Result<()> {
        self.returns += 1;
        let mut client = Client::connect(self.port, format!("r{}", self.returns), true)?;
        client.lines = self.clients[number].lines;
        client.send(&client.registration())?;
        client.expect(" 001 ");
        self.epoll.add(&client.stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
        self.clients[number] = client;
        Ok(())
    }

    /// Each of these waits for an answer to what it sends.
    fn ask_each(&mut self, batch: Range<usize>, answer: &str, lines: impl Fn(&Client) -> String) -> io::Result<()> {
        for number in batch {
            self.expect(number, answer);
            let lines = lines(&self.clients[number]);
            self.send(number, &lines)?;
        }
        self.wait()
    }

    pub(crate) fn send(&mut self, number: usize, lines: &str) -> io::Result<()> {
        self.clients[number].send(lines)
    }

    /// A client waits for this from now on.
    pub(crate) fn expect(&mut self, number: usize, text: &str) {
        let client = &mut self.clients[number];
        self.waiting += usize::from(client.awaited().is_none());
        client.expect(text);
    }

    /// Waits until all have what they wait for.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        let deadline = rig::now() + PATIENCE;
        let mut events = [EpollEvent::empty(); 256];
        while self.waiting > 0 {
            let ready = self.epoll.wait(&mut events, EpollTimeout::from(1_000_u16))?;
            for event in &events[..ready] {
                // The number of a client, as it was given to the kernel.
                self.handle(event.data() as usize, event.events())?;
            }
            if interruption::is_asked_for() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if rig::now() > deadline {
                return Err(self.impatience());
            }
        }
        Ok(())
    }

    fn handle(&mut self, number: usize, events: EpollFlags) -> io::Result<()> {
        let client = &mut self.clients[number];
        if events.contains(EpollFlags::EPOLLOUT) {
            client.flood();
        }
        match client.read(&mut self.buffer) {
            Ok(Heard::Else) => {}
            Ok(Heard::Awaited) if client.floods => self.watch_for_room(number)?,
            Ok(Heard::Awaited) => self.waiting -= 1,
            Err(_) if client.floods => self.reconnect(number)?,
            Err(error) => {
                let text = format!("the connection of {} has ended: {error}", client.nick);
                return Err(io::Error::new(error.kind(), text));
            }
        }
        Ok(())
    }

    fn impatience(&self) -> io::Error {
        let mut waiting = self.clients.iter().filter(|client| !client.floods && client.awaited().is_some());
        let (nick, text) = waiting.next().map_or(("", ""), |first| (&first.nick, first.awaited().unwrap_or_default()));
        let clients = self.waiting;
        io::Error::other(format!(
            "{clients} clients have waited for {PATIENCE:?}, the first of them, {nick}, for {text:?}"
        ))
    }
}

/// Parts of the crowd that ask at once.
fn batches(all: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = all.end;
    all.step_by(length).map(move |begin| begin..end.min(begin + length))
}

/// How many connect at once.
const QUEUE: usize = 5;

/// How many register at once: ngircd and inspircd let each wait for a second.
const REGISTERING: usize = 1_000;

/// How many join at once. What the others are told of them waits in the server as long as these do not read it.
const JOINING: usize = 100;

/// Longer than this no server takes for anything that is measured.
const PATIENCE: Duration = Duration::from_secs(60);
