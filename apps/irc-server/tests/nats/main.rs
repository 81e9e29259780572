//! Nodes, and the log of a network, on a real `nats-server`. Skipped where none is installed, unless `CI=true`.

mod accounts;
mod bucket;
mod log;
mod node;
mod program;
mod programs;
mod server;
mod tls;
#[path = "../../simulation/toy.rs"]
mod toy;

use irc_server::cluster::bus::BusEvent;

use node::{Node, run};
use server::Server;

#[test]
fn three_nodes_on_one_server_tell_each_other_everything() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let a = Node::start(&reactor, &server.url(), "a.example", 1).await;
        let b = Node::start(&reactor, &server.url(), "b.example", 1).await;
        let c = Node::start(&reactor, &server.url(), "c.example", 1).await;
        a.until_agreed(&[&b, &c]).await;
        for _ in 0..100 {
            for node in [&a, &b, &c] {
                node.publish(10);
            }
        }
        a.until_agreed(&[&b, &c]).await;
        b.until_agreed(&[&a, &c]).await;
    });
}

#[test]
fn a_server_that_is_stopped_and_goes_on_costs_no_event() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let a = Node::start(&reactor, &server.url(), "a", 1).await;
        let b = Node::start(&reactor, &server.url(), "b", 1).await;
        a.until_agreed(&[&b]).await;
        server.stop();
        a.publish(100);
        b.publish(100);
        a.until(|_, link, _| link.stats().nodes_up == 0).await;
        server.go_on();
        a.publish(100);
        a.until_agreed(&[&b]).await;
    });
}

#[test]
fn a_server_that_is_killed_and_started_again_is_a_gap_that_closes() {
    let Some(mut server) = Server::start(&[]) else { return };
    let url = server.url();
    run(async |reactor| {
        let a = Node::start(&reactor, &url, "a", 1).await;
        let b = Node::start(&reactor, &url, "b", 1).await;
        a.until_agreed(&[&b]).await;
        server.kill();
        for node in [&a, &b] {
            node.until(|_, _, events| events.contains(&BusEvent::Down)).await;
            node.publish(100);
        }
        server.start_again();
        a.until_agreed(&[&b]).await;
        a.publish(100);
        a.until_agreed(&[&b]).await;
    });
}

#[test]
fn a_node_that_does_not_read_loses_events_and_gets_a_snapshot() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let fast = Node::start(&reactor, &server.url(), "fast", 1).await;
        let slow = Node::start_deaf(&reactor, &server.url(), "slow", 1).await;
        // Its inbox has 65,536 places.
        for _ in 0..70 {
            fast.publish(1000);
            fast.flush().await;
        }
        slow.listen();
        slow.until(|_, _, events| events.contains(&BusEvent::Gap)).await;
        slow.until_agreed(&[&fast]).await;
    });
}

#[test]
fn a_node_waits_for_a_server_that_is_not_there_yet() {
    let Some(mut server) = Server::start(&[]) else { return };
    server.kill();
    let url = server.url();
    run(async |reactor| {
        let a = Node::start(&reactor, &url, "a", 1).await;
        let b = Node::start(&reactor, &url, "b", 1).await;
        a.publish(10);
        server.start_again();
        a.until_agreed(&[&b]).await;
    });
}

#[test]
fn a_node_that_is_started_again_takes_the_place_of_the_first() {
    let Some(server) = Server::start(&[]) else { return };
    run(async |reactor| {
        let a = Node::start(&reactor, &server.url(), "a", 1).await;
        let b = Node::start(&reactor, &server.url(), "b", 1).await;
        a.publish(10);
        a.until_agreed(&[&b]).await;
        drop(a);
        let a = Node::start(&reactor, &server.url(), "a", 2).await;
        a.publish(5);
        a.until_agreed(&[&b]).await;
    });
}

#[test]
fn user_and_password_or_a_token_stand_in_the_url() {
    for (arguments, credentials) in
        [(&["--user", "irc", "--pass", "s e"][..], "irc:s%20e@"), (&["--auth", "token"][..], "token@")]
    {
        let Some(server) = Server::start(arguments) else { return };
        run(async |reactor| {
            let url = format!("nats://{credentials}{}", server.address());
            let a = Node::start(&reactor, &url, "a", 1).await;
            let b = Node::start(&reactor, &url, "b", 1).await;
            let stranger = Node::start(&reactor, &server.url(), "c", 1).await;
            a.until_agreed(&[&b]).await;
            assert!(!stranger.has_seen(&BusEvent::Up));
        });
    }
}

#[test]
fn of_several_servers_one_is_enough() {
    let Some(mut gone) = Server::start(&[]) else { return };
    let Some(server) = Server::start(&[]) else { return };
    gone.kill();
    let urls = format!("{},{}", gone.url(), server.url());
    run(async |reactor| {
        let a = Node::start(&reactor, &urls, "a", 1).await;
        let b = Node::start(&reactor, &urls, "b", 1).await;
        a.until_agreed(&[&b]).await;
    });
}
