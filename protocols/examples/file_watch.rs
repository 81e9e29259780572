//! Shows what is appended to a file, checking ten times a second: `file_watch FILE`.

use std::fs::File;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use reactor::service::{Runner, TimerService};

fn main() -> ExitCode {
    Runner::new("file_watch").run(|reactor| {
        let path = env::args().nth(1).ok_or("which file? file_watch FILE")?;
        let mut file = File::open(&path).map_err(|error| format!("cannot open {path}: {error}"))?;
        Ok(TimerService::new(reactor, path, Duration::from_millis(100), move |_tick| {
            // A panic makes the service fail, which ends the program.
            io::copy(&mut file, &mut io::stdout()).expect("the file can be read");
        }))
    })
}
