use std::collections::BTreeSet;

use protocols::irc::MessageBuilder;

use crate::server::Server;
use crate::server::output::capabilities::Caps;
use crate::server::values::ids::ClientId;
use crate::server::values::names::Name;

/// Lines that tell of one netsplit, or of its end. A client gets the beginning with its first line of them.
#[derive(Debug)]
pub(in crate::server) struct NodeBatch {
    pub(in crate::server) name: Name,
    kind: &'static str,
    /// The other node.
    node: Name,
    begun: BTreeSet<ClientId>,
}

impl Server {
    /// Does something whose lines belong together: `netsplit` or `netjoin`, by the name of the other node.
    pub(super) fn in_batch(&mut self, kind: &'static str, node: &str, tell: impl FnOnce(&mut Self)) {
        let name = self.name_batch();
        self.node_batch = Some(NodeBatch { name, kind, node: node.as_bytes().into(), begun: BTreeSet::new() });
        tell(self);
        let Some(batch) = self.node_batch.take() else { return };
        for client in batch.begun {
            self.close_batch(client, Some(&batch.name));
        }
    }

    /// Tells those of these clients that know batches that one has begun, if it has, and they have not been told.
    pub(in crate::server) fn begin_node_batch(&mut self, clients: &[ClientId]) {
        let Some(mut batch) = self.node_batch.take() else { return };
        for &id in clients {
            if self.client(id).is_some_and(|client| client.caps.has(Caps::BATCH)) && batch.begun.insert(id) {
                let message = MessageBuilder::new("BATCH").source(&self.settings.server_name);
                let message = message.param([b"+", &*batch.name].concat()).param(batch.kind);
                self.send_message(id, message.param(&self.settings.server_name).param(&batch.node));
            }
        }
        self.node_batch = Some(batch);
    }
}
