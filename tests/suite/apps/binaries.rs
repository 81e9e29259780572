//! The apps and the examples, built once.

use std::collections::HashMap;
use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

type Binaries = OnceLock<HashMap<String, PathBuf>>;

/// Where `name`, one of the apps or what installs them, was built.
pub(crate) fn binary(name: &str) -> &'static PathBuf {
    static APPS: Binaries = OnceLock::new();
    find(
        &APPS,
        &["--bin=time-server", "--bin=time-client", "--bin=reactor-top", "--bin=irc-server", "--bin=install"],
        name,
    )
}

/// Where `name`, one of the examples, was built.
pub(crate) fn example(name: &str) -> &'static PathBuf {
    static EXAMPLES: Binaries = OnceLock::new();
    find(&EXAMPLES, &["--examples"], name)
}

fn find(binaries: &'static Binaries, targets: &[&str], name: &str) -> &'static PathBuf {
    binaries.get_or_init(|| build(targets)).get(name).unwrap_or_else(|| panic!("cargo built no {name}"))
}

/// Cargo builds no binaries of other packages for a test, so it is asked to here: with the profile and into the
/// directory of the running test, and with the whole workspace's features, so that what `cargo test --workspace` has
/// compiled does not have to be compiled again.
fn build(targets: &[&str]) -> HashMap<String, PathBuf> {
    let test = env::current_exe().expect("the path of the running test");
    // TARGET/PROFILE/deps/suite-0123456789abcdef
    let profile_directory = test.ancestors().nth(2).expect("the directory of the profile");
    let profile = match profile_directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(profile) => profile,
        None => panic!("{} is in no profile's directory", test.display()),
    };
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--workspace"])
        .args(targets)
        .args(["--profile", profile, "--message-format=json-render-diagnostics"])
        .arg("--target-dir")
        .arg(profile_directory.parent().expect("the target directory"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo to run");
    assert!(output.status.success(), "cargo cannot build {targets:?}: {}", output.status);
    output.stdout.split(|byte| *byte == b'\n').filter_map(executable).collect()
}

/// The name and the path in one of cargo's messages, if it is about an executable.
fn executable(message: &[u8]) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_slice(message).ok()?;
    let path = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), path.into()))
}
