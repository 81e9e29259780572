use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, split};

use super::*;
use crate::testing::{StringTransport, expect_panic};

async fn echo(stream: TokioStream) -> io::Result<()> {
    let (mut reader, mut writer) = split(stream);
    copy(&mut reader, &mut writer).await?;
    writer.shutdown().await
}

#[test]
fn what_is_copied_back_comes_back_and_the_end_behind_it() {
    let mut wire = StringTransport::connect(TokioStream::factory(echo));
    wire.receive("hello");
    assert_eq!(wire.take_written(), b"hello");
    wire.receive(" again");
    wire.receive_eof();
    assert_eq!(wire.written(), b" again");
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn a_peer_that_does_not_read_is_not_read_either() {
    let mut wire = StringTransport::connect(TokioStream::factory(echo));
    wire.stall(true);
    let chunk = [7; 4096];
    for _ in 0..2048 {
        wire.receive(chunk);
    }
    assert!(wire.transport().unsent_bytes() <= 3 * MOST_WAITING, "{}", wire.transport().unsent_bytes());
    wire.stall(false);
    assert_eq!(wire.written().len(), 2048 * chunk.len());
}

#[test]
fn a_writer_waits_for_a_peer_that_does_not_read() {
    let written = Rc::new(Cell::new(0));
    let count = Rc::clone(&written);
    let mut wire = StringTransport::connect(TokioStream::factory(move |mut stream| {
        let count = Rc::clone(&count);
        async move {
            stream.read_u8().await?;
            for _ in 0..1000 {
                stream.write_all(&[1; 8192]).await?;
                count.set(count.get() + 8192);
            }
            Ok(())
        }
    }));
    wire.stall(true);
    wire.receive([1]);
    assert!(written.get() <= 3 * MOST_WAITING, "{}", written.get());
    wire.stall(false);
    assert_eq!(wire.written().len(), 1000 * 8192);
    assert!(wire.close_reason().is_some_and(|reason| reason.is_clean()));
}

/// The text that was read, and the kind of the error.
type Outcome = (String, Option<io::ErrorKind>);

/// What a reader that reads to the end has got.
fn read_out() -> (impl Factory, Rc<RefCell<Option<Outcome>>>) {
    let outcome = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&outcome);
    let factory = TokioStream::factory(move |mut stream| {
        let kept = Rc::clone(&kept);
        async move {
            let mut text = Vec::new();
            let error = stream.read_to_end(&mut text).await.err().map(|error| error.kind());
            kept.replace(Some((String::from_utf8(text).unwrap(), error)));
            Ok(())
        }
    });
    (factory, outcome)
}

#[test]
fn the_end_and_the_reset_of_a_connection_are_told_apart_behind_the_data() {
    let (factory, outcome) = read_out();
    let mut wire = StringTransport::connect(factory);
    wire.receive("some");
    wire.receive_eof();
    assert_eq!(outcome.take(), Some(("some".to_owned(), None)));

    let (factory, outcome) = read_out();
    let mut wire = StringTransport::connect(factory);
    wire.receive("some");
    wire.break_connection(io::ErrorKind::ConnectionReset.into());
    assert_eq!(outcome.take(), Some(("some".to_owned(), Some(io::ErrorKind::ConnectionReset))));

    let (factory, outcome) = read_out();
    let mut wire = StringTransport::connect(factory);
    wire.transport().fail_connection(CloseReason::TimedOut);
    wire.settle();
    assert_eq!(outcome.take(), Some((String::new(), Some(io::ErrorKind::TimedOut))));
}

#[test]
fn a_dropped_stream_closes_in_order_and_one_dropped_by_a_panic_resets() {
    let wire = StringTransport::connect(TokioStream::factory(async |mut stream| stream.write_all(b"bye").await));
    assert_eq!(wire.written(), b"bye");
    assert!(wire.eof_written() && !wire.was_reset());

    let panicking = TokioStream::factory(async |mut stream| {
        stream.write_all(b"bye").await?;
        panic!("on purpose");
    });
    let wire = expect_panic("on purpose", || StringTransport::connect(panicking));
    assert!(wire.was_reset());
}

#[test]
fn an_error_ends_the_connection_with_it() {
    let wire = StringTransport::connect(TokioStream::factory(async |_stream| Err(io::Error::other("no luck"))));
    assert!(wire.was_reset());
    assert_eq!(wire.close_reason().unwrap().to_string(), "no luck");
}

#[test]
fn nothing_can_be_written_behind_the_end() {
    let outcome = Rc::new(Cell::new(None));
    let kept = Rc::clone(&outcome);
    let mut wire = StringTransport::connect(TokioStream::factory(move |mut stream| {
        let kept = Rc::clone(&kept);
        async move {
            stream.shutdown().await?;
            let refused = stream.write_all(b"more").await.unwrap_err();
            kept.set(Some(refused.kind()));
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await?;
            assert_eq!(rest, "rest");
            Ok(())
        }
    }));
    assert!(wire.eof_written());
    assert_eq!(outcome.get(), Some(io::ErrorKind::BrokenPipe));
    wire.receive("rest");
    wire.receive_eof();
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn connections_are_refused_when_nobody_accepts_any_more() {
    let (mut factory, incoming) = TokioStream::incoming();
    let mut build = move |transport: Transport| factory.build_protocol(transport);
    drop(incoming);
    let refused = Rc::new(Cell::new(false));
    let seen = Rc::clone(&refused);
    let wire = StringTransport::connect(move |transport: Transport| {
        seen.set(build(transport.clone()).is_none());
        Bridge::new(&transport).0
    });
    drop(wire);
    assert!(refused.get());
}

#[test]
fn a_stream_can_be_sent_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<TokioStream>();
    is_send::<Incoming>();
}
