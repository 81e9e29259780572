//! Names, masks, modes, CTCP and what servers support.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::irc::{
    CaseMapping, Ctcp, Message, ModeChanges, ModeKind, ModeKinds, ServerSupport, is_host_name, low_dequote, low_quote,
    mask_matches,
};

#[test]
fn masks_match_as_the_public_tests_say() {
    for (mask, matches, fails) in [
        (
            "*@127.0.0.1",
            &["coolguy!ab@127.0.0.1", "cooldud3!~bc@127.0.0.1"][..],
            &["coolguy!ab@127.0.0.5", "cooldud3!~d@124.0.0.1"][..],
        ),
        (
            "cool*@*",
            &["coolguy!ab@127.0.0.1", "cooldud3!~bc@127.0.0.1", "cool132!ab@example.com"],
            &["koolguy!ab@127.0.0.5", "cooodud3!~d@124.0.0.1"],
        ),
        (
            "cool!*@*",
            &["cool!guyab@127.0.0.1", "cool!~dudebc@127.0.0.1", "cool!312ab@example.com"],
            &["coolguy!ab@127.0.0.1", "cooldud3!~bc@127.0.0.1", "koolguy!ab@127.0.0.5", "cooodud3!~d@124.0.0.1"],
        ),
        ("cool!?username@*", &["cool!ausername@127.0.0.1", "cool!~username@127.0.0.1"], &["cool!username@127.0.0.1"]),
        ("cool!a?*@*", &["cool!ab@127.0.0.1", "cool!abc@127.0.0.1"], &["cool!a@127.0.0.1"]),
        (
            "cool[guy]!*@*",
            &["cool[guy]!guy@127.0.0.1", "cool[guy]!a@example.com"],
            &["coolg!ab@127.0.0.1", "cool[!ac@127.0.1.1"],
        ),
    ] {
        let is_match = |text: &&str| mask_matches(mask.as_bytes(), text.as_bytes(), CaseMapping::Rfc1459);
        assert!(matches.iter().all(is_match), "{mask}");
        assert!(!fails.iter().any(is_match), "{mask}");
    }
}

#[test]
fn a_backslash_makes_wildcards_plain_and_is_itself_elsewhere() {
    let is_match = |mask: &str, text: &str| mask_matches(mask.as_bytes(), text.as_bytes(), CaseMapping::Ascii);
    assert!(is_match(r"a\*b\?", "a*b?") && !is_match(r"a\*b", "axb") && !is_match(r"a\?", "ab"));
    assert!(is_match(r"a\b", r"a\b") && is_match("a\\", "a\\") && is_match(r"\\", r"\\"));
}

#[test]
fn a_mask_that_would_make_others_backtrack_is_answered_at_once() {
    // By backtracking each of these takes more steps than there is time.
    let text = vec![b'a'; 100_000];
    for mask in ["*a".repeat(60) + "b", "*a?".repeat(60) + "b", "?*".repeat(100) + "b"] {
        assert!(!mask_matches(mask.as_bytes(), &text, CaseMapping::Ascii));
    }
}

