use super::Settings;

impl Settings {
    /// These settings after the file was read again as `new`: everything from `new`, but what a running server cannot change
    /// stays; of that, the names of what `new` would change, as they stand in the file. Of the certificate the paths stay; what
    /// is in the files is read again by the endpoints.
    #[must_use]
    pub fn reloaded(&self, mut new: Self) -> (Self, Vec<&'static str>) {
        let mut unchanged = Vec::new();
        // One that the server has made itself is in no file.
        if new.cloaks.key.is_none() {
            new.cloaks.key.clone_from(&self.cloaks.key);
        }
        keep("[server] name", &self.server_name, &mut new.server_name, &mut unchanged);
        keep("[server] network", &self.network, &mut new.network, &mut unchanged);
        keep("[server] database", &self.database, &mut new.database, &mut unchanged);
        keep("[listen]", &self.listen, &mut new.listen, &mut unchanged);
        keep("[tls]", &self.tls, &mut new.tls, &mut unchanged);
        keep("[cluster]", &self.cluster, &mut new.cluster, &mut unchanged);
        keep("[cloaks]", &self.cloaks, &mut new.cloaks, &mut unchanged);
        (new, unchanged)
    }
}

fn keep<T: Clone + PartialEq>(name: &'static str, old: &T, new: &mut T, unchanged: &mut Vec<&'static str>) {
    if old != new {
        new.clone_from(old);
        unchanged.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_change_changes_and_what_cannot_stays_and_is_named() {
        let old = Settings::default();
        let mut new = Settings { motd: vec!["new".into()], server_name: "other.example".into(), ..Settings::default() };
        new.limits.nick_length = 9;
        new.listen.plain = vec!["7000".into()];
        let (settings, unchanged) = old.reloaded(new);
        assert_eq!((settings.motd, settings.limits.nick_length), (vec!["new".to_owned()], 9));
        assert_eq!((settings.server_name, settings.listen), (old.server_name, old.listen));
        assert_eq!(unchanged, ["[server] name", "[listen]"]);
    }
}
