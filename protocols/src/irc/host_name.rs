/// Whether this can be the name of a host or of a server on IRC: labels of letters, digits and hyphens (not at their ends),
/// with at least one dot between or behind them, so that no nick looks like one. At most 253 bytes, and 63 a label.
///
/// For servers that check the names of their clients. Clients take what servers tell them.
///
/// ```
/// use protocols::irc::is_host_name;
///
/// assert!(is_host_name(b"irc.example.org"));
/// assert!(!is_host_name(b"irc"));
/// assert!(!is_host_name(b"-irc.example.org"));
/// ```
pub fn is_host_name(name: &[u8]) -> bool {
    let labels = name.strip_suffix(b".").unwrap_or(name);
    name.contains(&b'.') && name.len() <= 253 && labels.split(|byte| *byte == b'.').all(is_label)
}

fn is_label(label: &[u8]) -> bool {
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    (1..=63).contains(&label.len()) && label.iter().all(is_inside) && !label.starts_with(b"-") && !label.ends_with(b"-")
}
