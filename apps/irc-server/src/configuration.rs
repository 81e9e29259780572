use std::path::{Path, PathBuf};

use irc_server::settings::{Settings, SettingsError};

use crate::arguments::Arguments;

/// Where settings come from: a file, and options that stand above it.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    file: Option<PathBuf>,
    listen: Vec<String>,
    tls: Vec<String>,
    web: Vec<String>,
    database: Option<PathBuf>,
}

impl Configuration {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        Self {
            file: arguments.config.clone(),
            listen: arguments.listen.clone(),
            tls: arguments.tls.clone(),
            web: arguments.web.clone(),
            database: arguments.database.clone(),
        }
    }

    /// Reads the file, if there is one.
    pub(crate) fn read(&self) -> Result<Settings, SettingsError> {
        let mut settings = match &self.file {
            Some(file) => Settings::read(file)?,
            None => Settings::default(),
        };
        // Who says where to listen means there alone.
        if !self.listen.is_empty() || !self.tls.is_empty() {
            settings.listen.plain.clone_from(&self.listen);
            settings.listen.tls.clone_from(&self.tls);
        }
        if !self.web.is_empty() {
            settings.listen.web.clone_from(&self.web);
        }
        if let Some(database) = &self.database {
            settings.database = Some(database.clone()).filter(|path| path != Path::new(""));
        }
        Ok(settings)
    }
}
