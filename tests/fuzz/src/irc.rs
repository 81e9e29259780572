//! IRC: what a receiver delivers, however the stream is cut; messages that are formed again; masks; and a client.

use protocols::auth::{Password, SaslClient};
use protocols::irc::{
    CaseMapping, Ctcp, Irc, IrcClient, IrcClientHandler, IrcClientReceiver, IrcHandler, IrcReceiver, Message,
    MessageBuilder, ModeChanges, ModeKinds, ParseError, ServerSupport, Source, is_host_name, low_dequote, low_quote,
    mask_matches,
};
use reactor::OnEof;
use reactor::testing::StringTransport;

use crate::receiving::{CLOSE, Log, alike_in_every_cut, in_every_cut, obey, receive};

/// Three bytes select the limits and the cuts; the others are received.
pub fn irc(data: &[u8]) {
    let [max_tags, max_body, cut, stream @ ..] = data else { return };
    let limits = Limits { max_tags: usize::from(max_tags % 32), max_body: usize::from(max_body % 64) };
    in_every_cut(stream, *cut, &limits.expect(stream), |pieces| limits.receive(pieces));
    stream.split(|byte| *byte == b'\n').for_each(look_into);
}

struct Limits {
    max_tags: usize,
    /// Without the end of a line.
    max_body: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Came {
    Message(Parts),
    Rejected(Vec<u8>, ParseError),
    TooLong,
    Unfinished(Vec<u8>),
}

/// What a message consists of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    tags: Vec<(Vec<u8>, Vec<u8>)>,
    source: Option<Vec<u8>>,
    command: Vec<u8>,
    params: Vec<Vec<u8>>,
}

impl Limits {
    /// The rules, applied to the whole stream at once.
    fn expect(&self, stream: &[u8]) -> Vec<Came> {
        let mut came = Vec::new();
        let mut rest = stream;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]);
            rest = &rest[at + 1..];
            if self.is_too_long(line) {
                came.push(Came::TooLong);
                continue;
            }
            match parts_by_definition(line) {
                Ok(parts) => {
                    let closes = parts.command == CLOSE;
                    came.push(Came::Message(parts));
                    if closes {
                        return came;
                    }
                }
                Err(ParseError::Empty) => {}
                Err(error) => came.push(Came::Rejected(line.to_vec(), error)),
            }
        }
        let most = if rest.starts_with(b"@") { self.max_tags + self.max_body } else { self.max_body };
        if rest.len() >= most + "\r\n".len() {
            came.push(Came::TooLong);
            rest = b"";
        }
        came.push(Came::Unfinished(rest.to_vec()));
        came
    }

    fn is_too_long(&self, line: &[u8]) -> bool {
        let mut tags = 0;
        if line.starts_with(b"@") {
            tags = line.iter().position(|byte| *byte == b' ').map_or(line.len(), |at| at + 1);
        }
        tags > self.max_tags || line.len() - tags > self.max_body
    }

    /// The actual results of these pieces, followed by the end of the stream.
    fn receive(&self, pieces: &[&[u8]]) -> Vec<Came> {
        receive(pieces, |told| {
            let factory = IrcReceiver::factory(move |new: Irc| {
                let (irc, came) = told(new);
                Handler { irc, came }
            });
            factory.max_tags(self.max_tags).max_body(self.max_body + "\r\n".len())
        })
    }
}

struct Handler {
    irc: Irc,
    came: Log<Came>,
}

impl IrcHandler for Handler {
    fn message_received(&mut self, message: &Message<'_>) {
        self.came.borrow_mut().push(Came::Message(parts(message)));
        obey(message.command(), &self.irc);
    }

    fn line_rejected(&mut self, line: &[u8], error: ParseError) {
        self.came.borrow_mut().push(Came::Rejected(line.to_vec(), error));
    }

