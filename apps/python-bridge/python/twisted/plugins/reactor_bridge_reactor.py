from twisted.application.reactors import Reactor

rust = Reactor("rust", "reactor_bridge", "A reactor in Rust, on Tokio.")