/// What a mask means, by its definition.
fn matches_by_definition(mask: &[u8], text: &[u8]) -> bool {
    match (mask, text) {
        ([], text) => text.is_empty(),
        ([b'*', mask @ ..], _) => (0..=text.len()).any(|skipped| matches_by_definition(mask, &text[skipped..])),
        ([b'\\', escaped @ (b'*' | b'?'), mask @ ..], [first, text @ ..]) => {
            escaped == first && matches_by_definition(mask, text)
        }
        ([b'?', mask @ ..], [_, text @ ..]) => matches_by_definition(mask, text),
        ([byte, mask @ ..], [first, text @ ..]) => byte == first && matches_by_definition(mask, text),
        (_, []) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_mask_matches_what_its_definition_says(mask in "[ab*?\\\\]{0,8}", text in "[ab*?\\\\]{0,8}") {
        let by_definition = matches_by_definition(mask.as_bytes(), text.as_bytes());
        prop_assert_eq!(mask_matches(mask.as_bytes(), text.as_bytes(), CaseMapping::Ascii), by_definition);
    }

    #[test]
    fn so_does_one_of_several_blocks(
        // A text, and its mask: each part is one of the text, any byte, or a star for some.
        parts in vec((prop_oneof![Just(0), Just(1), 2..6_usize], "[ab]"), 0..200),
        change in any::<Option<prop::sample::Index>>(),
    ) {
        let mask: String = parts.iter().map(|(kind, byte)| match kind { 0 => byte, 1 => "?", _ => "*" }).collect();
        let mut text: Vec<u8> =
            parts.iter().flat_map(|(kind, byte)| byte.repeat(if *kind < 2 { 1 } else { kind - 2 }).into_bytes()).collect();
        prop_assert!(mask_matches(mask.as_bytes(), &text, CaseMapping::Ascii));
        if let Some(change) = change.filter(|_| !mask.contains('*') && !text.is_empty()) {
            let at = change.index(text.len());
            text[at] = b'c';
            let is_any = mask.as_bytes()[at] == b'?';
            prop_assert_eq!(mask_matches(mask.as_bytes(), &text, CaseMapping::Ascii), is_any);
        }
        text.push(b'c');
        let ends_with_star = mask.ends_with('*');
        prop_assert_eq!(mask_matches(mask.as_bytes(), &text, CaseMapping::Ascii), ends_with_star || may_end(&mask, &text));
    }
}

/// Whether the end of a mask, all that stands behind its last star, can end with a `c` that was put behind the text.
fn may_end(mask: &str, text: &[u8]) -> bool {
    let Some((_, end)) = mask.rsplit_once('*') else { return false };
    end.ends_with('?') && mask_matches(mask.as_bytes(), text, CaseMapping::Ascii)
}

#[test]
fn names_of_hosts_are_as_the_public_tests_say() {
    for name in [
        "irc.example.com",
        "i.coolguy.net",
        "irc-srv.net.uk",
        "iRC.CooLguY.NeT",
        "gsf.ds342.co.uk",
        "324.net.uk",
        "xn--bcher-kva.ch",
        "services.",
    ] {
        assert!(is_host_name(name.as_bytes()), "{name}");
    }
    for name in [
        "-lol-.net.uk",
        "-lol.net.uk",
        "_irc._sctp.lol.net.uk",
        "irc",
        "com",
        "",
        " ",
        "example. net",
        "ex ample.org",
        " example.org",
        "example.org ",
        // Theirs end here.
        ".",
        "..",
        "a..b",
        ".a",
        "irc.bücher.ch",
    ] {
        assert!(!is_host_name(name.as_bytes()), "{name}");
    }
    assert!(is_host_name(format!("{}.a", "x".repeat(63)).as_bytes()));
    assert!(!is_host_name(format!("{}.a", "x".repeat(64)).as_bytes()));
    assert!(!is_host_name("a.".repeat(127).as_bytes()));
}

#[test]
fn each_case_mapping_has_its_pairs() {
    for (mapping, pairs) in
        [(CaseMapping::Ascii, ""), (CaseMapping::Rfc1459, "[{]}\\|^~"), (CaseMapping::Rfc1459Strict, "[{]}\\|")]
    {
        let pairs: Vec<_> = pairs.as_bytes().chunks(2).map(|pair| (pair[0], pair[1])).collect();
        for upper in 0..=255 {
            let lower = match pairs.iter().find(|(pair, _)| *pair == upper) {
                Some((_, lower)) => *lower,
                None => upper.to_ascii_lowercase(),
            };
            assert_eq!(*mapping.fold(&[b'x', upper]), [b'x', lower], "{mapping:?}");
            assert!(mapping.eq(&[upper], &[lower]));
        }
        assert_eq!(CaseMapping::from_name(mapping.name().to_uppercase().as_bytes()), Some(mapping));
    }
    assert!(!CaseMapping::Ascii.eq(b"a", b"aa"));
    assert_eq!(CaseMapping::from_name(b"rfc"), None);
}

#[test]
fn modes_take_their_parameters_in_order() {
    let kinds = ModeKinds::parse(b"beI,k,l,imnst,extra", b"(ov)@+");
    let parse = |params: &[&str]| {
        let params: Vec<_> = params.iter().map(|param| param.as_bytes()).collect();
        let mut changes = ModeChanges::parse(&params, &kinds);
        let mut all = Vec::new();
        for change in changes.by_ref() {
            let sign = if change.is_set { '+' } else { '-' };
            let param = change.param.map(|param| format!(" {}", param.escape_ascii())).unwrap_or_default();
            let lacking = if change.lacks_param() { " lacking" } else { "" };
            all.push(format!("{sign}{}{param}{lacking}", char::from(change.mode)));
        }
        (all, changes.unused_params().len())
    };
    assert_eq!(
        parse(&["+ik-l+ov", "key", "ann", "bob"]),
        (["+i", "+k key", "-l", "+o ann", "+v bob"].map(str::to_owned).to_vec(), 0)
    );
    assert_eq!(parse(&["b"]).0, ["+b"]);
    assert_eq!(parse(&["+l-k+o-l"]).0, ["+l lacking", "-k lacking", "+o lacking", "-l"]);
    assert_eq!(parse(&["+z+e", "x", "y"]), (["+z", "+e x"].map(str::to_owned).to_vec(), 1));
    assert_eq!(parse(&["+-+"]), (vec![], 0));
    assert_eq!(parse(&[]), (vec![], 0));
    assert_eq!(kinds.get(b'x'), None);
    assert_eq!(ModeKinds::flags(b"iw").get(b'w'), Some(ModeKind::Flag));
}

#[test]
fn ctcp_messages_are_taken_for_one_or_for_none() {
    let parse = |text: &str| {
        let ctcp = Ctcp::parse(text.as_bytes())?;
        Some([ctcp.command(), ctcp.params()].map(|part| part.escape_ascii().to_string()))
    };
    let some = |command: &str, params: &str| Some([command.to_owned(), params.to_owned()]);
    assert_eq!(parse("\x01ACTION waves\x01"), some("ACTION", "waves"));
    assert_eq!(parse("\x01ACTION waves"), some("ACTION", "waves"));
    assert_eq!(parse("\x01PING 1 2\x01rest"), some("PING", "1 2"));
    assert_eq!(parse("\x01VERSION\x01"), some("VERSION", ""));
    assert_eq!(parse("\x01A  b\x01"), some("A", " b"));
    for none in ["", "hello", "\x01", "\x01\x01", "\x01 a\x01", "a \x01VERSION\x01"] {
        assert_eq!(parse(none), None, "{none:?}");
    }
    assert_eq!(Ctcp::text("ACTION", "waves\x01 more"), b"\x01ACTION waves\x01");
}

#[test]
fn quoting_is_undone_by_its_reverse() {
    let all: Vec<u8> = (0..=255).chain([0o20, b'\\', 1]).collect();
    let low = low_quote(&all);
    assert!(!low.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
    assert_eq!(*low_dequote(&low), *all);
    let quoted = Ctcp::quote(&all);
    assert!(!quoted.contains(&1));
    assert_eq!(*Ctcp::dequote(&quoted), *all);
    // What nobody quotes so.
    assert_eq!(*low_dequote(b"\x10x\x10"), *b"x\x10");
    assert_eq!(*Ctcp::dequote(br"\x\"), *br"x\");
}

#[test]
fn what_a_server_supports_is_what_it_said_last() {
    let mut support = ServerSupport::default();
    assert!(support.is_channel(b"&local") && !support.is_channel(b"ann") && !support.is_channel(b""));
    assert_eq!(support.prefixes().collect::<Vec<_>>(), [(b'o', b'@'), (b'v', b'+')]);
    assert_eq!(support.channel_modes().get(b'k'), Some(ModeKind::Parameter));
    for line in [
        "005 ann CHANTYPES=# PREFIX=(qaohv)~&@%+ CHANMODES=b,k,l,imnst :are supported by this server",
        "005 ann nicklen=30 WHOX TOPICLEN=300 X=a\\x3Db\\x2\\xzz :are supported by this server",
        "005 ann -TOPICLEN WHOX= = -NONE TARGMAX=PRIVMSG:4 :are supported by this server",
        "005 ann",
        "005",
    ] {
        support.update(&Message::parse(line.as_bytes()).expect(line));
    }
    assert!(!support.is_channel(b"&local"));
    assert_eq!(support.prefixes().map(|(mode, _)| mode).collect::<Vec<_>>(), b"qaohv");
    assert_eq!(support.channel_modes().get(b'h'), Some(ModeKind::Prefix));
    assert_eq!(
        (support.number(b"NICKLEN"), support.number(b"TOPICLEN"), support.number(b"WHOX")),
        (Some(30), None, None)
    );
    assert!(support.has(b"whox") && !support.has(b"TOPICLEN"));
    assert_eq!(support.get(b"X").as_deref(), Some(&b"a=b\\x2\\xzz"[..]));
    assert_eq!(support.iter().count(), 8 - 1);
}

#[test]
fn a_server_that_never_ends_its_list_fills_no_memory() {
    let mut support = ServerSupport::default();
    for n in 0..1_000 {
        support.update(&Message::parse(format!("005 ann KEY{n}=x LAST={n} :text").as_bytes()).expect("a message"));
    }
    assert_eq!((support.iter().count(), support.number(b"LAST")), (256, Some(999)));
}