    fn line_too_long(&mut self) {
        self.came.borrow_mut().push(Came::TooLong);
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.came.borrow_mut().push(Came::Unfinished(unfinished.to_vec()));
        OnEof::Close
    }
}

fn parts(message: &Message<'_>) -> Parts {
    Parts {
        tags: message.tags().map(|(key, value)| (key.to_vec(), value.to_vec())).collect(),
        source: message.source().map(|source| source.as_bytes().to_vec()),
        command: message.command().to_vec(),
        params: message.params().iter().map(|param| param.to_vec()).collect(),
    }
}

/// The words of a line, one after the other.
fn parts_by_definition(line: &[u8]) -> Result<Parts, ParseError> {
    let mut line = line.to_vec();
    while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        line.pop();
    }
    if line.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Err(ParseError::ForbiddenByte);
    }
    let mut rest = &line[..];
    let mut next = || {
        while let [b' ', behind @ ..] = rest {
            rest = behind;
        }
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let whole = std::mem::replace(&mut rest, behind);
        (!whole.is_empty()).then_some((word, whole))
    };
    let mut word = next();
    if word.is_none() {
        return Err(ParseError::Empty);
    }
    let mut parts = Parts::default();
    if let Some(([b'@', tags @ ..], _)) = word {
        for tag in tags.split(|byte| *byte == b';').filter(|tag| !tag.is_empty()) {
            let mut halves = tag.splitn(2, |byte| *byte == b'=');
            let mut half = || halves.next().unwrap_or_default().to_vec();
            parts.tags.push((half(), half()));
        }
        word = next();
    }
    if let Some(([b':', source @ ..], _)) = word {
        parts.source = Some(source.to_vec()).filter(|source| !source.is_empty());
        word = next();
    }
    parts.command = word.ok_or(ParseError::NoCommand)?.0.to_vec();
    while let Some((word, whole)) = next() {
        if let [b':', trailing @ ..] = whole {
            parts.params.push(trailing.to_vec());
            break;
        }
        if parts.params.len() == 14 {
            parts.params.push(whole.to_vec());
            break;
        }
        parts.params.push(word.to_vec());
    }
    Ok(parts)
}

/// What is said of a line by all that looks into one.
fn look_into(line: &[u8]) {
    if let Ok(message) = Message::parse(line) {
        assert!(format!("{message:?}").is_ascii());
        forms_again(&message);
        let kinds = ModeKinds::parse(message.param(0).unwrap_or_default(), message.param(1).unwrap_or_default());
        assert!(ModeChanges::parse(message.params(), &kinds).count() <= line.len());
        let mut support = ServerSupport::default();
        support.update(&message);
        for (key, _) in support.iter() {
            assert!(support.has(key) && support.get(key).is_some());
        }
        assert!(support.prefixes().count() <= line.len().max(2) && !support.is_channel(b""));
    }
    let source = Source::parse(line);
    assert!(source.name().len() <= line.len());
    assert_eq!(*low_dequote(&low_quote(line)), *line);
    assert_eq!(*Ctcp::dequote(&Ctcp::quote(line)), *line);
    if let Some(ctcp) = Ctcp::parse(line) {
        let text = Ctcp::text(ctcp.command(), ctcp.params());
        assert_eq!(Ctcp::parse(&text), Some(ctcp));
    }
    assert!(!is_host_name(line) || line.is_ascii() && !line.contains(&b' '));
    let (mask, text) = line.split_at(line.len() / 2);
    for mapping in [CaseMapping::Ascii, CaseMapping::Rfc1459, CaseMapping::Rfc1459Strict] {
        assert!(mapping.eq(line, &mapping.fold(line)));
        if line.len() < 400 {
            assert_eq!(mask_matches(mask, text, mapping), matches_by_table(mask, text, mapping), "{mapping:?}");
        }
    }
}

