//! A time client with a window: it sends what you type, shows the answers, and connects again when the server has gone.
//!
//! A toolkit for windows has a loop of its own, on the main thread. There are two ways to live with it: [`two_threads`] has the
//! reactor on a thread of its own, and [`one_loop`] has the reactor's loop host the toolkit's. The client and the window are the
//! same in both.

mod client;
mod one_loop;
mod two_threads;
mod window;

use std::io;
use std::process::ExitCode;

use clap::Parser;

/// A time client with a window.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The server
    #[arg(value_name = "HOST:PORT", default_value = "localhost:21567")]
    server: String,

    /// Run the reactor and the window on one thread, by one loop
    #[arg(long)]
    one_loop: bool,
}

const TITLE: &str = "Time";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run: fn(String) -> io::Result<()> = if arguments.one_loop { one_loop::run } else { two_threads::run };
    match run(arguments.server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("time-window: {error}");
            ExitCode::FAILURE
        }
    }
}
