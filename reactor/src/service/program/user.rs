//! The user that a program goes on as.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Uid, User as SystemUser, initgroups, setgid, setuid};

/// A user of this system.
pub(crate) struct User {
    name: CString,
    uid: Uid,
    gid: Gid,
}

impl User {
    /// Looks the user up.
    pub(crate) fn named(name: &str) -> io::Result<Self> {
        let missing = || {
            let message = format!("cannot become user '{}': there is no such user", name.escape_debug());
            io::Error::new(io::ErrorKind::NotFound, message)
        };
        let system_name = CString::new(name).map_err(|_| missing())?;
        let user = SystemUser::from_name(name)?.ok_or_else(missing)?;
        Ok(Self { name: system_name, uid: user.uid, gid: user.gid })
    }

    pub(crate) fn id(&self) -> u32 {
        self.uid.as_raw()
    }

    /// Makes this process, with all of its threads, one of the user, of its group and of the groups that it is in. There is
    /// no way back. Does nothing if it is one already.
    pub(crate) fn assume(&self) -> io::Result<()> {
        if (Uid::current(), Uid::effective()) == (self.uid, self.uid) {
            return Ok(());
        }
        let assumed = initgroups(&self.name, self.gid).and_then(|()| setgid(self.gid)).and_then(|()| setuid(self.uid));
        assumed.map_err(|error| {
            let message = format!("cannot become user '{}': {}", self.name.to_string_lossy(), io::Error::from(error));
            io::Error::new(io::Error::from(error).kind(), message)
        })?;
        if !self.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
            return Err(io::Error::other("the privileges of root could not be given up"));
        }
        Ok(())
    }
}
