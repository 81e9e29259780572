//! `irc-server`'s page in a real browser, as people chat by it.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::apps::browser::{Browser, ENTER};
use crate::apps::irc::{IrcServer, plain, secure, user};

/// A server with the page, and the address of that.
#[track_caller]
fn serve(folder: &TempDir, web: &str) -> (IrcServer, String) {
    let server = IrcServer::start(folder, &["--web", web]);
    let address = server.printed.strip_prefix("listening on http://").unwrap().to_owned();
    (server, address)
}

/// Somebody who has come to `#lobby` by the page.
#[track_caller]
fn enter(address: &str, nick: &str, test: &str) -> Option<Browser> {
    let mut browser = Browser::open(&format!("http://{address}/"), &[], test)?;
    browser.type_into("#nick", &format!("{nick}{ENTER}"));
    joined(&mut browser);
    Some(browser)
}

#[track_caller]
fn joined(browser: &mut Browser) {
    browser.wait("return ready && current.name === '#lobby' && current.joined && current.synced");
}

#[track_caller]
fn say(browser: &mut Browser, line: &str) {
    browser.type_into("#line", &format!("{line}{ENTER}"));
}

/// What is shown of what was said, once there is a line that ends like this and none waits for its echo.
#[track_caller]
fn said(browser: &mut Browser, last: &str) -> Value {
    let said = "[...current.log.querySelectorAll('.line')].filter((line) => line.querySelector('.nick'))
        .map((line) => line.querySelector('.said').textContent)";
    browser.wait(&format!(
        "return {said}.some((line) => line.endsWith({})) && !current.log.querySelector('.waits')",
        json!(last)
    ));
    browser.value(&format!("return {said}"))
}

#[test]
fn people_talk_by_the_page_and_hostile_text_stays_text() {
    let test = "people_talk_by_the_page_and_hostile_text_stays_text";
    let folder = tempdir().unwrap();
    let (server, address) = serve(&folder, "localhost:0");
    let Some(mut ann) = enter(&address, "ann", test) else { return };
    let Some(mut bob) = enter(&address, "bob", test) else { return };
    let mut old = user(server.plain, "carl");
    old.ask("JOIN #lobby", " 366 ");
    let hostile = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">";
    say(&mut ann, hostile);
    old.until(hostile);
    old.send("PRIVMSG #lobby :\u{2}bold\u{2} \u{3}04,01red\u{f} turned \u{202e}gnp.exe \u{7}");
    old.send("PRIVMSG #lobby :see https://example.org/a?b=c. javascript:alert(1)");
    let long = "word".repeat(100);
    old.send(&format!("PRIVMSG #lobby :{long}"));
    old.send("PRIVMSG #lobby :\u{1}ACTION waves\u{1}");
    old.send("PRIVMSG #lobby :bob: the end");
    let lines = json!([
        format!("ann: {hostile}"),
        "carl: bold red turned U+202Egnp.exe U+0007",
        "carl: see https://example.org/a?b=c. javascript:alert(1)",
        format!("carl: {long}"),
        "* carl waves",
        "carl: bob: the end"
    ]);
    for browser in [&mut ann, &mut bob] {
        assert_eq!(said(browser, "the end"), lines);
        let links = browser.value("return [...document.querySelectorAll('.log a')].map((a) => [a.href, a.rel])");
        assert_eq!(links, json!([["https://example.org/a?b=c", "noopener noreferrer"]]));
        let made = browser.value("return document.querySelectorAll('.log img, .log script').length");
        assert_eq!(made, 0);
        assert_eq!(browser.value("return document.querySelector('.log strong').textContent"), "bold");
        assert_eq!(browser.value("return current.log.scrollWidth <= current.log.clientWidth"), true);
        assert_eq!(
            browser.value("return [...document.querySelectorAll('#who li')].map((item) => item.textContent)"),
            json!(["@ann", "bob", "carl"])
        );
    }
    assert_eq!(bob.value("return document.querySelectorAll('.mention').length"), 1);
    // What is typed is told, and what is said to one alone is a conversation of its own.
    ann.type_into("#line", "hm");
    bob.wait("return document.querySelector('#typing').textContent === 'ann is typing…'");
    ann.type_into("#line", &"\u{e003}".repeat(2));
    bob.wait("return document.querySelector('#typing').textContent === ''");
    say(&mut ann, "/topic of \u{201c}chat\u{201d}");
    old.until("TOPIC #lobby");
    bob.wait("return topic.textContent === 'of \u{201c}chat\u{201d}'");
    say(&mut ann, "/msg bob psst");
    bob.wait("return [...document.querySelectorAll('nav button')].at(-1).textContent === 'ann1'");
    assert_eq!(bob.value("return document.title"), "(1) #lobby · LocalNet");
    say(&mut ann, "/nick anna");
    bob.wait("return current.members.has('anna')");
    say(&mut ann, "/nonsense");
    ann.wait("return current.log.textContent.includes('There is no /nonsense')");
    say(&mut bob, "/part");
    old.until("PART #lobby");
    // All that the policy forbids, and every error in the script, would be told.
    for browser in [&mut ann, &mut bob] {
        assert_eq!(browser.complaints(), json!([]));
    }
    ann.close();
    bob.close();
}

