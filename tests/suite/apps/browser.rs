//! A page in a real browser.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::apps::peers::script;
use crate::apps::program::Program;
use crate::apps::tools::is_there;

/// Chromium, driven by `peers/browser.py`.
pub(crate) struct Browser {
    program: Program,
    /// Where it keeps its files.
    _directory: TempDir,
}

impl Browser {
    /// Opens a page; `None` if the test called `test` is skipped.
    #[track_caller]
    pub(crate) fn open(url: &str, options: &[String], test: &str) -> Option<Self> {
        let tools = "command -v python3 && command -v chromium && command -v chromedriver";
        if !is_there("Chromium with its driver", Command::new("sh").args(["-c", tools]), test) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let program = Program::start(script("browser.py").arg(url).arg(directory.path()).args(options));
        Some(Self { program, _directory: directory })
    }

    /// What a body of JavaScript returns.
    #[track_caller]
    pub(crate) fn value(&mut self, script: &str) -> Value {
        self.call(&json!(["value", script]))
    }

    /// Waits until a body of JavaScript returns something true, and returns that.
    #[track_caller]
    pub(crate) fn wait(&mut self, script: &str) -> Value {
        self.call(&json!(["wait", script]))
    }

    /// Types into the first element that fits the selector.
    #[track_caller]
    pub(crate) fn type_into(&mut self, selector: &str, text: &str) {
        self.call(&json!(["keys", selector, text]));
    }

    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        self.call(&json!(["click", selector]));
    }

    /// Has the page see a feature of the medium, such as `prefers-color-scheme`.
    #[track_caller]
    pub(crate) fn prefer(&mut self, name: &str, value: &str) {
        let features = json!({"features": [{"name": name, "value": value}]});
        self.call(&json!(["tool", "Emulation.setEmulatedMedia", features]));
    }

    /// Has the page see a window of this size, in pixels.
    #[track_caller]
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call(&json!(["tool", "Emulation.setDeviceMetricsOverride", size]));
    }

    /// What the browser has said about the page, such as what its policy forbids.
    #[track_caller]
    pub(crate) fn complaints(&mut self) -> Value {
        self.call(&json!(["complaints"]))
    }

    #[track_caller]
    pub(crate) fn close(self) {
        self.program.close_and_finish().with_code(0);
    }

    #[track_caller]
    fn call(&mut self, command: &Value) -> Value {
        self.program.type_in(format!("{command}\n"));
        serde_json::from_str(&self.program.line()).unwrap()
    }
}

/// What stands for the key in text that is typed.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ARROW_UP: &str = "\u{e013}";
