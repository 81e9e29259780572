//! Finger, stage 1: an event loop that does nothing until Ctrl-C ends it.

fn main() -> std::io::Result<()> {
    reactor::Reactor::new()?.run()
}