#[test]
fn a_server_that_is_killed_loses_and_doubles_no_line_of_the_page() {
    let test = "a_server_that_is_killed_loses_and_doubles_no_line_of_the_page";
    let folder = tempdir().unwrap();
    let (server, address) = serve(&folder, "localhost:0");
    let Some(mut ann) = enter(&address, "ann", test) else { return };
    say(&mut ann, "before");
    said(&mut ann, "before");
    // Lines that are under way when the server is killed: it has read none, some or all of them.
    server.program.signal(Signal::SIGSTOP);
    for number in 0..5 {
        say(&mut ann, &format!("meanwhile {number}"));
    }
    assert_eq!(ann.value("return current.log.querySelectorAll('.waits').length"), 5);
    server.program.signal(Signal::SIGCONT);
    server.program.signal(Signal::SIGKILL);
    server.program.finish();
    ann.wait("return !ready");
    say(&mut ann, "without a server");
    let (server, _) = serve(&folder, &address);
    // Others have come and talked before the page is back.
    let mut bob = user(server.plain, "bob");
    bob.ask("JOIN #lobby", " 366 ");
    bob.ask("PRIVMSG #lobby :hello", ":hello");
    joined(&mut ann);
    say(&mut ann, "after");
    let shown = said(&mut ann, "after");
    let mut expected: Vec<_> = (0..5).map(|number| format!("ann: meanwhile {number}")).collect();
    expected.insert(0, "ann: before".into());
    expected.extend(["ann: without a server", "bob: hello", "ann: after"].map(String::from));
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    let shown: Vec<String> = serde_json::from_value(shown).unwrap();
    assert_eq!(sorted(&shown), sorted(&expected));
    let own = |lines: &[String]| lines.iter().filter(|line| line.starts_with("ann")).cloned().collect::<Vec<_>>();
    assert_eq!(own(&shown), own(&expected), "its own lines stay in their order");
    // What the server has kept is the same.
    let Some(mut carl) = enter(&address, "carl", test) else { return };
    assert_eq!(json!(shown), said(&mut carl, "after"));
    ann.close();
    carl.close();
}

#[test]
fn an_echo_that_was_lost_with_its_server_is_found_in_the_history() {
    let test = "an_echo_that_was_lost_with_its_server_is_found_in_the_history";
    let folder = tempdir().unwrap();
    let (server, address) = serve(&folder, "localhost:0");
    let Some(mut ann) = enter(&address, "ann", test) else { return };
    let mut bob = user(server.plain, "bob");
    bob.ask("JOIN #lobby", " 366 ");
    // The page is deaf to the echo.
    ann.value("socket.onmessage = null");
    say(&mut ann, "heard by all");
    bob.until(":heard by all");
    bob.ask("CHATHISTORY LATEST #lobby * 10", ":heard by all");
    assert_eq!(ann.value("return waiting.size"), 1);
    server.program.signal(Signal::SIGKILL);
    server.program.finish();
    let (_server, _) = serve(&folder, &address);
    ann.wait("return !ready");
    joined(&mut ann);
    say(&mut ann, "after");
    assert_eq!(said(&mut ann, "after"), json!(["ann: heard by all", "ann: after"]));
    let Some(mut carl) = enter(&address, "carl", test) else { return };
    assert_eq!(said(&mut carl, "after"), json!(["ann: heard by all", "ann: after"]));
    ann.close();
    carl.close();
}

#[test]
fn what_was_said_before_is_there_and_more_of_it_by_scrolling_up() {
    let test = "what_was_said_before_is_there_and_more_of_it_by_scrolling_up";
    let folder = tempdir().unwrap();
    let config = folder.path().join("irc.toml");
    fs::write(&config, "[flood]\ninterval = \"0s\"\n").unwrap();
    let server = IrcServer::start(&folder, &["--web", "localhost:0", "--config", config.to_str().unwrap()]);
    let address = server.printed.strip_prefix("listening on http://").unwrap();
    let mut bob = user(server.plain, "bob");
    bob.ask("JOIN #lobby", " 366 ");
    for number in 0..120 {
        bob.ask(&format!("PRIVMSG #lobby :line {number}."), &format!(":line {number}."));
    }
    let Some(mut ann) = enter(address, "ann", test) else { return };
    let lines = |from: u32| (from..120).map(|number| format!("bob: line {number}.")).collect::<Vec<_>>();
    assert_eq!(said(&mut ann, "line 119."), json!(lines(70)));
    for from in [20, 0] {
        ann.value("current.log.scrollTop = 0");
        assert_eq!(said(&mut ann, &format!("line {from}.")), json!(lines(from)));
        assert!(ann.value("return current.log.scrollTop").as_f64().unwrap() > 100., "what was read stays in its place");
    }
    ann.wait("return current.whole");
    ann.close();
}

