//! What Prometheus is told of the server.

use std::fmt;

use irc_server::connection::{Node, Numbers};
use protocols::metrics::prometheus_client::collector::Collector;
use protocols::metrics::prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use protocols::metrics::prometheus_client::metrics::counter::ConstCounter;
use protocols::metrics::prometheus_client::metrics::gauge::ConstGauge;
use protocols::metrics::prometheus_client::metrics::info::Info;
use protocols::metrics::prometheus_client::registry::Registry;

/// The numbers of a node.
pub(crate) fn registry(node: &Node) -> Registry {
    let mut registry = Registry::with_prefix("irc_server");
    registry.register("build", "The version of the server", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    registry.register_collector(Box::new(OfNode(node.clone())));
    registry
}

#[derive(Debug)]
struct OfNode(Node);

impl Collector for OfNode {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Numbers { clients, users, channels, lines_received, lines_sent, store_waiting } = self.0.numbers();
        for (name, help, number) in [
            ("clients", "Connections of clients to this server", clients),
            ("users", "Users of the network that this server knows", users),
            ("channels", "Channels of the network that this server knows", channels),
            ("store_waiting", "What was asked of the database and has not begun", store_waiting),
        ] {
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        for (name, help, number) in [
            ("lines_received", "Lines that clients have sent", lines_received),
            ("lines_sent", "Lines that clients were sent", lines_sent),
        ] {
            let counter = ConstCounter::new(number);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}
