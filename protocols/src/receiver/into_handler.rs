/// The return value of the closure given to a receiver's `factory`: a handler, or an `Option` of one, where `None`
/// refuses the connection. `K` is the handle passed to the closure.
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
