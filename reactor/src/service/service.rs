use std::error::Error;
use std::future::pending;
use std::rc::Rc;

use async_trait::async_trait;

/// Something that starts and stops: a port, a timer, a connection that is kept up, or several of them as a
/// [`MultiService`](crate::service::MultiService). Twisted's `IService`.
///
/// A service is started by its parent: a `MultiService`, or the [`Runner`](crate::service::Runner) of the program.
/// Parents call `start` and `stop` in turn, one at a time, and catch a panic in any method: it counts as a failure. Any
/// of the futures may be dropped halfway, because a signal has come.
///
/// ```
/// use std::cell::RefCell;
/// use reactor::{Port, Protocol, Reactor, Transport};
/// use reactor::service::{Service, ServiceError};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// /// Two ports that are only useful together.
/// struct Both { reactor: Reactor, ports: RefCell<Vec<Port>> }
///
/// #[async_trait::async_trait(?Send)]
/// impl Service for Both {
///     fn name(&self) -> &str {
///         "both"
///     }
///
///     async fn start(&self) -> Result<(), ServiceError> {
///         for port in [8007, 8008] {
///             let port = self.reactor.listen_tcp(port, |transport| Echo { transport })?;
///             self.ports.borrow_mut().push(port);
///         }
///         Ok(())
///     }
///
///     async fn stop(&self) {
///         for port in self.ports.take() {
///             port.stop_listening().await;
///         }
///     }
/// }
/// ```
#[async_trait(?Send)]
pub trait Service: 'static {
    /// The name of the service in logs.
    fn name(&self) -> &str;

    /// Starts, and resolves when the service serves. It may have been started and stopped before. Twisted's
    /// `startService`.
    ///
    /// # Errors
    ///
    /// If the service cannot be started: a sentence that says what failed, and why. `stop` is then called, too.
    async fn start(&self) -> Result<(), ServiceError>;

    /// Stops, and resolves when the service has stopped. Also called after a failure, after an incomplete start, and
    /// after an earlier `stop` was dropped. Twisted's `stopService`.
    async fn stop(&self);

    /// Resolves when the service has failed by itself since its last start, at once if it already has; never, unless
    /// this is implemented. The parent waits for it between start and stop, and may do so many times.
    async fn failed(&self) -> ServiceError {
        pending().await
    }

    /// Reads a changed configuration and goes on, as SIGHUP requests.
    ///
    /// # Errors
    ///
    /// If the configuration cannot be read or is wrong: a sentence for the log. The service goes on with what it has; it
    /// has not [failed](Self::failed).
    async fn reload(&self) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// Why a service could not be started, or has failed: any error, such as [`io::Error`](std::io::Error), or a text.
pub type ServiceError = Box<dyn Error + Send + Sync>;

/// For code that keeps a handle of a service that its parent starts.
#[async_trait(?Send)]
impl<S: Service + ?Sized> Service for Rc<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn start(&self) -> Result<(), ServiceError> {
        (**self).start().await
    }

    async fn stop(&self) {
        (**self).stop().await;
    }

    async fn failed(&self) -> ServiceError {
        (**self).failed().await
    }

    async fn reload(&self) -> Result<(), ServiceError> {
        (**self).reload().await
    }
}
