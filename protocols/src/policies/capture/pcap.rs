//! The container of a capture: the classic libpcap file (draft-ietf-opsawg-pcap), with link type `USER0` (147).

use std::io;
use std::io::Read;
use std::time::Duration;

/// The beginning of a file; [`record`] writes the rest.
pub(crate) const HEADER: [u8; 24] = {
    let mut header = *b"\xa1\xb2\xc3\xd4\0\x02\0\x04\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0";
    header[23] = USER0;
    header
};

const USER0: u8 = 147;

/// Appends a record, `head` followed by `data`, to the output. `time` is since 1970.
pub(crate) fn record(out: &mut Vec<u8>, time: Duration, head: &[u8], data: &[u8]) {
    // Seconds are 32 bits wide and wrap in 2106.
    out.extend((time.as_secs() as u32).to_be_bytes());
    out.extend(time.subsec_micros().to_be_bytes());
    let len = ((head.len() + data.len()) as u32).to_be_bytes();
    out.extend(len);
    out.extend(len);
    out.extend(head);
    out.extend(data);
}

/// Reads the records of a file in either byte order.
pub(crate) struct Records<R> {
    file: R,
    big_endian: bool,
    nanoseconds: bool,
}

impl<R: Read> Records<R> {
    /// Reads the header of the file.
    pub(crate) fn new(mut file: R) -> io::Result<Self> {
        let mut header = [0; HEADER.len()];
        file.read_exact(&mut header)?;
        let magic = [header[0], header[1], header[2], header[3]];
        let (big_endian, nanoseconds) = match &magic {
            b"\xa1\xb2\xc3\xd4" => (true, false),
            b"\xd4\xc3\xb2\xa1" => (false, false),
            b"\xa1\xb2\x3c\x4d" => (true, true),
            b"\x4d\x3c\xb2\xa1" => (false, true),
            _ => return Err(invalid(format!("not a pcap file: it begins with {}", magic.escape_ascii()))),
        };
        let records = Self { file, big_endian, nanoseconds };
        let link_type = records.number(&header, 5);
        if link_type != u32::from(USER0) {
            return Err(invalid(format!("not a capture of this crate: the link type is {link_type}, not {USER0}")));
        }
        Ok(records)
    }

    /// The next record, with its time since 1970; `None` at the end of the file, or if the last record is incomplete,
    /// as left by a killed program.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Duration, Vec<u8>)>> {
        let mut header = Vec::new();
        self.file.by_ref().take(16).read_to_end(&mut header)?;
        if header.len() < 16 {
            return Ok(None);
        }
        let (fraction, len, original_len) = (self.number(&header, 1), self.number(&header, 2), self.number(&header, 3));
        if len != original_len {
            return Err(invalid(format!("of {original_len} bytes only {len} were captured: it cannot be replayed")));
        }
        let fraction = Duration::from_nanos(u64::from(fraction) * if self.nanoseconds { 1 } else { 1000 });
        // It grows with the actual bytes, whatever length is claimed.
        let mut data = Vec::new();
        self.file.by_ref().take(len.into()).read_to_end(&mut data)?;
        let is_whole = data.len() == len as usize;
        let time = Duration::from_secs(self.number(&header, 0).into()) + fraction;
        Ok(is_whole.then_some((time, data)))
    }

    /// The number at the `index`th four bytes of a header.
    fn number(&self, header: &[u8], index: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&header[4 * index..][..4]);
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// An error that says what is wrong with a file.
pub(crate) fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
