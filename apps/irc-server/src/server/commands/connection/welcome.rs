//! The first lines to a user, `LUSERS` and `MOTD`.

use protocols::irc::{Message, MessageBuilder, numeric};

use crate::server::Server;
use crate::server::apply::channels::MODES_IN_A_LINE;
use crate::server::commands::Caller;
use crate::server::tables::census::Census;
use crate::server::tables::user::UserModes;
use crate::server::values::ids::ClientId;
use crate::server::values::modes::{FLAGS, LISTS, STATUSES};

/// How many tokens `RPL_ISUPPORT` may have in a line.
const TOKENS: usize = 13;

impl Server {
    pub(super) fn welcome(&mut self, id: ClientId) {
        let Some(user) = self.client(id).and_then(|client| client.user) else { return };
        let Some(mask) = self.users.get(&user).map(crate::server::tables::user::User::mask) else { return };
        let settings = self.settings.clone();
        let (network, server) = (settings.network.as_bytes(), settings.server_name.as_bytes());
        let version = super::super::information::VERSION;
        self.numeric(id, numeric::RPL_WELCOME, |line| {
            line.trailing([b"Welcome to the ", network, b" Network ", &*mask].concat())
        });
        self.numeric(id, numeric::RPL_YOURHOST, |line| {
            line.trailing([b"Your host is ", server, b", running version ", version.as_bytes()].concat())
        });
        let created = self.started.to_words();
        self.numeric(id, numeric::RPL_CREATED, |line| line.trailing(format!("This server was started {created}")));
        let letters = |all: &[(u8, UserModes)]| all.iter().map(|&(letter, _)| letter).collect::<Vec<_>>();
        let channel_modes: Vec<u8> =
            [LISTS, b"kl", FLAGS].concat().into_iter().chain(STATUSES.iter().map(|&(letter, _)| letter)).collect();
        let with_parameters: Vec<u8> =
            [LISTS, b"kl"].concat().into_iter().chain(STATUSES.iter().map(|&(letter, _)| letter)).collect();
        self.numeric(id, numeric::RPL_MYINFO, |line| {
            line.param(server).param(version).param(letters(UserModes::ALL)).param(channel_modes).param(with_parameters)
        });
        self.send_isupport(id);
        self.lusers(id);
        self.motd(id);
    }

    pub(in crate::server::commands) fn send_isupport(&mut self, id: ClientId) {
        let tokens = self.isupport();
        for tokens in tokens.chunks(TOKENS) {
            self.numeric(id, numeric::RPL_ISUPPORT, |line| {
                tokens.iter().fold(line, MessageBuilder::param).trailing("are supported by this server")
            });
        }
    }

    /// The tokens of 005.
    fn isupport(&self) -> Vec<String> {
        let (limits, history) = (&self.settings.limits, &self.settings.history);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (letters, prefixes): (Vec<u8>, Vec<u8>) = STATUSES.iter().copied().unzip();
        let targets = limits.targets;
        let mut tokens = vec![
            format!("AWAYLEN={}", limits.away_length),
            "BOT=B".into(),
            "CASEMAPPING=ascii".into(),
            format!("CHANLIMIT=#:{}", limits.channels_per_client),
            format!("CHANMODES={},k,l,{}", text(LISTS), text(FLAGS)),
            format!("CHANNELLEN={}", limits.channel_length),
            "CHANTYPES=#".into(),
            "ELIST=CMNTU".into(),
            "EXCEPTS=e".into(),
            "INVEX=I".into(),
            format!("HOSTLEN={}", 64),
            format!("KEYLEN={}", limits.key_length),
            format!("KICKLEN={}", limits.kick_length),
            format!("MAXLIST={}:{}", text(LISTS), limits.list_entries),
            "MAXTARGETS=".to_owned() + &targets.to_string(),
            format!("MODES={MODES_IN_A_LINE}"),
            format!("MONITOR={}", limits.monitored),
            format!("NAMELEN={}", limits.realname_length),
            format!("NETWORK={}", self.settings.network.replace(' ', "\\x20")),
            format!("NICKLEN={}", limits.nick_length),
            format!("PREFIX=({}){}", text(&letters), text(&prefixes)),
            "SAFELIST".into(),
            format!("STATUSMSG={}", text(&prefixes)),
            format!(
                "TARGMAX=JOIN:,KICK:1,LIST:,NAMES:1,NOTICE:{targets},PART:,PRIVMSG:{targets},TAGMSG:{targets},WHOIS:1"
            ),
            format!("TOPICLEN={}", limits.topic_length),
            format!("USERLEN={}", limits.user_length),
            "UTF8ONLY".into(),
            "WHOX".into(),
        ];
        if history.enabled {
            tokens.push(format!("CHATHISTORY={}", history.request));
            tokens.push("MSGREFTYPES=msgid,timestamp".into());
        }
        tokens
    }

    pub(in crate::server::commands) fn lusers(&mut self, id: ClientId) {
        let Census { invisible, operators, local } = self.census;
        let (users, channels, most) = (self.users.len(), self.channels.len(), self.most_users);
        // Those that have left, and whose connection ends, are among them.
        let unknown = self.clients.len().saturating_sub(local);
        let servers = self.servers().len();
        self.numeric(id, numeric::RPL_LUSERCLIENT, |line| {
            let visible = users - invisible;
            line.trailing(format!("There are {visible} users and {invisible} invisible on {servers} servers"))
        });
        let mut counted = |numeric, count: usize, text| {
            self.numeric(id, numeric, |line| line.param(count.to_string()).trailing(text));
        };
        counted(numeric::RPL_LUSEROP, operators, "IRC operators online");
        counted(numeric::RPL_LUSERUNKNOWN, unknown, "unregistered connections");
        counted(numeric::RPL_LUSERCHANNELS, channels, "channels formed");
        self.numeric(id, numeric::RPL_LUSERME, |line| {
            line.trailing(format!("I have {local} clients and {} servers", servers - 1))
        });
        self.numeric(id, numeric::RPL_LOCALUSERS, |line| {
            let text = format!("Current local users {local}, max {most}");
            line.param(local.to_string()).param(most.to_string()).trailing(text)
        });
        self.numeric(id, numeric::RPL_GLOBALUSERS, |line| {
            let text = format!("Current global users {users}, max {most}");
            line.param(users.to_string()).param(most.to_string()).trailing(text)
        });
    }

    pub(in crate::server::commands) fn motd_command(&mut self, caller: Caller, message: &Message<'_>) {
        if self.is_for_this_server(caller, message.param(0)) {
            self.motd(caller.id);
        }
    }

    fn motd(&mut self, id: ClientId) {
        let settings = self.settings.clone();
        if settings.motd.is_empty() {
            self.numeric(id, numeric::ERR_NOMOTD, |line| line.trailing("MOTD file is missing"));
            return;
        }
        let server = &settings.server_name;
        self.numeric(id, numeric::RPL_MOTDSTART, |line| line.trailing(format!("- {server} Message of the day - ")));
        for text in &settings.motd {
            self.numeric(id, numeric::RPL_MOTD, |line| line.trailing(format!("- {text}")));
        }
        self.numeric(id, numeric::RPL_ENDOFMOTD, |line| line.trailing("End of /MOTD command"));
    }
}
