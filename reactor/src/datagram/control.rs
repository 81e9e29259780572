//! What the system learns of a datagram besides its bytes: control messages, laid out as the kernel reads them
//! (`cmsg(3)`).

use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::{ControlMessageOwned, RecvMsg, SockaddrStorage};

/// Control messages for one call, without an allocation.
pub(crate) struct Control {
    bytes: [u8; ROOM],
    len: usize,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; ROOM], len: 0 }
    }

    /// Has the system split the bytes into datagrams of this length as late as possible (generic segmentation offload).
    pub(crate) fn segments(self, len: u16) -> Self {
        self.with(libc::SOL_UDP, libc::UDP_SEGMENT, &[&len.to_ne_bytes()])
    }

    /// Sends from this address, in the family of the socket (`IP_PKTINFO` of `ip(7)`, `IPV6_PKTINFO` of RFC 3542, section 6.2).
    pub(crate) fn from(self, source: SocketAddr) -> Self {
        match source {
            // With index 0, the routes choose the interface.
            SocketAddr::V4(source) => {
                self.with(libc::IPPROTO_IP, libc::IP_PKTINFO, &[&[0; 4], &source.ip().octets(), &[0; 4]])
            }
            SocketAddr::V6(source) => {
                let interface = source.scope_id().to_ne_bytes();
                self.with(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &[&source.ip().octets(), &interface])
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn with(mut self, level: i32, kind: i32, data: &[&[u8]]) -> Self {
        let len = HEADER + data.iter().map(|part| part.len()).sum::<usize>();
        let header: [&[u8]; 3] = [&len.to_ne_bytes(), &level.to_ne_bytes(), &kind.to_ne_bytes()];
        let mut at = self.len;
        for part in header.iter().chain(data) {
            self.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        self.len += len.next_multiple_of(size_of::<usize>());
        self
    }
}

/// The total length, a level and a type.
const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();

/// Room for both messages, with the longer kind of address and padding.
const ROOM: usize = 2 * HEADER + 8 + 24;

/// The address that a datagram was sent to, if the socket was set up to report it.
pub(crate) fn sent_to(received: &RecvMsg<'_, '_, SockaddrStorage>, port: u16) -> Option<SocketAddr> {
    received.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            // Already in network byte order.
            Some((IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()), port).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let mut address = SocketAddr::from((info.ipi6_addr.s6_addr, port));
            if let SocketAddr::V6(address) = &mut address
                && address.ip().is_unicast_link_local()
            {
                address.set_scope_id(info.ipi6_ifindex);
            }
            Some(address)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stand_one_behind_the_other_each_aligned() {
        let control = Control::new().segments(1_200).from("[fe80::1%3]:7".parse().unwrap());
        let bytes = control.as_bytes();
        let aligned = (HEADER + 2).next_multiple_of(size_of::<usize>());
        assert_eq!(bytes[..size_of::<usize>()], (HEADER + 2).to_ne_bytes());
        assert_eq!(bytes[HEADER..HEADER + 2], 1_200_u16.to_ne_bytes());
        assert_eq!(bytes[aligned..aligned + size_of::<usize>()], (HEADER + 20).to_ne_bytes());
        assert_eq!(bytes[aligned + HEADER..][..2], [0xfe, 0x80]);
        assert_eq!(bytes[aligned + HEADER + 16..][..4], 3_u32.to_ne_bytes());
        assert_eq!(bytes.len() % size_of::<usize>(), 0);
        assert_eq!(Control::new().from("127.0.0.2:7".parse().unwrap()).as_bytes()[HEADER + 4..][..4], [127, 0, 0, 2]);
    }
}
