/// What the closure given to a receiver's `factory` may return: a handler, or an `Option` of one, where `None` refuses
/// the connection. `K` is the handle that the closure is given.
pub trait IntoHandler<K> {
    /// The handler's type.
    type Handler;

    /// The handler, or `None` to refuse the connection.
    fn into_handler(self) -> Option<Self::Handler>;
}

impl<K, H: IntoHandler<K>> IntoHandler<K> for Option<H> {
    type Handler = H::Handler;

    fn into_handler(self) -> Option<H::Handler> {
        self.and_then(H::into_handler)
    }
}
