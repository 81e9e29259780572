//! Receivers that cut a connection's bytes into messages: protocols for the [`reactor`] crate.
//!
//! A plain [`Protocol`](reactor::Protocol) gets bytes as the network happens to cut them. A receiver puts them together
//! again, and calls a handler with whole messages; the handler sends by a handle of its own.
//!
//! | receiver | what it cuts | Twisted's |
//! |---|---|---|
//! | [`LineReceiver`] | lines, and raw data between them | `LineReceiver`, `LineOnlyReceiver` |
//! | [`StringReceiver`] | strings that tell their lengths: netstrings, 8, 16 or 32 bits, varints | `NetstringReceiver`, `IntNStringReceiver` |
//! | [`StatefulReceiver`] | parts, each of which tells how long the next is | `StatefulProtocol` |
//! | [`TerminatorReceiver`] | segments of any size, handed over as they come, up to terminators that change | Python's `asynchat` |
//! | [`CodecReceiver`] | messages of any codec of [`tokio_util`] | |
//!
//! All have one shape, and one set of rules: exactly the greatest length is accepted; nothing is delivered after
//! `lose_connection`, nor while reading is paused, nor while the answers to earlier messages fill the output; what comes
//! is the same however the network cuts it.
//!
//! A chat, where all connections share a table of who is there:
//!
//! ```no_run
//! use std::cell::RefCell;
//! use std::collections::HashMap;
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use protocols::{LineHandler, LineReceiver, Lines};
//! use reactor::{CloseReason, Reactor};
//!
//! type Users = Rc<RefCell<HashMap<String, Lines>>>;
//!
//! struct Chat { lines: Lines, users: Users, name: Option<String> }
//!
//! impl LineHandler for Chat {
//!     fn connection_made(&mut self) {
//!         self.lines.send_line("What's your name?");
//!         self.lines.call_later(Duration::from_secs(30), |this: &mut Self| {
//!             if this.name.is_none() {
//!                 this.lines.lose_connection();
//!             }
//!         });
//!     }
//!
//!     fn line_received(&mut self, line: &[u8]) {
//!         let line = String::from_utf8_lossy(line);
//!         match &self.name {
//!             Some(name) => {
//!                 for (other, lines) in &*self.users.borrow() {
//!                     if other != name {
//!                         lines.send_line(format!("<{name}> {line}"));
//!                     }
//!                 }
//!             }
//!             None if self.users.borrow().contains_key(&*line) => self.lines.send_line("Name taken, please choose another."),
//!             None => {
//!                 self.lines.send_line(format!("Welcome, {line}!"));
//!                 self.users.borrow_mut().insert(line.to_string(), self.lines.clone());
//!                 self.name = Some(line.into_owned());
//!             }
//!         }
//!     }
//!
//!     fn connection_lost(&mut self, _: CloseReason) {
//!         if let Some(name) = &self.name {
//!             self.users.borrow_mut().remove(name);
//!         }
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let reactor = Reactor::new()?;
//!     let users = Users::default();
//!     reactor.listen_tcp(8123, LineReceiver::factory(move |lines| Chat { lines, users: users.clone(), name: None }))?;
//!     reactor.run()
//! }
//! ```
//!
//! # The pieces, in reading order
//!
//! | piece | what it is |
//! |---|---|
//! | [`LineHandler`] | what you write: called back with each line, with raw data, and as the connection begins and ends |
//! | [`Lines`] | the handle it keeps: sends lines, closes, pauses, switches between lines and raw data |
//! | [`LineReceiver`] | the protocol between the two; [`LineReceiver::factory`] is where a program begins |
//! | [`LineFactory`] | what that returns, to be listened or connected with: sets the delimiter and the longest line |
//! | [`Handle`] | what [`Lines`] and the handles of the other receivers have in common |
//! | [`StringHandler`], [`Strings`], [`StringReceiver`], [`StringFactory`] | the same for strings; [`StringFormat`] says how they tell their lengths, [`StringError`] what is wrong with one |
//! | [`StatefulHandler`], [`States`], [`StatefulReceiver`], [`StatefulFactory`] | the same for parts; a [`State`] is what is waited for |
//! | [`TerminatorHandler`], [`Segments`], [`TerminatorReceiver`], [`TerminatorFactory`] | the same for segments; a [`Terminator`] is what ends one |
//! | [`CodecHandler`], [`Messages`], [`CodecReceiver`], [`CodecFactory`] | the same for the messages of a codec |
//!
//! A peer cannot make a receiver keep more than the greatest length that is allowed and 64 KiB, in memory of at most twice
//! that, nor spend more time than is proportional to what it sends, however that is cut. (A codec's own memory and time
//! are its own.)

mod codec_factory;
mod codec_handler;
mod codec_receiver;
mod delivery;
mod handle;
mod input;
mod into_handler;
mod line_factory;
mod line_handler;
mod line_receiver;
mod line_splitter;
mod lines;
mod messages;
mod segments;
mod state;
mod stateful_factory;
mod stateful_handler;
mod stateful_receiver;
mod states;
mod string_error;
mod string_factory;
mod string_format;
mod string_handler;
mod string_receiver;
mod string_splitter;
mod strings;
mod terminator;
mod terminator_factory;
mod terminator_handler;
mod terminator_receiver;
mod terminator_splitter;

pub use codec_factory::CodecFactory;
pub use codec_handler::CodecHandler;
pub use codec_receiver::CodecReceiver;
pub use handle::Handle;
pub use into_handler::IntoHandler;
pub use line_factory::LineFactory;
pub use line_handler::LineHandler;
pub use line_handler::OnLongLine;
pub use line_receiver::LineReceiver;
pub use lines::Lines;
pub use messages::Messages;
pub use segments::Segments;
pub use state::State;
pub use stateful_factory::StatefulFactory;
pub use stateful_handler::StatefulHandler;
pub use stateful_receiver::StatefulReceiver;
pub use states::States;
pub use string_error::StringError;
pub use string_factory::StringFactory;
pub use string_format::StringFormat;
pub use string_handler::StringHandler;
pub use string_receiver::StringReceiver;
pub use strings::StringTooLong;
pub use strings::Strings;
pub use terminator::Terminator;
pub use terminator_factory::TerminatorFactory;
pub use terminator_handler::TerminatorHandler;
pub use terminator_receiver::TerminatorReceiver;
