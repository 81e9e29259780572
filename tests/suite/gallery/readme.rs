//! The instructions for newcomers: a separate crate with the lines for its `Cargo.toml` and the README's first program.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apps::net::{closed_port, connect, read};
use crate::apps::program::Program;
use crate::gallery::listening;
use crate::house::root;

/// The pages that newcomers begin with, and the crates that their programs need.
const PAGES: [(&str, &[&str]); 8] = [
    ("README.md", &["reactor", "protocols"]),
    ("docs/tutorial.md", &["reactor", "protocols"]),
    ("docs/guide/README.md", &["reactor", "protocols"]),
    ("docs/porting.md", &["reactor", "protocols"]),
    ("reactor/README.md", &["reactor"]),
    ("protocols/README.md", &["reactor", "protocols"]),
    ("reactor/src/lib.rs", &["reactor"]),
    ("protocols/src/lib.rs", &["reactor", "protocols"]),
];

#[test]
fn the_readmes_first_program_serves_in_a_crate_that_has_the_readmes_lines() {
    let readme = page("README.md");
    let (lines, program) = (block(&readme, "toml"), block(&readme, "rust"));
    // At a port that the system chooses: several tests may run at a time.
    let program = program.replace("127.0.0.1:8007", "127.0.0.1:0");
    let mut server = Program::start(&mut Command::new(build("newcomers-server", &lines, &program)));
    let mut client = connect(listening(&mut server));
    client.write_all(b"hello").unwrap();
    assert_eq!(read(&mut client, 5), b"hello");
}

#[test]
fn a_program_that_arranges_for_nothing_is_told_why_it_cannot_connect() {
    let (_socket, server) = closed_port();
    let program = format!(
        "struct Mute;
         impl reactor::Protocol for Mute {{ fn data_received(&mut self, _: &[u8]) {{}} }}
         fn main() -> std::io::Result<()> {{
             let reactor = reactor::Reactor::new()?;
             let connector = reactor.connect_tcp(\"{server}\", |_| Mute);
             let stopping = reactor.clone();
             reactor.call_every(std::time::Duration::from_millis(1), move |_| {{
                 if connector.failure_count() > 0 {{ stopping.stop(); }}
             }});
             reactor.run()
         }}"
    );
    let program = build("newcomers-client", &block(&page("README.md"), "toml"), &program);
    let ended = Program::start(&mut Command::new(program)).finish().with_code(0);
    assert_eq!(ended.stderr, format!("warning: cannot connect to {server}: connection refused\n"));
}

#[test]
fn every_page_for_newcomers_has_the_lines_and_says_whose_the_registrys_crates_are() {
    for (name, crates) in PAGES {
        let page = page(name).replace("//! ", "");
        for krate in crates {
            for line in
                [format!("{krate} = {{ path = \"../reactor/{krate}\" }}"), format!("{krate} = {{ git = \"ADDRESS\" }}")]
            {
                assert!(page.contains(&line), "{name} has no line {line}");
            }
        }
        assert!(
            page.contains("public registry") && page.contains("cargo add"),
            "{name} does not warn of the registry's crates"
        );
    }
}

#[test]
fn a_package_has_its_readme_and_the_licences_and_names_no_file_outside_it() {
    for package in ["reactor", "protocols"] {
        let list = Command::new(env!("CARGO"))
            .args(["package", "--list", "--allow-dirty", "--offline", "--locked", "-p", package])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
        let list = String::from_utf8(list.stdout).unwrap();
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(list.lines().any(|line| line == file), "{package} is packaged without {file}");
        }
        let readme = page(&format!("{package}/README.md"));
        let relative = readme.split("](").skip(1).find(|target| !target.starts_with("https://"));
        assert_eq!(relative, None, "a link of {package}'s README leads nowhere on a page of the registry");
        let front = page(&format!("{package}/src/lib.rs"));
        assert!(!front.contains("../../"), "{package} includes a file that is not packaged");
    }
}

/// Builds a crate of this name that is in no workspace, beside a clone, and returns its program. It stays where it is, and
/// shares the workspace's target directory, so that almost nothing is built twice.
fn build(name: &str, dependencies: &str, program: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let here = target.join("newcomer");
    let package = here.join(name);
    fs::create_dir_all(package.join("src")).unwrap();
    // Another test may have been first.
    let _ = symlink(root(), here.join("reactor"));
    // The last table is for this place alone, which is below the workspace.
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{dependencies}\n[workspace]\n"
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::write(package.join("src/main.rs"), program).unwrap();
    // What the workspace is tested with, and is there without a network.
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "--target-dir"])
        .arg(target)
        // The workspace's profile.
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .current_dir(&package)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug").join(name)
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// What the first block in this language says.
fn block(page: &str, language: &str) -> String {
    let (_, rest) = page.split_once(&format!("```{language}")).unwrap_or_else(|| panic!("there is no {language}"));
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}
