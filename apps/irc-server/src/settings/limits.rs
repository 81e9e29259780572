use std::time::Duration;

/// How much clients may use, and for how long they may be silent. Lengths are in bytes. What has a token of its own is announced
/// in `RPL_ISUPPORT` (005).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest nick (`NICKLEN`).
    pub nick_length: usize,
    /// The longest user name (`USERLEN`).
    pub user_length: usize,
    /// The longest real name (`NAMELEN`).
    pub realname_length: usize,
    /// The longest name of a channel (`CHANNELLEN`).
    pub channel_length: usize,
    /// The longest key of a channel (`KEYLEN`).
    pub key_length: usize,
    /// The longest topic (`TOPICLEN`).
    pub topic_length: usize,
    /// The longest reason for a kick (`KICKLEN`).
    pub kick_length: usize,
    /// The longest away message (`AWAYLEN`).
    pub away_length: usize,
    /// The most channels that a client may be in (`CHANLIMIT`).
    pub channels_per_client: usize,
    /// The most entries of a channel's lists of bans, exceptions and invitations, together (`MAXLIST`).
    pub list_entries: usize,
    /// The most nicks that a client may watch (`MONITOR`).
    pub monitored: usize,
    /// The most targets of a command (`TARGMAX`).
    pub targets: usize,
    /// How many that have left `WHOWAS` knows.
    pub whowas: usize,
    /// The most clients of this server.
    pub clients: usize,
    /// The most clients of an IPv4 address, or of an IPv6 network of 64 bits. Those of this machine are not counted.
    pub clients_per_address: usize,
    /// The most channels.
    pub channels: usize,
    /// How long a client may take until it has told its nick, and who it is.
    pub registration: Duration,
    /// After how long a silence a client is asked for a sign of life, which it has the same time to give.
    pub ping: Duration,
    /// How many bytes may wait for a client to read them before it is let go.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nick_length: 32,
            user_length: 20,
            realname_length: 150,
            channel_length: 64,
            key_length: 32,
            topic_length: 390,
            kick_length: 390,
            away_length: 390,
            channels_per_client: 100,
            list_entries: 100,
            monitored: 100,
            targets: 4,
            whowas: 1000,
            clients: 50_000,
            clients_per_address: 50,
            channels: 50_000,
            registration: Duration::from_secs(30),
            ping: Duration::from_mins(2),
            output_bytes: 1024 * 1024,
        }
    }
}

/// How fast a client may send: `burst` lines at once, and then one each `interval`. What comes sooner waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flood {
    /// How many lines may come at once.
    pub burst: u32,
    /// In what time one more may come; zero for no limit.
    pub interval: Duration,
}

impl Default for Flood {
    fn default() -> Self {
        Self { burst: 10, interval: Duration::from_millis(500) }
    }
}