#[test]
fn it_logs_in_by_a_password_and_says_what_is_wrong() {
    let test = "it_logs_in_by_a_password_and_says_what_is_wrong";
    let folder = tempdir().unwrap();
    let (server, address) = serve(&folder, "localhost:0");
    user(server.plain, "ann").ask("NS REGISTER sesame-open", "is yours");
    let Some(mut ann) = Browser::open(&format!("http://{address}/"), &[], test) else { return };
    for (password, answer) in [("", "reserved"), ("wrong-one", "failed")] {
        ann.type_into("#password", password);
        if password.is_empty() {
            ann.type_into("#nick", "ann");
        }
        ann.type_into("#nick", ENTER);
        ann.wait(&format!("return !wrong.hidden && wrong.textContent.includes('{answer}') && !enter.hidden"));
    }
    ann.type_into("#password", &format!("sesame-open{ENTER}"));
    joined(&mut ann);
    assert_eq!(ann.value("return me"), "ann");
    ann.close();
}

#[test]
fn the_page_is_one_file_that_its_own_policy_allows() {
    let page = include_str!("../../../apps/irc-server/src/web/page.html");
    for element in ["style", "script"] {
        assert_eq!(page.matches(&format!("<{element}")).count(), page.matches(&format!("<{element}>")).count());
    }
    // The name of a namespace is not fetched.
    let rest = page.replace("http://www.w3.org/2000/svg", "");
    for word in ["http://", "src=", "@import", "url(", "innerHTML", " style=", " onclick="] {
        assert!(!rest.contains(word), "{word}");
    }
}

#[test]
fn the_page_is_there_by_tls_for_the_names_and_web_sockets_for_the_origins_that_settings_have() {
    let folder = tempdir().unwrap();
    let listen = "[listen]\nweb = [\"localhost:0\"]\nweb-tls = [\"localhost:0\"]\nweb-hosts = [\"chat\"]\n\
                  web-origins = [\"https://friend\"]\n";
    let config = folder.path().join("irc.toml");
    fs::write(&config, listen).unwrap();
    let mut server = IrcServer::start(&folder, &["--config", config.to_str().unwrap()]);
    let web = server.printed.strip_prefix("listening on http://").unwrap().parse().unwrap();
    let tls = server.program.line_after("listening on https://").parse().unwrap();
    let own = folder.path().join("irc-server.pem");
    secure(tls, &own, None).ask("GET / HTTP/1.1\r\nHost: chat\r\n", "<title>Chat</title>");
    let socket = |origin: &str| {
        format!(
            "GET /socket HTTP/1.1\r\nHost: chat\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: {origin}\r\n"
        )
    };
    for (request, answer) in [
        ("GET / HTTP/1.1\r\nHost: chat:80\r\n", "HTTP/1.1 200 "),
        ("GET / HTTP/1.1\r\nHost: elsewhere\r\n", "HTTP/1.1 421 "),
        (&socket("http://chat"), "HTTP/1.1 101 "),
        (&socket("https://friend"), "HTTP/1.1 101 "),
        (&socket("https://elsewhere"), "HTTP/1.1 403 "),
    ] {
        plain(web).ask(request, answer);
    }
}

#[test]
fn it_fits_phones_and_desks_in_the_dark_and_in_the_light() {
    let test = "it_fits_phones_and_desks_in_the_dark_and_in_the_light";
    let folder = tempdir().unwrap();
    let (_server, address) = serve(&folder, "localhost:0");
    let Some(mut ann) = enter(&address, "ann", test) else { return };
    let long = "a_word_without_any_place_to_break_it_".repeat(9);
    say(&mut ann, &long);
    said(&mut ann, &long);
    let brightness =
        "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)";
    for (scheme, is_bright) in [("dark", false), ("light", true)] {
        ann.prefer("prefers-color-scheme", scheme);
        assert_eq!(ann.value(brightness).as_f64().unwrap() > 382., is_bright, "{scheme}");
        for (width, height) in [(320, 568), (390, 844), (1280, 800)] {
            ann.resize(width, height);
            let sizes = ann.value(
                "const edge = document.querySelector('main form button').getBoundingClientRect();
                 const log = current.log;
                 return [document.documentElement.scrollWidth, log.scrollWidth - log.clientWidth,
                         edge.right <= innerWidth && edge.bottom <= innerHeight]",
            );
            assert_eq!(sizes, json!([width, 0, true]), "{width} x {height}");
            let people = "return getComputedStyle(who).display !== 'none'";
            if width < 500 {
                assert_eq!(ann.value(people), false);
                ann.click("#people");
                assert_eq!(ann.value(people), true);
                ann.click("#people");
            }
        }
    }
    ann.close();
}
