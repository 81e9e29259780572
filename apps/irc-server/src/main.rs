//! An IRC server: one program that needs nothing else, on one machine or on many.

mod announcement;
mod arguments;
mod certificate;
mod configuration;
mod endpoints;
mod log;
mod numbers;
mod services;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use irc_server::settings::DEFAULT_FILE;
use protocols::auth::{PasswordHash, ScramVerifier};
use reactor::service::Runner;

use crate::arguments::Arguments;
use crate::configuration::Configuration;
use crate::services::Program;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = check_endpoints(&arguments) {
        error.exit();
    }
    if arguments.print_config {
        return exit_code(print(DEFAULT_FILE.trim_end()));
    }
    if arguments.hash_password {
        return exit_code(hash_password());
    }
    let configuration = Configuration::of(&arguments);
    let settings = match configuration.read() {
        Ok(settings) => settings,
        Err(error) => return exit_code(Err(io::Error::other(error))),
    };
    if arguments.check_config {
        return exit_code(print("the settings are right"));
    }
    let log = log::start(&arguments);
    let mut runner = Runner::new("irc-server");
    if let Some(path) = &arguments.handover {
        runner = runner.handover(path);
    }
    let program = Program::new(configuration, settings, log);
    runner.threads(arguments.threads()).run(|reactor| program.services(reactor))
}

/// Refuses what is no place to listen, with the option that has it.
fn check_endpoints(arguments: &Arguments) -> Result<(), clap::Error> {
    let Arguments { listen, tls, web, .. } = arguments;
    for (option, texts) in [("--listen", listen), ("--tls", tls), ("--web", web)] {
        for text in texts {
            endpoints::description(text).map_err(|error| {
                let message = format!("invalid value for '{option} <ENDPOINT>': {error}");
                Arguments::command().error(ErrorKind::ValueValidation, message)
            })?;
        }
    }
    Ok(())
}

/// Reads a password, and prints what is kept of it.
fn hash_password() -> io::Result<()> {
    let mut password = String::new();
    io::stdin().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(io::Error::other("there is no password on standard input"));
    }
    print(&PasswordHash::from(ScramVerifier::new(password)).to_text())
}

/// Prints a line.
fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

fn exit_code(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, there is nowhere to report to.
            let _ = writeln!(io::stderr(), "irc-server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_port_is_told_with_its_option() {
        let check = |option: &str, place: &str| {
            check_endpoints(&Arguments::try_parse_from(["irc-server", option, place]).unwrap())
        };
        for option in ["--listen", "--tls", "--web"] {
            let error = check(option, "localhost:99999").unwrap_err().to_string();
            let expected = format!("'{option} <ENDPOINT>': \"localhost:99999\" has the port \"99999\"");
            assert!(error.contains(&expected), "{error}");
            assert!(check(option, "localhost:0").is_ok());
        }
    }
}
