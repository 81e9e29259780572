use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use crate::apps::binaries::example;
use crate::apps::program::Program;
use crate::support::{connect_unix, fresh_path};

#[test]
fn another_process_reads_from_the_file_that_it_is_handed() {
    let (folder, socket) = fresh_path();
    let file = folder.path().join("file");
    fs::write(&file, "x".repeat(70) + "0123456789abcdef").unwrap();
    let mut server = Program::example("send_fd", [&socket, &file]);
    server.line_after("listening on ");
    let ended = Program::example("receive_fd", [&socket]).finish().with_code(0);
    let expected =
        format!("Received {} from the server.\nFirst 80 bytes are:\n{}0123456789\n", file.display(), "x".repeat(70));
    assert_eq!(ended.stdout, expected);
    assert!(server.line().starts_with("connection lost: "));
    assert_eq!(Program::example("receive_fd", [folder.path().join("nothing")]).finish().status.code(), Some(1));
    let ended = Program::example("send_fd", [socket, folder.path().join("nothing")]).finish().with_code(1);
    assert!(ended.stderr.contains("NotFound"), "{}", ended.stderr);
}

#[test]
fn the_mail_filter_tells_when_it_is_ready_judges_messages_and_ends_with_its_input() {
    let (folder, socket) = fresh_path();
    let (message, control) = (folder.path().join("message"), folder.path().join("control"));
    fs::write(&message, "From: me\nTo: you\n\nHello!\n").unwrap();
    fs::write(&control, "no header").unwrap();
    // Its standard output is /dev/null: the stream read here ends when descriptor 3 is closed.
    let mut filter = Command::new("sh")
        .args(["-c", r#"exec "$0" "$1" 3>&1 >/dev/null"#])
        .arg(example("mail_filter"))
        .arg(&socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = Vec::new();
    filter.stdout.take().unwrap().read_to_end(&mut ready).unwrap();
    assert_eq!(ready, b"");

    let mut courier = BufReader::new(connect_unix(&socket));
    for (first, answer) in [(&message, "200 Ok"), (&control, "435 mail_filter processing error")] {
        write!(courier.get_mut(), "{}\n{}\n\n", first.display(), control.display()).unwrap();
        let mut line = String::new();
        courier.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{answer}\n"));
    }
    writeln!(courier.get_mut()).unwrap();
    assert_eq!(courier.read_line(&mut String::new()).unwrap(), 0);

    drop(filter.stdin.take());
    assert!(filter.wait().unwrap().success());
    assert!(!socket.exists());
}
