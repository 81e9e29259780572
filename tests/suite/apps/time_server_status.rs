//! `time-server`'s page about itself in a real browser.

use std::io::Write as _;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::apps::binaries::binary;
use crate::apps::browser::{Browser, ENTER};
use crate::apps::net;
use crate::apps::program::hearing_signals;
use crate::apps::server::Server;

const CARDS: &str = "[...document.querySelectorAll('.chart')].map((card) =>
    [card.querySelector('h2').textContent, card.querySelector('.now').firstChild.textContent])";

#[test]
fn it_shows_what_the_server_does_now_and_connects_again() {
    let test = "it_shows_what_the_server_does_now_and_connects_again";
    let options = ["--tcp", "127.0.0.1:0", "--web", "127.0.0.1:0", "--threads", "2"];
    let server = Server::start_as(hearing_signals(binary("time-server")).args(options));
    let [tcp, web] = server.addresses[..] else { panic!("{:?}", server.addresses) };
    let mut clients: Vec<_> = (0..5).map(|_| net::connect(tcp)).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
        net::read(client, 1);
    }
    let Some(mut browser) = Browser::open(&format!("http://{web}/status"), &[], test) else { return };
    // Rates need two reports.
    browser.wait(&format!("return {CARDS}.every(([, now]) => now !== '–')"));
    let cards = browser.value(&format!("return Object.fromEntries({CARDS})"));
    // The clients, the socket, and perhaps what has loaded the page.
    let connections: u32 = cards["Connections"].as_str().unwrap().parse().unwrap();
    assert!((6..12).contains(&connections), "{cards}");
    let totals = "Object.fromEntries([...document.querySelectorAll('dl div')].map((row) =>
        [row.querySelector('dt').textContent, row.querySelector('dd').textContent]))";
    let totals = browser.value(&format!("return {totals}"));
    assert_eq!([&totals["Messages"], &totals["Bytes received"], &totals["Threads"]], ["5", "25 B", "2"]);
    let labels = browser.value("return [...document.querySelectorAll('svg')].map((chart) => chart.ariaLabel)");
    assert!(labels[0].as_str().unwrap().starts_with("Connections of the last "), "{labels}");
    // By the keyboard alone: the second of what can be reached.
    browser.value("document.querySelector('a').focus()");
    browser.type_into("a", "\u{e004}");
    assert_eq!(browser.value("return document.activeElement.id"), "pause");
    browser.type_into("#pause", ENTER);
    assert_eq!(
        browser.value("return [pause.ariaPressed, document.querySelector('[role=status]').textContent]"),
        json!(["true", "Paused"])
    );
    let drawn = "return document.querySelector('svg').ariaLabel";
    let (before, reports) = (browser.value(drawn), browser.value("return charts[0].values.length"));
    browser.wait(&format!("return charts[0].values.length > {reports} + 1"));
    assert_eq!(browser.value(drawn), before, "it is paused");
    browser.type_into("#pause", ENTER);
    assert_ne!(browser.value(drawn), before);
    assert_eq!(browser.complaints(), json!([]));

    server.program.signal(Signal::SIGKILL);
    browser.wait("return document.querySelector('[role=status]').textContent === 'No connection, trying again'");
    let _server = Server::start(&format!("--web {web}"));
    browser.wait("return document.querySelector('[role=status]').textContent === 'Live'");
    browser.close();
}

#[test]
fn it_fits_phones_and_desks_in_the_dark_and_in_the_light() {
    let test = "it_fits_phones_and_desks_in_the_dark_and_in_the_light";
    let server = Server::start_as(Command::new(binary("time-server")).args(["--web", "127.0.0.1:0"]));
    let url = format!("http://{}/status", server.address());
    let Some(mut browser) = Browser::open(&url, &[], test) else { return };
    browser.wait(&format!("return {CARDS}.every(([, now]) => now !== '–')"));
    let brightness =
        "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)";
    for (scheme, is_bright) in [("dark", false), ("light", true)] {
        browser.prefer("prefers-color-scheme", scheme);
        assert_eq!(browser.value(brightness).as_f64().unwrap() > 382., is_bright, "{scheme}");
        for (width, height) in [(320, 568), (380, 844), (1280, 800)] {
            browser.resize(width, height);
            let sizes = browser.value(
                "const spill = [...document.querySelectorAll('.card, .card *')].filter((part) => part.scrollWidth > part.clientWidth + 1 && part.clientWidth);
                 return [document.documentElement.scrollWidth, spill.map((part) => part.textContent)]",
            );
            assert_eq!(sizes, json!([width, []]), "{width} x {height}");
        }
    }
    // Those who want little motion get a new picture less often.
    browser.prefer("prefers-reduced-motion", "reduce");
    browser.value("last.at = -9; drawn = performance.now(); before = document.querySelector('svg').ariaLabel");
    let reports = browser.value("return charts[0].values.length");
    browser.wait(&format!("return charts[0].values.length > {reports}"));
    assert_eq!(browser.value("return document.querySelector('svg').ariaLabel === before"), true);
    browser.close();
}
