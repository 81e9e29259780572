use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use protocols::amp::{AmpAnswer, AmpBox, AmpError, AmpHandler, AmpReceiver};
use protocols::codec::{CodecHandler, CodecReceiver, Messages};
use protocols::console::Console;
use protocols::finger::Finger;
use protocols::forward::PortForward;
use protocols::ident::{IdentReply, IdentServer};
use protocols::metrics::Metrics;
use protocols::metrics::prometheus_client::registry::Registry;
use protocols::proxy_header::ProxyHeader;
use protocols::segment::{Segments, TerminatorHandler, TerminatorReceiver};
use protocols::socks::Socks;
use protocols::stateful::{State, StatefulHandler, StatefulReceiver, States};
use protocols::string::StringFormat;
use protocols::telnet::{Telnet, TelnetHandler, TelnetReceiver};
use protocols::web_socket::{WebSocket, WebSocketHandle, WebSocketHandler};
use protocols::wire::{Chargen, Daytime, Discard, Qotd, Time, Who};
use protocols::{LineHandler, LineReceiver, Lines, StringHandler, StringReceiver, Strings};
use reactor::unix::close_in_thread;
use reactor::{Factory, Protocol, Transport};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::LengthDelimitedCodec;

use crate::certificates;
use crate::ready_made::dialogues::{PANIC, QUOTE, REPLY};

/// The factory of a server, with default options; those that forward connect to the address `echo`. Receivers send
/// back what they receive.
///
/// # Errors
///
/// If there is no server with this name.
pub fn factory(name: &str, echo: SocketAddr) -> Result<Box<dyn Factory>, String> {
    let strings = |format| StringReceiver::factory(format, |strings| EchoStrings { strings });
    Ok(match name {
        "echo" => Box::new(|transport| Echo { transport }),
        "discard" => Box::new(Discard::new),
        "chargen" => Box::new(Chargen::new),
        "qotd" => Box::new(|transport| Qotd::new(transport, QUOTE)),
        "who" => Box::new(|transport| Who::new(transport, QUOTE)),
        "daytime" => Box::new(Daytime::new),
        "time" => Box::new(Time::new),
        "lines" => Box::new(LineReceiver::factory(|lines| EchoLines { lines }).delimiter("\n")),
        "strings" => Box::new(strings(StringFormat::Int32)),
        "netstrings" => Box::new(strings(StringFormat::Netstring)),
        "parts" => Box::new(StatefulReceiver::factory(|states| EchoParts { states })),
        "segments" => Box::new(TerminatorReceiver::factory(|segments| EchoSegments { segments })),
        "codec" => Box::new(CodecReceiver::factory(LengthDelimitedCodec::new, |messages| EchoMessages { messages })),
        "amp" => Box::new(AmpReceiver::factory(|_| EchoCalls)),
        "telnet" => Box::new(TelnetReceiver::factory(|telnet| EchoTelnet { telnet })),
        "web-socket" => Box::new(WebSocket::around(|transport| Echo { transport })),
        "web-messages" => Box::new(WebSocket::messages(|socket, _| EchoWebMessages { socket })),
        "tls" => Box::new(certificates::server().around(|transport| Echo { transport })),
        "proxied" => Box::new(ProxyHeader::around(|transport| Echo { transport })),
        "finger" => Box::new(Finger::factory(async |_| Some(REPLY.to_owned()))),
        "ident" => Box::new(IdentServer::factory(async |_| Ok(IdentReply::unix("root")))),
        "metrics" => Box::new(Metrics::new(Registry::default())),
        "console" => Box::new(Console::new("program").everybody().factory()),
        "forward" => Box::new(PortForward::new(echo)),
        "socks" => Box::new(Socks::new(move |request| request.address == echo)),
        "descriptors" => Box::new(|transport| TakesDescriptors { transport, taken: 0 }),
        _ => return Err(format!("there is no server called {name}")),
    })
}

fn obey(message: &[u8]) {
    assert!(!message.starts_with(PANIC), "as it was told to");
}

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        obey(data);
        self.transport.write(data);
    }
}

struct EchoLines {
    lines: Lines,
}

impl LineHandler for EchoLines {
    fn line_received(&mut self, line: &[u8]) {
        obey(line);
        self.lines.send_line(line);
    }
}

struct EchoStrings {
    strings: Strings,
}

impl StringHandler for EchoStrings {
    fn string_received(&mut self, string: &[u8]) {
        obey(string);
        if self.strings.send_string(string).is_err() {
            self.strings.lose_connection();
        }
    }
}

/// A message is its length, in four bytes, and a text.
struct EchoParts {
    states: States,
}

impl StatefulHandler for EchoParts {
    fn initial_state(&mut self) -> State<Self> {
        State::new(4, |_, length| {
            let length = length.try_into().map_or(0, u32::from_be_bytes);
            Some(State::new(length as usize, Self::text_received))
        })
    }
}

impl EchoParts {
    fn text_received(&mut self, text: &[u8]) -> Option<State<Self>> {
        obey(text);
        self.states.write(text);
        Some(self.initial_state())
    }
}

/// Sends back data as it comes, and a dot at each end of a segment.
struct EchoSegments {
    segments: Segments,
}

impl TerminatorHandler for EchoSegments {
    fn connection_made(&mut self) {
        self.segments.set_terminator("\r\n\r\n");
    }

    fn collect_incoming_data(&mut self, data: &[u8]) {
        obey(data);
        self.segments.write(data);
    }

    fn found_terminator(&mut self) {
        self.segments.write(".");
    }
}

struct EchoMessages {
    messages: Messages<LengthDelimitedCodec>,
}

impl CodecHandler for EchoMessages {
    type Codec = LengthDelimitedCodec;

    fn message_received(&mut self, message: BytesMut) {
        obey(&message);
        if self.messages.send(message.freeze()).is_err() {
            self.messages.lose_connection();
        }
    }
}

/// Answers every call with its arguments.
struct EchoCalls;

impl AmpHandler for EchoCalls {
    fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        obey(command.as_bytes());
        Ok(arguments.into())
    }
}

struct EchoTelnet {
    telnet: Telnet,
}

impl TelnetHandler for EchoTelnet {
    fn line_received(&mut self, line: &[u8]) {
        obey(line);
        self.telnet.send_line(line);
    }
}

struct EchoWebMessages {
    socket: WebSocketHandle,
}

impl WebSocketHandler for EchoWebMessages {
    fn text_received(&mut self, text: &str) {
        obey(text.as_bytes());
        self.socket.send_text(text);
    }

    fn bytes_received(&mut self, data: &[u8]) {
        obey(data);
        self.socket.send_bytes(data);
    }
}

/// Answers bytes with the number of descriptors received so far.
struct TakesDescriptors {
    transport: Transport,
    taken: usize,
}

impl Protocol for TakesDescriptors {
    fn data_received(&mut self, data: &[u8]) {
        obey(data);
        write!(self.transport, "{} ", self.taken);
    }

    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        self.taken += 1;
        close_in_thread(descriptor);
    }
}
