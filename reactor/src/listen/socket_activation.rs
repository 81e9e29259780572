//! The service manager's variables for the sockets that it has opened for this program: `LISTEN_PID`, `LISTEN_FDS` and
//! `LISTEN_FDNAMES` of `sd_listen_fds(3)`.

/// The sockets that were handed to this program.
#[derive(Debug)]
pub(crate) struct Activation {
    count: u32,
    names: Vec<String>,
}

impl Activation {
    /// Reads the variables, if they are meant for this `process`. They are not changed: other threads may be reading
    /// the environment, and children can tell from the process id that they are not meant.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>, process: u32) -> Result<Self, String> {
        let number = |name: &str| {
            let Some(text) = variable(name) else {
                return Err(format!("no sockets were passed to this program: {name} is not set"));
            };
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| digits).ok_or_else(|| format!("{name} is not a number: {text:?}"))
        };
        let meant = number("LISTEN_PID")?;
        if meant != process {
            return Err(format!(
                "the sockets that were passed are meant for process {meant} (LISTEN_PID), and this is {process}"
            ));
        }
        let count = number("LISTEN_FDS")?;
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let names = if names.is_empty() { Vec::new() } else { names.split(':').map(str::to_owned).collect() };
        Ok(Self { count, names })
    }

    /// The number of the socket with this index, from 0.
    pub(crate) fn number_of(&self, index: u32) -> Result<i32, String> {
        let number = (index < self.count).then(|| i32::try_from(index).ok()?.checked_add(FIRST)).flatten();
        number.ok_or_else(|| match self.count {
            1 => format!("there is no socket with the index {index}: there is one, with the index 0"),
            count => format!("there is no socket with the index {index}: {count} were passed"),
        })
    }

    /// The numbers of the sockets with this name, at least one.
    pub(crate) fn named(&self, name: &str) -> Result<Vec<i32>, String> {
        let indices = (0..self.count).zip(&self.names).filter(|(_, other)| *other == name);
        let numbers: Vec<_> = indices.filter_map(|(index, _)| self.number_of(index).ok()).collect();
        match &numbers[..] {
            [] if self.names.is_empty() => {
                Err(format!("there is no socket with the name {name:?}: they have no names (LISTEN_FDNAMES)"))
            }
            [] => Err(format!("there is no socket with the name {name:?}; known names: {}", self.names.join(", "))),
            _ => Ok(numbers),
        }
    }
}

/// The number of the first descriptor: `SD_LISTEN_FDS_START`.
const FIRST: i32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(process: &str, count: &str, names: &str) -> Result<Activation, String> {
        let value = |name: &str| match name {
            "LISTEN_PID" => process,
            "LISTEN_FDS" => count,
            _ => names,
        };
        Activation::read(|name| Some(value(name)).filter(|value| *value != "-").map(str::to_owned), 7)
    }

    #[test]
    fn sockets_are_found_by_index_and_by_name() {
        let activation = read("7", "3", "web:lines:web").unwrap();
        assert_eq!([0, 1, 2].map(|index| activation.number_of(index)), [Ok(3), Ok(4), Ok(5)]);
        assert_eq!(activation.named("web"), Ok(vec![3, 5]));
        assert_eq!(activation.named("lines"), Ok(vec![4]));
    }

    #[test]
    fn what_is_not_there_is_explained() {
        let error = |process, count, names| read(process, count, names).unwrap_err();
        assert_eq!(error("-", "1", ""), "no sockets were passed to this program: LISTEN_PID is not set");
        assert_eq!(error("7", "-", ""), "no sockets were passed to this program: LISTEN_FDS is not set");
        assert_eq!(error("7", "+1", ""), "LISTEN_FDS is not a number: \"+1\"");
        assert_eq!(
            error("8", "1", ""),
            "the sockets that were passed are meant for process 8 (LISTEN_PID), and this is 7"
        );
        let nameless = read("7", "1", "-").unwrap();
        assert_eq!(
            nameless.number_of(1).unwrap_err(),
            "there is no socket with the index 1: there is one, with the index 0"
        );
        assert_eq!(
            nameless.named("web").unwrap_err(),
            "there is no socket with the name \"web\": they have no names (LISTEN_FDNAMES)"
        );
        let two = read("7", "2", "a:b:c").unwrap();
        assert_eq!(two.number_of(2).unwrap_err(), "there is no socket with the index 2: 2 were passed");
        assert_eq!(two.named("c").unwrap_err(), "there is no socket with the name \"c\"; known names: a, b, c");
    }

    #[test]
    fn a_count_that_cannot_be_costs_nothing() {
        let activation = read("7", "4294967295", "a").unwrap();
        assert_eq!(activation.named("a"), Ok(vec![3]));
        assert!(activation.number_of(u32::MAX - 1).is_err());
        assert!(read("7", "4294967296", "a").is_err());
    }
}
