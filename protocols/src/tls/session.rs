//! One TLS connection without any I/O: the only place where rustls moves bytes.

use std::cell::Cell;
use std::io::{self, BufRead, IoSlice, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use reactor::Transport;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, Connection, Error, IoState, ServerConfig, ServerConnection};

use crate::tls::info::TlsInfo;

/// Turns records into plain bytes, and plain bytes into records.
pub(super) struct Session {
    rustls: Connection,
    /// Whether rustls still looks at the time: a server does so in the handshake only.
    needs_time: bool,
    /// How many plain bytes there are: rustls makes an error of it if it is asked for more.
    plain: usize,
    closed_by_peer: bool,
}

impl Session {
    pub(super) fn server(config: &Arc<ServerConfig>) -> Result<Self, Error> {
        ServerConnection::new(Arc::clone(config)).map(|server| Self::new(server.into()))
    }

    pub(super) fn client(config: &Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        ClientConnection::new(Arc::clone(config), name).map(|client| Self::new(client.into()))
    }

    fn new(mut rustls: Connection) -> Self {
        // Flow control is the connections': what is put in comes out at once.
        rustls.set_buffer_limit(None);
        Self { rustls, needs_time: true, plain: 0, closed_by_peer: false }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.rustls.is_handshaking()
    }

    /// What was negotiated. Called once, when the handshake is over.
    pub(super) fn take_info(&mut self) -> TlsInfo {
        let server_name = match &self.rustls {
            Connection::Server(server) => server.server_name().map(Box::from),
            Connection::Client(_) => None,
        };
        // A client's tickets come later.
        self.needs_time = matches!(self.rustls, Connection::Client(_));
        TlsInfo::new(&self.rustls, server_name)
    }

    /// Takes at least one byte of the records. What could be decrypted before an error is there all the same.
    pub(super) fn take_records(&mut self, records: &mut &[u8], now: impl FnOnce() -> SystemTime) -> Result<(), Error> {
        // It takes nothing if a message is longer than any can be.
        if self.rustls.read_tls(records).map_err(|error| Error::General(error.to_string()))? == 0 {
            return Err(Error::PeerSentOversizedRecord);
        }
        if self.needs_time {
            let since_epoch = now().duration_since(UNIX_EPOCH).unwrap_or_default();
            NOW.set(Some(UnixTime::since_unix_epoch(since_epoch)));
        }
        let processed = self.rustls.process_new_packets();
        // Not known behind an error.
        self.plain = processed.as_ref().map_or(usize::MAX, IoState::plaintext_bytes_to_read);
        self.closed_by_peer = processed?.peer_has_closed();
        Ok(())
    }

    /// Some of the plain bytes that were in the records; empty if there are none.
    pub(super) fn plain(&mut self) -> &[u8] {
        if self.plain == 0 {
            return &[];
        }
        self.rustls.reader().into_first_chunk().unwrap_or_default()
    }

    /// Drops the first `n` of the plain bytes.
    pub(super) fn consume_plain(&mut self, n: usize) {
        self.rustls.reader().consume(n);
        self.plain -= n;
    }

    /// Whether the peer has ended its stream in the way that TLS prescribes. Plain bytes may be left.
    pub(super) fn is_closed_by_peer(&self) -> bool {
        self.closed_by_peer
    }

    /// Sends plain bytes as records.
    pub(super) fn send_plain(&mut self, plain: &[u8], outer: &Transport) {
        // Nothing limits it.
        let _ = self.rustls.writer().write_all(plain);
        self.send_records(outer);
    }

    /// Sends the end of this side's stream.
    pub(super) fn send_close(&mut self, outer: &Transport) {
        self.rustls.send_close_notify();
        self.send_records(outer);
    }

    /// Sends the records that are ready, of the handshake and alerts.
    pub(super) fn send_records(&mut self, outer: &Transport) {
        while self.rustls.wants_write() {
            // `Records` does not fail.
            let _ = self.rustls.write_tls(&mut Records(outer));
        }
    }
}

/// Writes records to the connection outside. It takes everything, and never fails.
struct Records<'a>(&'a Transport);

impl Write for Records<'_> {
    fn write(&mut self, records: &[u8]) -> io::Result<usize> {
        self.0.write_from_inside(records);
        Ok(records.len())
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        parts.iter().for_each(|records| self.0.write_from_inside(records));
        Ok(parts.iter().map(|records| records.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// The time of day of the reactor whose connection is being worked on, which a simulation chooses.
    static NOW: Cell<Option<UnixTime>> = const { Cell::new(None) };
}

/// The reactor's time of day, for a configuration that the reactors of all threads share.
#[derive(Debug)]
pub(super) struct ReactorTime;

impl TimeProvider for ReactorTime {
    fn current_time(&self) -> Option<UnixTime> {
        NOW.get()
    }
}
