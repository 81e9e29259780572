//! What strangers may send.

use super::World;
use crate::server::request::Answer;

const COMMANDS: &[&str] = &[
    "ADMIN",
    "AUTHENTICATE",
    "AWAY",
    "CAP",
    "CHATHISTORY",
    "CHGHOST",
    "HELP",
    "INFO",
    "INVITE",
    "ISON",
    "JOIN",
    "KICK",
    "KILL",
    "KLINE",
    "LINKS",
    "LIST",
    "LUSERS",
    "MODE",
    "MONITOR",
    "MOTD",
    "NAMES",
    "NICK",
    "NOTICE",
    "OPER",
    "PART",
    "PASS",
    "PING",
    "PONG",
    "PRIVMSG",
    "REGISTER",
    "REHASH",
    "SETNAME",
    "STATS",
    "TAGMSG",
    "TIME",
    "TOPIC",
    "UNKLINE",
    "USER",
    "USERHOST",
    "VERIFY",
    "VERSION",
    "WALLOPS",
    "WHO",
    "WHOIS",
    "WHOWAS",
    "ERROR",
    "SERVER",
    "*",
    "0",
];

const PARAMETERS: &[&str] = &[
    "",
    ":",
    "*",
    "#",
    "#a",
    "#b",
    "@#a",
    "ann",
    "bob",
    "a,b,c",
    "#a,#b",
    "+o",
    "-o+v",
    "+bbbb",
    "+l",
    "99999999999",
    "0",
    "-1",
    "+",
    "REQ",
    "LS",
    "END",
    "302",
    "PLAIN",
    "LATEST",
    "TARGETS",
    "timestamp=x",
    "msgid=",
    "%tcuihsnfdlaor",
    ":a b  c",
    ":\u{1}ACTION x\u{1}",
    "зоя",
    "a\\b",
    "****************************a",
    "=",
    "AAAA",
    "LOGIN",
    "+k",
    "S",
    "C",
    "L",
];

#[test]
fn no_command_does_anything_for_those_that_are_not_registered() {
    let mut world = World::new();
    let ann = world.user("ann");
    world.send(ann, "JOIN #a");
    world.read(ann);
    let stranger = world.connect();
    for command in COMMANDS.iter().filter(|command| !["PASS", "NICK", "USER", "CAP"].contains(command)) {
        for parameters in ["", "#a", "ann", "#a :x", "ann #a :x", "#a +o ann"] {
            world.send(stranger, &format!("{command} {parameters}"));
            while !world.asked.is_empty() {
                world.answer(Answer::Kept(false));
            }
        }
    }
    assert_eq!(world.read(ann), [""; 0]);
    assert_eq!(world.server.users(), 1);
}

/// Lines of random commands and parameters. Whatever they are, the tables of the server agree with each other afterwards.
#[test]
fn random_commands_leave_no_trace_in_the_tables_once_all_have_left() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::with(|settings| settings.cluster.bus = Some(String::new()));
        let mut clients: Vec<_> = ["ann", "bob", "eve"]
            .map(|nick| world.user_with(nick, "batch labeled-response echo-message message-tags"))
            .into();
        clients.push(world.connect());
        for _ in 0..400 {
            let client = clients[random.usize(..clients.len())];
            let mut line = String::from(if random.bool() { "" } else { "@label=1;+a=b " });
            line.push_str(COMMANDS[random.usize(..COMMANDS.len())]);
            for _ in 0..random.usize(..5) {
                line.push(' ');
                line.push_str(PARAMETERS[random.usize(..PARAMETERS.len())]);
            }
            world.send(client, &line);
            while !world.asked.is_empty() {
                world.answer(if random.bool() { Answer::Kept(false) } else { Answer::Challenge(vec![1, 2, 3]) });
            }
            if random.u8(..) < 4 {
                world.pass(10_000);
            }
            world.server.check_tables();
        }
        for client in clients {
            world.server.disconnected(world.now, client, b"gone");
            world.settle();
        }
        world.server.check_tables();
        assert_eq!((world.server.users(), world.server.channels(), world.server.clients()), (0, 0, 0), "seed {seed}");
        assert!(world.server.nicks.is_empty() && world.server.watchers.is_empty() && world.server.addresses.is_empty());
    }
}

#[test]
fn those_that_send_too_fast_are_slowed_down() {
    use crate::server::Effect;
    use protocols::irc::Message;

    let mut world = World::with(|settings| {
        settings.flood = crate::settings::Flood { burst: 10, interval: std::time::Duration::from_millis(500) };
    });
    let ann = world.user("ann");
    let mut paused = 0;
    for _ in 0..100 {
        let message = Message::parse(b"PING 1").unwrap();
        world.server.received(world.now, ann, &message);
        for effect in world.server.effects() {
            if let Effect::Pause(_, delay) = effect {
                paused += 1;
                world.now.0 += u64::try_from(delay.as_millis()).unwrap();
            }
        }
    }
    let seconds = (world.now.0 - super::START.0) / 1000;
    assert!(paused > 80 && (44..=50).contains(&seconds), "{paused} pauses, {seconds} s");
}

impl crate::server::Server {
    /// Whether the tables agree: who is where, and who is called what.
    pub(super) fn check_tables(&self) {
        let mut census = crate::server::tables::census::Census::default();
        self.users.values().for_each(|user| census.add(user));
        assert_eq!(self.census, census);
        for (nick, uid) in &self.nicks {
            assert_eq!(*nick, crate::server::key(&self.users[uid].about.nick));
        }
        for (uid, user) in &self.users {
            assert_eq!(user.uid(), *uid);
            for channel in &user.channels {
                assert!(self.channels[channel].members.contains_key(uid));
            }
            if let Some(client) = user.client {
                let client = self.client(client).expect("a user without its connection");
                assert_eq!(client.user, Some(*uid));
                assert_eq!(client.nick.as_ref(), Some(&user.about.nick));
            }
        }
        for (key, channel) in &self.channels {
            assert!(!channel.members.is_empty());
            for uid in channel.members.keys() {
                assert!(self.users[uid].channels.contains(key));
            }
        }
        for (nick, watchers) in &self.watchers {
            assert!(watchers.iter().all(|&id| self.client(id).unwrap().monitored.contains(nick)));
        }
    }
}
