//! All integration tests, one module a topic.

mod apps;
mod connect;
mod connection;
mod datagram;
mod endpoints;
mod gallery;
mod house;
mod io;
mod layers;
mod listen;
mod protocols;
mod reactor;
mod reliability;
mod service;
mod support;
mod testing;
mod twisted;
mod unix;
