//! A console behind a login, for people with a telnet client: `telnet_console [ADDRESS]`. There is one user, `guest`, whose
//! password is `welcome`. Try `telnet 127.0.0.1 6023`.

use std::{env, io, mem};

use protocols::telnet::{Telnet, TelnetCommand, TelnetHandler, TelnetReceiver};
use reactor::Reactor;

struct Console {
    telnet: Telnet,
    state: State,
    failures: u32,
    /// The columns and rows of the user's window.
    window: Option<(u16, u16)>,
    terminal: Option<String>,
}

enum State {
    Login,
    Password { user: String },
    Ready,
}

impl Console {
    fn new(telnet: Telnet) -> Self {
        Self { telnet, state: State::Login, failures: 0, window: None, terminal: None }
    }

    fn log_in(&mut self, user: &str, password: &str) {
        self.telnet.set_echo(true);
        self.telnet.send_line("");
        if (user, password) == ("guest", "welcome") {
            self.state = State::Ready;
            return self.telnet.send("Welcome. Commands: terminal, window, quit\n> ");
        }
        self.failures += 1;
        self.telnet.send_line("Login incorrect");
        if self.failures == 3 {
            return self.telnet.lose_connection();
        }
        self.telnet.send("login: ");
    }

    fn execute(&self, command: &str) {
        match command {
            "" => {}
            "terminal" => self.telnet.send_line(self.terminal.as_deref().unwrap_or("unknown")),
            "window" => match self.window {
                Some((columns, rows)) => self.telnet.send_line(format!("{columns} columns, {rows} rows")),
                None => self.telnet.send_line("unknown"),
            },
            "quit" => {
                self.telnet.send_line("Bye.");
                return self.telnet.lose_connection();
            }
            _ => self.telnet.send_line("No such command."),
        }
        self.telnet.send("> ");
    }
}

impl TelnetHandler for Console {
    fn connection_made(&mut self) {
        self.telnet.send("login: ");
    }

    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match mem::replace(&mut self.state, State::Login) {
            State::Login => {
                self.state = State::Password { user: line.into_owned() };
                self.telnet.set_echo(false);
                self.telnet.send("Password: ");
            }
            State::Password { user } => self.log_in(&user, &line),
            State::Ready => {
                self.state = State::Ready;
                self.execute(line.trim());
            }
        }
    }

    fn command_received(&mut self, command: TelnetCommand) {
        match command {
            TelnetCommand::ARE_YOU_THERE => self.telnet.send_line("[yes]"),
            TelnetCommand::INTERRUPT_PROCESS => self.telnet.lose_connection(),
            _ => {}
        }
    }

    fn window_size_changed(&mut self, columns: u16, rows: u16) {
        self.window = Some((columns, rows));
    }

    fn terminal_type_received(&mut self, name: &str) {
        self.terminal = Some(name.to_owned());
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6023".to_owned());
    let reactor = Reactor::new()?;
    let consoles = TelnetReceiver::factory(Console::new).ask_window_size().ask_terminal_type().max_length(200);
    let port = reactor.listen_tcp(address, consoles)?;
    println!("listening on {}", port.host());
    reactor.run()
}
