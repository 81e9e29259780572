//! What stands where in the file, and what values it may have.

use std::fs;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use crate::cluster::bus::Nats;

use super::error::{Mistake, SettingsError};
use super::section::{Section, line_at};
use super::{Oper, Privilege, Settings};

/// The file as it is without changes, with an explanation of each value: what `--print-config` prints.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

impl Settings {
    /// The settings of a file of TOML. What it does not mention is as by default.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has mistakes: all of them.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path).map_err(|error| SettingsError::cannot_read(path, error))?;
        Self::parse(path, &text)
    }

    /// The same for the text of a file; `path` stands in errors.
    ///
    /// # Errors
    ///
    /// If there are mistakes.
    ///
    /// ```
    /// use std::path::Path;
    /// use irc_server::settings::Settings;
    ///
    /// let error = Settings::parse(Path::new("irc.toml"), "[limits]\nnick-lenght = 9\n").unwrap_err();
    /// assert_eq!(error.to_string(), "irc.toml:2: there is no `nick-lenght` in [limits]; did you mean `nick-length`?");
    /// ```
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = line_at(text, error.span().unwrap_or_default().start);
            SettingsError::mistakes(path, vec![Mistake { line, sentence: error.message().to_owned() }])
        })?;
        let mut settings = Self::default();
        let mut file = Section::whole(text, table.get_ref());
        settings.take(&mut file);
        let mistakes = file.finish();
        if mistakes.is_empty() { Ok(settings) } else { Err(SettingsError::mistakes(path, mistakes)) }
    }

    fn take(&mut self, file: &mut Section<'_>) {
        // First, since it says what the others may be.
        file.section("cluster", |section| {
            let cluster = &mut self.cluster;
            let expected = "URLs such as nats://HOST:4222 or nats://USER:PASSWORD@HOST:4222, separated by commas";
            section.secret("bus", expected, Nats::can_connect_to, &mut cluster.bus);
            section.number_of("replicas", &[1, 3, 5], &mut cluster.replicas);
            section.number("log-bytes", (1 << 20)..=(1 << 50), &mut cluster.log_bytes);
        });
        let is_cluster = self.cluster.bus.is_some();
        file.section("server", |server| {
            server.text("name", "a name with a dot, of letters, digits and hyphens", is_host, &mut self.server_name);
            if is_cluster {
                let expected = "a name of ASCII letters, digits, '-' and '_' only, because `bus` is set";
                server.text("network", expected, Nats::can_have_network, &mut self.network);
            } else {
                server.text("network", "a name without spaces", is_word, &mut self.network);
            }
            server.text("description", "a text of one line", is_line, &mut self.description);
            server.lines("motd", &mut self.motd);
            server.lines("admin", &mut self.admin);
            server.password("password", &mut self.password);
            server.path("database", &mut self.database);
        });
        file.section("listen", |listen| {
            listen.texts("plain", &mut self.listen.plain);
            listen.texts("tls", &mut self.listen.tls);
            listen.texts("web", &mut self.listen.web);
            listen.texts("web-tls", &mut self.listen.web_tls);
            listen.texts("web-hosts", &mut self.listen.web_hosts);
            listen.texts("web-origins", &mut self.listen.web_origins);
            listen.texts("metrics", &mut self.listen.metrics);
            listen.optional("console", &mut self.listen.console);
        });
        file.section("tls", |tls| {
            tls.path("certificate", &mut self.tls.certificate);
            tls.path("key", &mut self.tls.key);
        });
        self.take_limits(file);
        file.section("history", |section| {
            let history = &mut self.history;
            section.boolean("enabled", &mut history.enabled);
            section.number("messages", 1..=10_000_000, &mut history.messages);
            section.number("total", 1..=1_000_000_000, &mut history.total);
            section.duration("age", HOUR..=3650 * DAY, &mut history.age);
            section.number("request", 1..=1000, &mut history.request);
        });
        file.section("accounts", |section| {
            let accounts = &mut self.accounts;
            section.boolean("registration", &mut accounts.registration);
            section.number("registrations-per-hour", 1..=1_000_000, &mut accounts.registrations_per_hour);
            section.number("password-length", 1..=100, &mut accounts.password_length);
            section.boolean("reserve-nicks", &mut accounts.reserve_nicks);
            section.boolean("required", &mut accounts.required);
        });
        file.section("cloaks", |section| {
            let cloaks = &mut self.cloaks;
            section.boolean("enabled", &mut cloaks.enabled);
            section.optional("key", &mut cloaks.key);
            section.text("suffix", "a name that begins with a dot", is_suffix, &mut cloaks.suffix);
        });
        file.sections("oper", |section| self.opers.extend(oper(section)));
    }

    fn take_limits(&mut self, file: &mut Section<'_>) {
        file.section("limits", |section| {
            let limits = &mut self.limits;
            section.number("nick-length", 1..=64, &mut limits.nick_length);
            section.number("user-length", 1..=32, &mut limits.user_length);
            section.number("realname-length", 1..=200, &mut limits.realname_length);
            section.number("channel-length", 2..=100, &mut limits.channel_length);
            section.number("key-length", 1..=64, &mut limits.key_length);
            section.number("topic-length", 1..=390, &mut limits.topic_length);
            section.number("kick-length", 1..=390, &mut limits.kick_length);
            section.number("away-length", 1..=390, &mut limits.away_length);
            section.number("channels-per-client", 1..=10_000, &mut limits.channels_per_client);
            section.number("list-entries", 1..=10_000, &mut limits.list_entries);
            section.number("monitored", 1..=10_000, &mut limits.monitored);
            section.number("targets", 1..=100, &mut limits.targets);
            section.number("whowas", 0..=1_000_000, &mut limits.whowas);
            section.number("clients", 1..=10_000_000, &mut limits.clients);
            section.number("clients-per-address", 1..=10_000_000, &mut limits.clients_per_address);
            section.number("channels", 1..=10_000_000, &mut limits.channels);
            section.duration("registration", SECOND..=HOUR, &mut limits.registration);
            section.duration("ping", SECOND..=DAY, &mut limits.ping);
            section.number("output-bytes", 65_536..=1 << 30, &mut limits.output_bytes);
        });
        file.section("flood", |section| {
            section.number("burst", 1..=1_000_000, &mut self.flood.burst);
            section.duration("interval", Duration::ZERO..=HOUR, &mut self.flood.interval);
        });
    }
}

