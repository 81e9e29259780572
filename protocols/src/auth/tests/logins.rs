use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use reactor::testing::{StringTransport, expect_panic};
use reactor::{Protocol, Transport};

use super::*;
use crate::auth::{AllowAnonymous, Anonymous, Token};
use crate::policies::IdleTimeout;

type End = fn(&mut StringTransport);

/// Everything that can end a connection.
const ENDINGS: [(&str, End); 7] = [
    ("the peer's end of stream", |wire| wire.receive_eof()),
    ("a failure", |wire| wire.break_connection(io::ErrorKind::ConnectionReset.into())),
    ("lose_connection", |wire| {
        wire.transport().lose_connection();
        wire.settle();
        wire.receive_eof();
    }),
    ("abort_connection", |wire| {
        wire.transport().abort_connection();
        wire.settle();
    }),
    ("a drain", |wire| {
        wire.transport().drain();
        wire.settle();
        wire.advance(Duration::from_secs(60));
        wire.receive_eof();
    }),
    ("a panic", |wire| {
        wire.transport().call_later(Duration::ZERO, |_: &mut Session| panic!("asked to"));
        expect_panic("asked to", || wire.settle());
    }),
    ("the end of the reactor", |_| {}),
];

#[test]
fn a_login_ends_once_whatever_ends_its_connection() {
    for (ending, end) in ENDINGS {
        let realm = Members::default();
        let portal = Portal::new(realm.clone());
        portal.register_checker(AllowAnonymous);
        let mut wire = StringTransport::connect(serve(&portal));
        wire.receive("AUTH ANONYMOUS =\r\n");
        assert_eq!((realm.made(), realm.logged_out().len()), (1, 0), "{ending}");
        end(&mut wire);
        drop(wire);
        assert_eq!((realm.made(), realm.logged_out().len()), (1, 1), "{ending}");
    }
}

/// The stages of a login, each of which goes on when the test says so.
#[derive(Clone, Default)]
struct Stages(Rc<RefCell<Vec<oneshot::Sender<()>>>>);

impl Stages {
    async fn stage(&self) {
        let (tell, told) = oneshot::channel();
        self.0.borrow_mut().push(tell);
        let _ = told.await;
    }

    /// Lets a login go on; false if none waits.
    fn go_on(&self) -> bool {
        let waiting = self.0.borrow_mut().pop();
        waiting.is_some_and(|stage| stage.send(()).is_ok())
    }
}

struct SlowMembers(Members, Stages);

#[async_trait(?Send)]
impl Realm for SlowMembers {
    type Avatar = Member;

    async fn request_avatar(&self, who: &Identity) -> Result<Member, LoginError> {
        self.1.stage().await;
        let member = self.0.request_avatar(who).await;
        self.1.stage().await;
        member
    }

    fn log_out(&self, member: &Member) {
        self.0.log_out(member);
    }
}

#[test]
fn a_connection_may_end_at_every_moment_of_a_login() {
    for (ending, end) in ENDINGS {
        let mut answered = 0;
        for moment in 0.. {
            let (realm, stages) = (Members::default(), Stages::default());
            let portal = Portal::new(SlowMembers(realm.clone(), stages.clone()));
            let checking = stages.clone();
            portal.register_checker(async move |_: Password, _| {
                checking.stage().await;
                checking.stage().await;
                Ok(Some("ann".into()))
            });
            let mut wire = StringTransport::connect(serve(&portal));
            wire.receive("LOGIN ann x\r\n");
            let mut done = 0;
            while done < moment && stages.go_on() {
                wire.settle();
                done += 1;
            }
            end(&mut wire);
            let is_logged_in = wire.written_text().contains("OK ann");
            drop(wire);
            // The last stage of a realm that was dropped: an avatar that nobody got is only dropped.
            let delivered = usize::from(is_logged_in);
            assert_eq!(realm.logged_out().len(), delivered, "{ending}, after {moment} stages");
            answered += delivered;
            if done < moment {
                break;
            }
        }
        assert!(answered > 0, "{ending}");
    }
}

