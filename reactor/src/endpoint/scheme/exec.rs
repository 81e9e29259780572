//! `exec:`.

use std::fmt;
use std::process::Command;

use async_trait::async_trait;

use crate::connect::error::{ConnectError, ConnectErrorKind};
use crate::connection::factory::Factory;
use crate::endpoint::{Arguments, ClientEndpoint, EndpointError, FirstConnection};
use crate::reactor::Reactor;
use crate::transport::Transport;

pub(super) fn client(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ClientEndpoint>, EndpointError> {
    let program = arguments.required("program")?;
    if program.as_str().is_empty() {
        return Err(program.error("is not a program: a program is a name or a path"));
    }
    let program = program.to_string();
    let rest = arguments.remaining();
    Ok(Box::new(ExecClient { reactor: reactor.clone(), arguments: arguments.clone(), program, rest }))
}

struct ExecClient {
    reactor: Reactor,
    arguments: Arguments,
    program: String,
    /// The program's arguments.
    rest: Vec<String>,
}

#[async_trait(?Send)]
impl ClientEndpoint for ExecClient {
    /// Starts the child at once. If the attempt is given up before its protocol is built, the protocol is not built,
    /// and the child is killed.
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        let (factory, made) = FirstConnection::around(factory, &self.program);
        match self.reactor.connect_process(Command::new(&self.program).args(&self.rest), factory) {
            Ok(finished) => {
                made.unless(async move {
                    finished.await;
                    None
                })
                .await
            }
            Err(error) => Err(ConnectError::new(&self.program, ConnectErrorKind::Other, Some(error))),
        }
    }
}

impl fmt::Display for ExecClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}
