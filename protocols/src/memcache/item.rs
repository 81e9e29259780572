use bytes::Bytes;

/// What a memcached server has stored for a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MemcacheItem {
    /// Any bytes.
    pub value: Bytes,
    /// A number that was stored with it, and means what the program likes.
    pub flags: u32,
    /// What [`check_and_set`](crate::memcache::MemcacheClient::check_and_set) is to be given. It changes with every change of the
    /// value.
    pub cas: u64,
}
