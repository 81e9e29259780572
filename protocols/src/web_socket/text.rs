//! Text that is written in parts.

/// The beginning of a character that is still to be finished.
#[derive(Default)]
pub(super) struct Characters(Vec<u8>);

impl Characters {
    /// Whether what was written ends with a whole character.
    pub(super) fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends as much as ends with a whole character, in two parts that belong together; false if it is no text.
    pub(super) fn send(&mut self, mut data: &[u8], send: impl FnOnce([&[u8]; 2])) -> bool {
        let begun = &mut self.0;
        // At most three bytes more finish a character.
        while !begun.is_empty() && !data.is_empty() {
            begun.push(data[0]);
            data = &data[1..];
            match str::from_utf8(begun) {
                Ok(_) => break,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        let whole = match str::from_utf8(data) {
            Ok(_) => data.len(),
            Err(error) if error.error_len().is_some() => return false,
            Err(error) => error.valid_up_to(),
        };
        if str::from_utf8(begun).is_ok() && begun.len() + whole > 0 {
            send([begun, &data[..whole]]);
            begun.clear();
        }
        begun.extend_from_slice(&data[whole..]);
        true
    }
}
