//! `time-server`'s page in a real browser, as a person uses it.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::apps::binaries::binary;
use crate::apps::browser::{ARROW_UP, Browser, ENTER};
use crate::apps::program::Program;
use crate::apps::server::Server;
use crate::apps::stamps::is_stamped;
use crate::protocols::tls::Authority;

/// The page of a server with these options, once it is connected.
#[track_caller]
fn open(server: &Server, test: &str) -> Option<Browser> {
    let mut browser = Browser::open(&format!("http://{}/", server.address()), &[], test)?;
    connected(&mut browser);
    Some(browser)
}

#[track_caller]
fn connected(browser: &mut Browser) {
    browser.wait("return document.querySelector('[role=status]').textContent === 'Connected' && !send.disabled");
}

/// Waits for as many answers, and returns what was said and answered: an array a line.
#[track_caller]
fn conversation(browser: &mut Browser, length: usize) -> Value {
    browser.wait(&format!("return document.querySelectorAll('.answer .text').length === {length}"));
    browser.value(
        "const text = (turn, part) => turn.querySelector(part)?.textContent;
         return [...document.querySelectorAll('.turn:not(.note)')].map((turn) => [
             text(turn, '.said'), '[' + text(turn, '.stamp') + '] ' + text(turn, '.text')])",
    )
}

#[test]
fn each_line_is_shown_with_its_answer_and_hostile_text_as_text() {
    let test = "each_line_is_shown_with_its_answer_and_hostile_text_as_text";
    let server = Server::start("--web 127.0.0.1:0");
    let Some(mut browser) = open(&server, test) else { return };
    let hostile = "<img src=x onerror=\"document.title='taken'\"> <b>bold</b>";
    for line in ["hello", hostile, "", "turned \u{202e}gnp.exe"] {
        browser.type_into("#line", &format!("{line}{ENTER}"));
    }
    let turns = conversation(&mut browser, 4);
    let shown = ["hello", hostile, "empty line", "turned U+202Egnp.exe"];
    for (turn, line) in turns.as_array().unwrap().iter().zip(shown) {
        assert_eq!(turn[0], format!("You: {line}"));
        assert!(is_stamped(turn[1].as_str().unwrap(), line), "{turn}");
    }
    assert_eq!(
        browser.value("return [document.title, document.querySelectorAll('b, img').length]"),
        json!(["Time server", 0])
    );
    // What was said comes back by the arrow, and keeps what was begun.
    browser.type_into("#line", &format!("begun{ARROW_UP}{ARROW_UP}"));
    assert_eq!(browser.value("return line.value"), hostile);
    // All that the policy forbids, and every error in the script, would be told.
    assert_eq!(browser.complaints(), json!([]));
    browser.close();
}

#[test]
fn the_clock_runs_by_the_stamps_and_the_chart_has_a_bar_for_each_answer() {
    let test = "the_clock_runs_by_the_stamps_and_the_chart_has_a_bar_for_each_answer";
    for options in ["--iso", "--utc"] {
        let mut command = Command::new(binary("time-server"));
        command.args(["--web", "127.0.0.1:0", options]).env("TZ", "EAST-5:30");
        let server = Server::start_as(&mut command);
        let Some(mut browser) = open(&server, test) else { return };
        let first = browser.wait("return document.querySelector('time').dateTime");
        browser.wait(&format!("return document.querySelector('time').dateTime > {first}"));
        let minutes = if options == "--iso" { 330 } else { 0 };
        let off = browser.value(&format!(
            "return Date.parse(document.querySelector('time').dateTime + 'Z') - (Date.now() + {minutes} * 60_000)"
        ));
        // A second for what is not shown of the time; the rest for what happens between two lines of the script above.
        assert!(off.as_f64().unwrap().abs() < 10_000., "{off} ms");
        for line in ["one", "two", "three"] {
            browser.type_into("#line", &format!("{line}{ENTER}"));
        }
        conversation(&mut browser, 3);
        assert_eq!(browser.value("return document.querySelectorAll('.latency rect').length"), 3);
        let label = browser.value("return document.querySelector('.latency svg').getAttribute('aria-label')");
        assert!(label.as_str().unwrap().starts_with("Latency of the last 3 answers: latest "), "{label}");
        browser.close();
    }
}

