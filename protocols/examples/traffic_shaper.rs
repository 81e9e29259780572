//! Sends characters without end, limited to 20 kB a second in total, and for each host to ten kilobytes at once and 1
//! kB a second from then on: `traffic_shaper [ADDRESS]`.

use std::collections::HashMap;
use std::{env, io};

use protocols::policies::{Bucket, Throttle};
use protocols::wire::Chargen;
use reactor::{Factory, Reactor, Transport};

fn shaped() -> impl Factory {
    let server = Bucket::new(20_000, 20_000);
    let mut hosts = HashMap::new();
    let throttle = move |transport: &Transport| {
        let host = transport.peer().socket_addr().map(|address| address.ip());
        let bucket: &mut Bucket = hosts.entry(host).or_insert_with(|| server.child(1_000, 10_000));
        Throttle::new().sending(bucket.clone())
    };
    Throttle::around(throttle, Chargen::new)
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(address, shaped())?;
    println!("listening on {}", port.host());
    reactor.run()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use reactor::Protocol;
    use reactor::testing::Simulation;

    use super::*;

    /// Counts what one host receives.
    struct Count(Rc<Cell<usize>>);

    impl Protocol for Count {
        fn data_received(&mut self, data: &[u8]) {
            self.0.set(self.0.get() + data.len());
        }
    }

    /// The bytes that each of these hosts has received after a time, over two connections.
    fn received(hosts: usize, time: Duration) -> Vec<usize> {
        let sim = Simulation::new(1);
        sim.host("server").listen_tcp(8000, shaped()).unwrap();
        let connect = |number: usize| {
            let (client, count) = (sim.host(&format!("client {number}")), Rc::<Cell<usize>>::default());
            for _ in 0..2 {
                let count = Rc::clone(&count);
                client.connect_tcp("server:8000", move |_: Transport| Count(Rc::clone(&count)));
            }
            count
        };
        let counts: Vec<_> = (0..hosts).map(connect).collect();
        sim.run_for(time);
        counts.iter().map(|count| count.get()).collect()
    }

    #[test]
    fn a_host_is_sent_ten_kilobytes_at_once_and_one_a_second_from_then_on() {
        for seconds in [10, 100] {
            let (bytes, expected) = (received(1, Duration::from_secs(seconds))[0], 10_000 + 1_000 * seconds as usize);
            assert!(bytes.abs_diff(expected) <= expected / 10, "{bytes} bytes in {seconds} s");
        }
    }

    #[test]
    fn all_hosts_together_are_sent_no_more_than_the_server_may() {
        let (bytes, expected) = (received(50, Duration::from_secs(10)).iter().sum::<usize>(), 20_000 + 20_000 * 10);
        assert!(bytes.abs_diff(expected) <= expected / 10, "{bytes} bytes");
    }
}