#[test]
fn a_login_that_was_made_and_not_delivered_is_logged_out() {
    /// Ends its connection in the turn in which the login is delivered.
    struct Hasty {
        transport: Transport,
    }
    impl Protocol for Hasty {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let realm = Members::default();
    let portal = Portal::new(realm.clone());
    portal.register_checker(AllowAnonymous);
    for ends_first in [true, false] {
        let before = realm.made();
        let wire = StringTransport::connect(|transport| Hasty { transport });
        let transport = wire.transport().clone();
        if ends_first {
            transport.defer(async {}, |this: &mut Hasty, ()| this.transport.abort_connection());
        }
        portal.login(&transport, Anonymous, |this: &mut Hasty, login| {
            drop(login);
            this.transport.abort_connection();
        });
        drop(wire);
        assert_eq!(realm.logged_out().len(), realm.made());
        assert!(realm.made() >= before);
    }
}

#[test]
fn a_login_that_is_kept_elsewhere_ends_with_its_connection_and_not_again_when_it_is_dropped() {
    let kept = Rc::new(RefCell::new(Vec::new()));
    let realm = Members::default();
    let portal = Portal::new(realm.clone());
    portal.register_checker(AllowAnonymous);

    struct Keeper;
    impl Protocol for Keeper {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let mut wire = StringTransport::connect(|_| Keeper);
    let keep = Rc::clone(&kept);
    let transport = wire.transport().clone();
    portal.login(&transport, Anonymous, move |_: &mut Keeper, login| keep.borrow_mut().push(login.unwrap()));
    wire.settle();
    assert!(!kept.borrow()[0].is_over());
    wire.receive_eof();
    assert_eq!(realm.logged_out(), ["(anonymous)"]);
    assert!(kept.borrow()[0].is_over() && kept.borrow()[0].0 == "(anonymous)");
    kept.borrow_mut().clear();
    assert_eq!(realm.logged_out().len(), 1);
}

#[test]
fn a_connection_may_log_in_and_out_any_number_of_times() {
    let realm = Members::default();
    let portal = Portal::new(realm.clone());
    portal.register_checker(AllowAnonymous);
    let mut wire = StringTransport::connect(serve(&portal));
    for _ in 0..1000 {
        wire.receive("AUTH ANONYMOUS =\r\nWHO\r\n");
        assert_eq!(wire.take_written_text(), "OK (anonymous)\r\n(anonymous)\r\n");
        wire.receive("LOGOUT\r\nWHO\r\n");
        assert_eq!(wire.take_written_text(), "nobody\r\n");
    }
    assert_eq!((realm.made(), realm.logged_out().len()), (1000, 1000));
}

#[test]
fn a_login_inside_a_layer_ends_with_the_connection_inside() {
    let realm = Members::default();
    let portal = Portal::new(realm.clone());
    portal.register_checker(AllowAnonymous);
    let mut wire = StringTransport::connect(IdleTimeout::around(Duration::from_secs(10), serve(&portal)));
    wire.receive("AUTH ANONYMOUS =\r\n");
    assert_eq!(realm.logged_out().len(), 0);
    wire.advance(Duration::from_secs(11));
    assert_eq!(realm.logged_out().len(), 1);
}

#[test]
fn without_a_checker_the_error_names_the_kind_of_credentials() {
    let portal = Portal::new(Members::default());
    struct Any(Option<String>);
    impl Protocol for Any {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let mut wire = StringTransport::connect(|_| Any(None));
    let transport = wire.transport().clone();
    portal.login(&transport, Token::new("x"), |this: &mut Any, result| this.0 = Some(result.unwrap_err().to_string()));
    wire.settle();
    assert_eq!(wire.protocol::<Any>().0.as_deref(), Some("tokens are not accepted here"));
}

#[test]
fn what_a_log_out_does_may_end_connections_and_drop_logins() {
    /// Ends the connections of all whose logins it keeps.
    struct Cascade(Rc<RefCell<Kept>>);
    type Kept = Vec<(Transport, Option<Login<()>>)>;
    #[async_trait(?Send)]
    impl Realm for Cascade {
        type Avatar = ();
        async fn request_avatar(&self, _who: &Identity) -> Result<(), LoginError> {
            Ok(())
        }
        fn log_out(&self, _avatar: &()) {
            let all = self.0.take();
            all.iter().for_each(|(transport, _)| transport.abort_connection());
        }
    }
    struct Any;
    impl Protocol for Any {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let all = Rc::new(RefCell::new(Vec::new()));
    let portal = Portal::new(Cascade(Rc::clone(&all)));
    portal.register_checker(AllowAnonymous);
    let mut one = StringTransport::connect(|_| Any);
    let mut two = StringTransport::connect_on(one.reactor(), |_| Any);
    for wire in [&mut one, &mut two] {
        let (transport, keep) = (wire.transport().clone(), Rc::clone(&all));
        portal.login(&transport.clone(), Anonymous, move |_: &mut Any, login| {
            keep.borrow_mut().push((transport, login.ok()));
        });
        wire.settle();
    }
    assert_eq!(all.borrow().len(), 2);
    one.receive_eof();
    two.settle();
    assert!(two.close_reason().is_some());
}
