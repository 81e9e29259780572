//! Who clients are: accounts by SASL, operators, the server's password.

use protocols::auth::{Credentials, Identity, LoginError, Password, Portal, SaslExchange, SaslStep};
use protocols::tls::TlsInfo;
use reactor::Transport;

use crate::connection::Session;
use crate::connection::node::Node;
use crate::server::Name;
use crate::server::request::{Answer, LoginFailure};

/// Where the clients of a thread log in.
#[derive(Clone, Debug)]
pub(super) struct Logins {
    portal: Portal<Identity>,
    /// For those whose passwords nobody else can read on the way.
    local: Portal<Identity>,
}

impl Logins {
    pub(super) fn new(node: &Node) -> Self {
        let [portal, local] = [(); 2].map(|()| portal(node));
        local.allow_plain_text();
        Self { portal, local }
    }

    /// Begins a login by SASL, each of whose steps is an answer.
    pub(super) fn start_sasl(&self, transport: &Transport, mechanism: &[u8]) -> SaslExchange {
        let mechanism = String::from_utf8_lossy(mechanism);
        self.portal(transport).start_sasl(transport, &mechanism, None, |this: &mut Session, step| match step {
            SaslStep::Challenge(challenge) => this.answered(Answer::Challenge(challenge)),
            SaslStep::Done(result) => {
                this.set_exchange(None);
                let account = result.map(|login| name_of(login.identity()));
                this.answered(Answer::Login(account.map_err(|error| failure(&error))));
            }
        })
    }

    /// Checks the password of an account, and calls `call` with its name.
    pub(super) fn identify(
        &self,
        transport: &Transport,
        account: &[u8],
        password: Vec<u8>,
        call: impl FnOnce(&mut Session, Result<Name, LoginFailure>) + 'static,
    ) {
        let shown = Password::new(String::from_utf8_lossy(account), password);
        self.portal(transport).login(transport, shown, move |this: &mut Session, result| {
            call(this, result.map(|login| name_of(login.identity())).map_err(|error| failure(&error)));
        });
    }

    /// Checks the server's password.
    pub(super) fn check_server_password(&self, transport: &Transport, password: Vec<u8>) {
        let shown = ServerPassword(Password::new("", password));
        self.portal(transport).login(transport, shown, |this: &mut Session, result| {
            this.answered(Answer::Password(result.inspect_err(note).is_ok()));
        });
    }

    /// Checks the password of an operator.
    pub(super) fn check_operator(&self, transport: &Transport, name: &[u8], password: Vec<u8>, node: &Node) {
        let node = node.clone();
        let shown = OperatorPassword(Password::new(String::from_utf8_lossy(name), password));
        self.portal(transport).login(transport, shown, move |this: &mut Session, result| {
            let login = result.inspect_err(note).ok();
            let settings = node.settings();
            let name = login.as_ref().and_then(|login| login.identity().name());
            let oper = settings.opers.iter().find(|oper| Some(&*oper.name) == name);
            this.answered(Answer::Oper(oper.map(|oper| oper.privileges.clone())));
        });
    }

    fn portal(&self, transport: &Transport) -> &Portal<Identity> {
        let is_local = transport.peer().socket_addr().is_none_or(|address| address.ip().to_canonical().is_loopback());
        if is_local && TlsInfo::of(transport).is_none() { &self.local } else { &self.portal }
    }
}

fn portal(node: &Node) -> Portal<Identity> {
    let portal = node.store().portal();
    let of_server = node.clone();
    portal.register_checker(async move |shown: ServerPassword, reactor| {
        let settings = of_server.settings();
        let matches = shown.0.matches(&reactor, settings.password.as_ref()).await?;
        Ok(matches.then_some(Identity::Anonymous))
    });
    let node = node.clone();
    portal.register_checker(async move |shown: OperatorPassword, reactor| {
        let settings = node.settings();
        let oper = settings.opers.iter().find(|oper| oper.name == shown.0.name());
        let matches = shown.0.matches(&reactor, oper.map(|oper| &oper.password)).await?;
        Ok(matches.then(|| shown.0.name().into()))
    });
    portal
}

/// The password of the server, which has no name.
struct ServerPassword(Password);

impl Credentials for ServerPassword {
    const KIND: &'static str = "passwords of the server";
}

/// The name and the password of an operator. Failures are counted by address alone: an operator is not to be kept out.
struct OperatorPassword(Password);

impl Credentials for OperatorPassword {
    const KIND: &'static str = "passwords of operators";
}

fn name_of(identity: &Identity) -> Name {
    identity.name().unwrap_or_default().as_bytes().into()
}

fn failure(error: &LoginError) -> LoginFailure {
    note(error);
    match error {
        LoginError::Refused | LoginError::Malformed(_) => LoginFailure::Refused,
        LoginError::Unsupported(_) => LoginFailure::Mechanism,
        _ => LoginFailure::Unavailable,
    }
}

/// Logs what is no fault of the client's.
fn note(error: &LoginError) {
    if let LoginError::Failed(cause) = error {
        tracing::error!(%cause, "a login could not be checked");
    }
}