#[test]
fn it_connects_again_by_itself_when_the_server_was_restarted() {
    let test = "it_connects_again_by_itself_when_the_server_was_restarted";
    let server = Server::start("--web 127.0.0.1:0");
    let Some(mut browser) = open(&server, test) else { return };
    browser.type_into("#line", &format!("before{ENTER}"));
    conversation(&mut browser, 1);
    let address = server.address();
    server.program.signal(Signal::SIGKILL);
    browser
        .wait("return document.querySelector('[role=status]').textContent.startsWith('Connection lost. Next try in')");
    assert_eq!(
        browser.value("return [send.disabled, now.hidden, /^\\d+ s$/.test(left.textContent)]"),
        json!([true, false, true])
    );
    // The waits become longer.
    browser.wait("return failures >= 2");
    let _server = Server::start(&format!("--web {address}"));
    browser.click("#now");
    connected(&mut browser);
    browser.type_into("#line", &format!("after{ENTER}"));
    let turns = conversation(&mut browser, 2);
    assert!(is_stamped(turns[1][1].as_str().unwrap(), "after"), "{turns}");
    browser.close();
}

#[test]
fn what_was_not_answered_when_the_connection_was_lost_is_marked() {
    let test = "what_was_not_answered_when_the_connection_was_lost_is_marked";
    let server = Server::start("--web 127.0.0.1:0");
    let Some(mut browser) = open(&server, test) else { return };
    server.program.signal(Signal::SIGSTOP);
    browser.type_into("#line", &format!("lost{ENTER}"));
    browser.wait("return document.querySelector('.dots')");
    let address = server.address();
    server.program.signal(Signal::SIGKILL);
    browser.wait("return document.querySelector('.lost .answer')?.textContent.startsWith('not answered')");
    // Without anybody's help.
    let _server = Server::start(&format!("--web {address}"));
    connected(&mut browser);
    browser.close();
}

#[test]
fn it_fits_phones_and_desks_in_the_dark_and_in_the_light() {
    let test = "it_fits_phones_and_desks_in_the_dark_and_in_the_light";
    let server = Server::start("--web 127.0.0.1:0");
    let Some(mut browser) = open(&server, test) else { return };
    let long = "a_word_without_any_place_to_break_it_".repeat(20);
    browser.type_into("#line", &format!("{long}{ENTER}"));
    conversation(&mut browser, 1);
    let brightness =
        "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)";
    for (scheme, is_bright) in [("dark", false), ("light", true)] {
        browser.prefer("prefers-color-scheme", scheme);
        assert_eq!(browser.value(brightness).as_f64().unwrap() > 382., is_bright, "{scheme}");
        for (width, height) in [(320, 568), (390, 844), (1280, 800)] {
            browser.resize(width, height);
            let sizes = browser.value(
                "const edge = send.getBoundingClientRect();
                 return [document.documentElement.scrollWidth, log.scrollWidth - log.clientWidth,
                         edge.right <= innerWidth && edge.bottom <= innerHeight]",
            );
            assert_eq!(sizes, json!([width, 0, true]), "{width} x {height}");
        }
    }
    // The hands jump where motion is not wanted.
    let glides = "return getComputedStyle(document.querySelector('#second')).transitionDuration";
    browser.wait(&format!("{glides} !== '0s'"));
    browser.prefer("prefers-reduced-motion", "reduce");
    browser.wait(&format!("{glides} === '0s'"));
    browser.close();
}

#[test]
fn it_works_over_tls() {
    let test = "it_works_over_tls";
    let authority = Authority::new();
    authority.issue("server", &["localhost", "127.0.0.1"]);
    let path = |file: &str| authority.folder().join(file).display().to_string();
    let (chain, key) = (path("server.pem"), path("server.key"));
    let endpoint = format!("tls:0:interface=127.0.0.1:certificate={chain}:key={key}");
    let mut server = Program::app("time-server", ["--web", &endpoint]);
    let url = server.line_after("waiting for connection... web ");
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    // The browser trusts this key alone, by the hash of its public half.
    let hash = "openssl x509 -in \"$0\" -noout -pubkey | openssl pkey -pubin -outform der \
                | openssl dgst -sha256 -binary | base64";
    let Ok(output) = Command::new("sh").args(["-c", hash, &chain]).output() else { return };
    let pin = String::from_utf8(output.stdout).unwrap();
    let option = format!("--ignore-certificate-errors-spki-list={}", pin.trim());
    let Some(mut browser) = Browser::open(&url, &[option], test) else { return };
    connected(&mut browser);
    browser.type_into("#line", &format!("secret{ENTER}"));
    let turns = conversation(&mut browser, 1);
    assert!(is_stamped(turns[0][1].as_str().unwrap(), "secret"), "{turns}");
    assert_eq!(browser.value("return [location.protocol, isSecureContext]"), json!(["https:", true]));
    browser.close();
}
