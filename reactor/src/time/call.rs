//! A call of a protocol, from any source.

use std::any::{Any, type_name};
use std::panic::Location;

/// A call of a protocol, or of the handler directly inside it.
pub(crate) type Call = Box<dyn FnOnce(&mut dyn Callee)>;

/// Where a call finds its object.
pub(crate) trait Callee {
    fn protocol(&mut self) -> &mut dyn Any;
    fn handler(&mut self) -> Option<&mut dyn Any>;
    fn name(&self) -> &'static str;
}

/// Hears when a call is due: the shared state of a connection or a datagram port.
pub(crate) trait Notify {
    fn notify(&self, call: Call);
    fn whose(&self) -> Whose;
}

/// What a call belongs to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Whose {
    /// The number of the connection, or of the datagram port.
    pub(crate) connection: Option<u64>,
    /// The type of its protocol, or of a function; empty when the protocol has gone.
    pub(crate) name: &'static str,
}

/// A call that finds its object only when it is due.
pub(crate) fn unchecked_call<P: 'static>(
    call: impl FnOnce(&mut P) + 'static,
    caller: &'static Location<'static>,
) -> Call {
    Box::new(move |callee| call(find::<P>(callee, caller)))
}

pub(crate) fn find<'a, P: 'static>(callee: &'a mut dyn Callee, caller: &Location<'_>) -> &'a mut P {
    let name = callee.name();
    let found = if callee.protocol().is::<P>() { Some(callee.protocol()) } else { callee.handler() };
    found
        .and_then(|found| found.downcast_mut())
        .unwrap_or_else(|| panic!("{} (requested at {caller})", mismatch::<P>(name)))
}

pub(crate) fn mismatch<P>(found: &str) -> String {
    format!("a call of `{}` was requested on a transport whose protocol is `{found}`", type_name::<P>())
}