fn oper(section: &mut Section<'_>) -> Option<Oper> {
    let (mut name, mut password, mut privileges) = (String::new(), None, Privilege::ALL.to_vec());
    section.text("name", "a name without spaces", is_word, &mut name);
    section.password("password", &mut password);
    section.choices("privileges", &Privilege::ALL, Privilege::name, &mut privileges);
    if name.is_empty() {
        section.missing("name");
    }
    if password.is_none() {
        section.missing("password");
    }
    Some(Oper { name, password: password?, privileges })
}

fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= 63 && text.contains('.') && text.split('.').all(is_label)
}

fn is_suffix(text: &str) -> bool {
    text.len() <= 32 && text.strip_prefix('.').is_some_and(|rest| is_host(&format!("a.{rest}")))
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=')
}

fn is_line(text: &str) -> bool {
    text.len() <= 200 && !text.chars().any(char::is_control)
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(Path::new("irc.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_that_is_printed_is_the_default() {
        assert_eq!(format!("{:?}", parse(DEFAULT_FILE).unwrap()), format!("{:?}", Settings::default()));
        assert_eq!(format!("{:?}", parse("").unwrap()), format!("{:?}", Settings::default()));
    }

    #[test]
    fn the_file_that_is_printed_has_each_key_that_there_is() {
        // What only the comments have has to be known too: a key that is not is a mistake.
        let hash = "SCRAM-SHA-256$4096:AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let is_example = |line: &str| line.starts_with("#[") || line.starts_with('#') && line.contains(" = ");
        let with_examples: String = DEFAULT_FILE
            .lines()
            .map(|line| if is_example(line) && !line.starts_with("# ") { &line[1..] } else { line })
            .map(|line| format!("{}\n", line.replace("SCRAM-SHA-256$...", hash)))
            .collect();
        let settings = parse(&with_examples).unwrap();
        assert!(settings.password.is_some() && settings.cluster.bus.is_some() && settings.cloaks.key.is_some());
        assert!(settings.listen.console.is_some() && settings.tls.key.is_some());
        assert!(settings.opers[0].name == "alice" && settings.opers[0].may(Privilege::See));
    }

    #[test]
    fn a_value_that_cannot_be_is_told_with_its_line_and_what_it_must_be() {
        for (text, sentence) in [
            ("[limits]\n\nnick-length = 0", "3: `nick-length` must be a whole number from 1 to 64, not 0"),
            ("[limits]\nnick-length = \"x\"", "2: `nick-length` must be a whole number from 1 to 64, not \"x\""),
            (
                "[limits]\nping = 120",
                "2: `ping` must be a time with its unit (ms, s, min, h, d), from \"1s\" to \"1d\", not 120",
            ),
            ("[history]\nenabled = 1", "2: `enabled` must be true or false, not 1"),
            (
                "[server]\nname = \"localhost\"",
                "2: `name` must be a name with a dot, of letters, digits and hyphens, not \"localhost\"",
            ),
            ("[cluster]\nbus = \"nats://localhost\"\nreplicas = 0", "3: `replicas` must be 1, 3 or 5, not 0"),
            ("[cluster]\nreplicas = 2", "2: `replicas` must be 1, 3 or 5, not 2"),
            (
                "[server]\nnetwork = \"My.Net\"\n[cluster]\nbus = \"nats://localhost\"",
                "2: `network` must be a name of ASCII letters, digits, '-' and '_' only, because `bus` is set, \
                 not \"My.Net\"",
            ),
            (
                "[cluster]\nlog-bytes = \"1 GiB\"",
                "2: `log-bytes` must be a whole number from 1048576 to 1125899906842624, not \"1 GiB\"",
            ),
            ("limits = 1", "1: `limits` must be a table: write `[limits]`, not 1"),
            ("[oper]\n", "1: `oper` must be a list of tables: write `[[oper]]`, not [oper]"),
            (
                "[server]\npassword = \"secret\"",
                "2: `password` must be the hash of a password, which `irc-server --hash-password` prints",
            ),
            ("[serber]", "1: there is no `serber`; did you mean `server`?"),
            ("[limits]\nzzz = 1", "2: there is no `zzz` in [limits]"),
        ] {
            assert_eq!(parse(text).unwrap_err(), format!("irc.toml:{sentence}"));
        }
    }

    #[test]
    fn all_mistakes_are_told_in_the_order_of_their_lines() {
        let error = parse("[flood]\nburst = 0\n[server]\nmotto = \"\"\n[[oper]]\nname = \"a\"\nprivileges = [\"fly\"]")
            .unwrap_err();
        let lines: Vec<_> = error.lines().map(|line| &line[..11]).collect();
        assert_eq!(lines, ["irc.toml:2:", "irc.toml:4:", "irc.toml:6:", "irc.toml:7:"], "{error}");
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        let error = parse("[server]\nname = irc").unwrap_err();
        assert!(error.starts_with("irc.toml:2: "), "{error}");
        let error = Settings::read(Path::new("/there/is/none")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the settings /there/is/none: "), "{error}");
    }

    #[test]
    fn an_empty_text_stands_for_none() {
        assert_eq!(parse("[server]\ndatabase = \"\"").unwrap().database, None);
        assert_eq!(parse("[server]\nmotd = [\"a\", \"b\"]").unwrap().motd, ["a", "b"]);
    }

    #[test]
    fn a_cluster_that_no_node_could_join_is_a_mistake_and_its_password_is_not_shown() {
        for bus in [
            "http://x",
            "nats://",
            "nats://:4222",
            "nats://user:secret@",
            "nats://user:secret@x:99999",
            "nats://x:abc",
            "nats://x,",
            "ws://x",
            ",",
        ] {
            let error = parse(&format!("[cluster]\nbus = \"{bus}\"")).unwrap_err();
            assert!(error.starts_with("irc.toml:2: `bus` must be URLs such as nats://HOST:4222"), "{bus}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        for bus in ["nats://x", "tls://user:secret@x.example:4223, nats://[::1]:4222", "localhost"] {
            assert_eq!(parse(&format!("[cluster]\nbus = \"{bus}\"")).unwrap().cluster.bus.as_deref(), Some(bus));
        }
        assert_eq!(parse("[cluster]\nbus = \"\"").unwrap().cluster.bus, None);
    }

    #[test]
    fn the_names_of_a_server_and_a_network_can_be_used_in_a_cluster_or_are_mistakes() {
        for network in ["My.Net", "My Net", "My*", ">", "Мир"] {
            let text = format!("[server]\nnetwork = \"{network}\"\n[cluster]\nbus = \"nats://x\"");
            assert!(parse(&text).unwrap_err().starts_with("irc.toml:2: `network` must be "), "{network}");
        }
        assert_eq!(parse("[server]\nnetwork = \"My.Net\"").unwrap().network, "My.Net");
        for (name, is_right) in
            [("a.b", true), ("a-1.b_c", true), ("a..b", false), ("a.*", false), ("a.>", false), ("a. b", false)]
        {
            assert_eq!(parse(&format!("[server]\nname = \"{name}\"")).is_ok(), is_right, "{name}");
            assert_eq!(crate::cluster::NodeName::new(name).is_ok(), is_right, "{name}");
        }
    }
}
