//! Sends the files of a folder, whatever their size: `send_file FOLDER [ADDRESS]`. A client sends a name in a line, and gets
//! the file and the end of the stream. The reactor never waits for the disk: files are read on other threads, a piece at a
//! time, and no faster than the client takes them.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::{CloseReason, OnEof, Reactor};

struct SendFile {
    lines: Lines,
    folder: PathBuf,
    /// The file while it is not being read.
    file: Option<File>,
    asked: bool,
}

impl SendFile {
    /// Reads the next piece, unless one is being read, or enough waits to be sent.
    fn read_on(&mut self) {
        if self.lines.transport().is_full() {
            return;
        }
        let Some(mut file) = self.file.take() else { return };
        let piece = self.lines.reactor().defer_to_thread(move || {
            let mut piece = Vec::with_capacity(PIECE);
            file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
            Ok((file, piece))
        });
        self.lines.defer(piece, |this: &mut Self, piece| match piece.map_err(io::Error::other).flatten() {
            Ok((_, piece)) if piece.is_empty() => this.lines.lose_connection(),
            Ok((file, piece)) => {
                this.lines.transport().write_bytes(piece.into());
                this.file = Some(file);
                this.read_on();
            }
            Err(error) => this.fail(error),
        });
    }

    /// A reset shows the client that what it has is not the whole file.
    fn fail(&self, error: io::Error) {
        self.lines.transport().fail_connection(CloseReason::failed(error));
    }
}

impl LineHandler for SendFile {
    fn line_received(&mut self, name: &[u8]) {
        let Some(name) = str::from_utf8(name).ok().filter(|name| !name.starts_with('.') && !name.contains('/')) else {
            return self.fail(io::Error::other("not the name of a file in the folder"));
        };
        self.asked = true;
        self.lines.pause_reading();
        let path = self.folder.join(name);
        let opened = self.lines.reactor().defer_to_thread(|| File::open(path));
        self.lines.defer(opened, |this: &mut Self, opened| match opened.map_err(io::Error::other).flatten() {
            Ok(file) => {
                this.file = Some(file);
                this.read_on();
            }
            Err(error) => this.fail(error),
        });
    }

    fn resume_writing(&mut self) {
        self.read_on();
    }

    fn eof_received(&mut self, _unfinished: &[u8]) -> OnEof {
        if self.asked { OnEof::KeepWriting } else { OnEof::Close }
    }
}

fn main() -> io::Result<()> {
    let folder =
        PathBuf::from(env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: send_file FOLDER [ADDRESS]"))?);
    let address = env::args().nth(2).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let reactor = Reactor::new()?;
    let files =
        LineReceiver::factory(move |lines| SendFile { lines, folder: folder.clone(), file: None, asked: false });
    let port = reactor.listen_tcp(address, files.any_newline())?;
    println!("listening on {}", port.host());
    reactor.run()
}

/// The bytes that are read at a time.
const PIECE: usize = 64 * 1024;
