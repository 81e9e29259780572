//! Text written in parts.

/// The beginning of an incomplete character.
#[derive(Default)]
pub(super) struct Characters(Vec<u8>);

impl Characters {
    /// Whether the output ends with a complete character.
    pub(super) fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends text up to the last complete character, in two parts that belong together; false if it is not UTF-8.
    pub(super) fn send(&mut self, mut data: &[u8], send: impl FnOnce([&[u8]; 2])) -> bool {
        let begun = &mut self.0;
        // Up to three more bytes complete a character.
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
