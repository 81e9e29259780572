use std::io;

use socket2::Socket;

/// How many bytes the system may hold for a socket of datagrams; `None` for its default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BufferSizes {
    pub(crate) receive: Option<usize>,
    pub(crate) send: Option<usize>,
}

impl BufferSizes {
    pub(crate) fn set_on(&self, socket: &Socket) -> io::Result<()> {
        if let Some(bytes) = self.receive {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send {
            socket.set_send_buffer_size(bytes)?;
        }
        Ok(())
    }
}
