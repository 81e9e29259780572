//! Rust factories for Python.

pub mod votes;

use pyo3::prelude::*;
use reactor::{Protocol, Transport};

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

/// Answers with what it is sent: `reactor.listenTCP(8007, fast.echo())`.
#[pyfunction]
fn echo() -> bridge::Factory {
    bridge::Factory::new(|transport| Echo { transport })
}

/// Votes that both languages see.
#[pyclass(unsendable, frozen)]
struct Votes(votes::Votes);

#[pymethods]
impl Votes {
    #[new]
    fn new() -> Self {
        Self(votes::Votes::default())
    }

    /// How many a name has.
    fn count(&self, name: &str) -> u64 {
        self.0.borrow().get(name).copied().unwrap_or(0)
    }

    /// What serves the voters.
    fn factory(&self) -> bridge::Factory {
        bridge::Factory::new(votes::factory(self.0.clone()))
    }
}

#[pymodule]
fn fast(module: &Bound<'_, PyModule>) -> PyResult<()> {
    bridge::provide(module.py())?;
    module.add_class::<Votes>()?;
    module.add_function(wrap_pyfunction!(echo, module)?)
}
