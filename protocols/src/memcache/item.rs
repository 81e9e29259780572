use bytes::Bytes;

/// The value that a memcached server stores for a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MemcacheItem {
    /// Any bytes.
    pub value: Bytes,
    /// A number stored with the value; its meaning is up to the program.
    pub flags: u32,
    /// The argument for [`check_and_set`](crate::memcache::MemcacheClient::check_and_set). It changes whenever the
    /// value changes.
    pub cas: u64,
}