/// A message that is put together from its parts is the same, if it fits.
fn forms_again(message: &Message<'_>) {
    let mut builder = MessageBuilder::new(message.command());
    for (key, _) in message.tags() {
        builder = builder.tag(key, message.tags().get(key).unwrap_or_default());
    }
    if let Some(source) = message.source() {
        builder = builder.source(source);
    }
    for param in message.params() {
        builder = builder.param(param);
    }
    let bytes = builder.to_bytes();
    let line = bytes.strip_suffix(b"\r\n").expect("an end");
    assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    let body =
        line.len() - if message.tags().is_empty() { 0 } else { line.iter().take_while(|byte| **byte != b' ').count() };
    assert!(body <= 511);
    // A command that begins like something else cannot be sent.
    if body < 500 && !message.command().starts_with(b":") && !message.command().starts_with(b"@") {
        let again = Message::parse(line).expect("a message");
        assert_eq!(
            (again.source(), again.command(), again.params()),
            (message.source(), message.command(), message.params())
        );
    }
}

/// Which beginnings of the text the mask matches so far.
fn matches_by_table(mask: &[u8], text: &[u8], mapping: CaseMapping) -> bool {
    let mut matches = vec![false; text.len() + 1];
    matches[0] = true;
    let mut rest = mask;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'*' {
            let begin = matches.iter().position(|matches| *matches).unwrap_or(matches.len());
            matches[begin..].fill(true);
            continue;
        }
        let (mut literal, mut any) = (*first, *first == b'?');
        if let (b'\\', [escaped @ (b'*' | b'?'), behind @ ..]) = (first, behind) {
            (literal, any, rest) = (*escaped, false, behind);
        }
        for at in (1..matches.len()).rev() {
            matches[at] = matches[at - 1] && (any || mapping.eq(&text[at - 1..at], &[literal]));
        }
        matches[0] = false;
    }
    matches[text.len()]
}

/// Two bytes select the options and the cuts; a server sends the others.
pub fn irc_client(data: &[u8]) {
    let [options, cut, stream @ ..] = data else { return };
    let receive = |pieces: &[&[u8]]| {
        let factory = IrcClientReceiver::factory("polly", |irc| Parrot { irc }).capabilities(["batch", "echo-message"]);
        let factory = match options % 3 {
            0 => factory,
            1 => factory.sasl(|_, _| Some(SaslClient::plain(Password::new("ann", "pw")))),
            _ => factory.sasl(|_, _| Some(SaslClient::external())),
        };
        let mut wire = StringTransport::connect(factory);
        pieces.iter().for_each(|piece| wire.receive(piece));
        wire.receive_eof();
        assert!(!wire.was_reset());
        wire.take_written()
    };
    // A challenge is answered later, so that what comes with it may come first.
    let sent = if options % 3 == 0 { alike_in_every_cut(stream, *cut, receive) } else { receive(&[stream]) };
    let lines = sent.strip_suffix(b"\r\n").expect("a client has said its nick");
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= 510 && Message::parse(line).is_ok(), "{}", line.escape_ascii());
    }
}

/// Repeats what it hears, in every way that there is.
struct Parrot {
    irc: IrcClient,
}

impl IrcClientHandler for Parrot {
    fn signed_on(&mut self) {
        self.irc.join("#birds");
    }

    fn privmsg(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {
        self.irc.msg(user.name(), text);
        self.irc.describe(target, text);
    }

    fn topic_updated(&mut self, _user: Source<'_>, channel: &[u8], topic: &[u8]) {
        self.irc.set_topic(channel, topic);
    }

    fn mode_changed(&mut self, user: Source<'_>, target: &[u8], changes: ModeChanges<'_>) {
        for change in changes {
            self.irc.mode(target, [b'-', change.mode], change.param);
        }
        self.irc.kick(target, user.name(), user.as_bytes());
    }

    fn nick_changed(&mut self, nick: &[u8]) {
        assert!(self.irc.is_me(nick));
        self.irc.set_nick(nick);
    }
}
