//! Installs the time server, its client, reactor-top and the IRC server, with what they need besides their programs: manual pages, completions
//! for shells, and units of systemd.
//!
//! `cargo run -p install -- ~/.local`

#[expect(dead_code, reason = "what the server does with its arguments is not needed here")]
#[path = "../../time-server/src/arguments.rs"]
mod time_server;

#[expect(dead_code, reason = "what the client does with its arguments is not needed here")]
#[path = "../../time-client/src/arguments.rs"]
mod time_client;

#[expect(dead_code, reason = "what the IRC server does with its arguments is not needed here")]
#[path = "../../irc-server/src/arguments.rs"]
mod irc_server;

#[cfg_attr(not(test), expect(dead_code, reason = "what reactor-top does with its arguments is not needed here"))]
#[path = "../../reactor-top/src/arguments.rs"]
mod reactor_top;

mod manual;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use clap::{CommandFactory, Parser};
use clap_complete::{Shell, generate};

/// Builds time-server, time-client, reactor-top and irc-server, and installs them with their manual pages, completions and units.
///
/// Nothing is started or enabled. What is there already is replaced.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to install: the programs go to PREFIX/bin, the rest below PREFIX/share and PREFIX/lib
    #[arg(default_value = "/usr/local")]
    prefix: PathBuf,

    /// Put everything below this directory, as a package does: the files still say PREFIX
    #[arg(long, value_name = "DIRECTORY")]
    root: Option<PathBuf>,

    /// Take the programs from this directory instead of building them
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
}

fn main() -> ExitCode {
    match install(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("install: {error}");
            ExitCode::FAILURE
        }
    }
}

fn install(arguments: &Arguments) -> io::Result<()> {
    let prefix = std::path::absolute(&arguments.prefix)?;
    let place = Place {
        directory: match &arguments.root {
            Some(root) => root.join(prefix.strip_prefix("/").unwrap_or(&prefix)),
            None => prefix.clone(),
        },
    };
    let programs = arguments.programs.clone().map_or_else(build, Ok)?;
    let commands = [
        time_server::Arguments::command(),
        time_client::Arguments::command(),
        reactor_top::Arguments::command(),
        irc_server::Arguments::command(),
    ];
    for mut command in commands {
        let name = command.get_name().to_owned();
        place.copy(&programs.join(&name), &format!("bin/{name}"))?;
        place.write(&format!("share/man/man1/{name}.1"), &manual::page(&command)?)?;
        for (shell, path) in [
            (Shell::Bash, format!("share/bash-completion/completions/{name}")),
            (Shell::Fish, format!("share/fish/vendor_completions.d/{name}.fish")),
            (Shell::Zsh, format!("share/zsh/site-functions/_{name}")),
        ] {
            let mut completions = Vec::new();
            generate(shell, &mut command, &name, &mut completions);
            place.write(&path, &completions)?;
        }
    }
    for (app, unit) in [("time-server", "time.service"), ("time-server", "time.socket"), ("irc-server", "irc.service")]
    {
        let text = fs::read_to_string(workspace().join("apps").join(app).join("systemd").join(unit))?;
        let text = text.replace("/usr/local/bin", &prefix.join("bin").display().to_string());
        place.write(&format!("lib/systemd/system/{unit}"), text.as_bytes())?;
    }
    Ok(())
}

/// Builds the programs, and returns the directory that they are in.
fn build() -> io::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // This program is in TARGET/PROFILE.
    let me = env::current_exe()?;
    let target = me.ancestors().nth(2).ok_or_else(|| io::Error::other("this program is in no target directory"))?;
    let status = Command::new(cargo)
        .args(["build", "--locked", "--release"])
        .args(["-p", "time-server", "-p", "time-client", "-p", "reactor-top", "-p", "irc-server"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace())
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("cargo could not build the programs: {status}")));
    }
    Ok(target.join("release"))
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where files go.
struct Place {
    directory: PathBuf,
}

impl Place {
    /// Writes a file, and says where.
    fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        self.put(path, 0o644, content)
    }

    /// Copies a program.
    fn copy(&self, from: &Path, path: &str) -> io::Result<()> {
        let program = fs::read(from)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", from.display())))?;
        self.put(path, 0o755, &program)
    }

    fn put(&self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let path = self.directory.join(path);
        let explained =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(explained)?;
        }
        // Made beside it and moved: a program that runs cannot be written to.
        let beside = path.with_extension("new");
        let made = fs::write(&beside, content)
            .and_then(|()| fs::set_permissions(&beside, Permissions::from_mode(mode)))
            .and_then(|()| fs::rename(&beside, &path));
        made.map_err(explained)?;
        println!("{}", path.display());
        Ok(())
    }
}
