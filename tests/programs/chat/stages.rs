//! What a server goes through, and what is measured of it on the way.

use std::io;

use crate::crowd::Crowd;
use crate::figures::Figures;
use crate::round_trips::RoundTrips;
use crate::running::Running;
use crate::servers::{Flood, Server};

/// Measures a server once.
pub(crate) fn measure(server: &Server, clients: usize, figures: &mut Figures) -> io::Result<()> {
    let running = Running::start(server, Flood::Protected)?;
    let mut crowd = Crowd::new(running.port)?;
    gather(&running, &mut crowd, clients, figures)?;
    small_channels(&running, &mut crowd, figures)?;
    // No client says more than a line at a time, so that none is slowed down for it.
    let pairs = clients / 2;
    let at_rest = RoundTrips::measure(&mut crowd, 0..pairs / 5)?;
    figures.add("a line there and one back, median", "µs", at_rest.percentile(50));
    figures.add("a line there and one back, 99th percentile", "µs", at_rest.percentile(99));
    large_channel(&running, &mut crowd, figures)?;
    flood(&running, &mut crowd, Flood::Protected, pairs / 5..pairs, figures)?;
    drop((crowd, running));
    let running = Running::start(server, Flood::Unprotected)?;
    let mut crowd = Crowd::new(running.port)?;
    crowd.connect(&running, clients / 5)?;
    crowd.register(0)?;
    let pairs = (0..pairs / 10).cycle().take(pairs * 4 / 5);
    flood(&running, &mut crowd, Flood::Unprotected, pairs, figures)
}

/// Round trips of these pairs beside others that send as fast as they can.
fn flood(
    running: &Running,
    crowd: &mut Crowd,
    flood: Flood,
    pairs: impl Iterator<Item = usize>,
    figures: &mut Figures,
) -> io::Result<()> {
    crowd.flood(running, FLOODERS)?;
    let (before, lines) = (running.processor_time()?, crowd.flooded());
    let beside = RoundTrips::measure(crowd, pairs)?;
    let spent = running.processor_time()? - before;
    let lines = crowd.flooded() - lines;
    let beside_whom = match flood {
        Flood::Protected => format!("beside {FLOODERS} that flood"),
        Flood::Unprotected => format!("beside {FLOODERS} that may flood"),
    };
    figures.add(format!("there and back {beside_whom}, median"), "µs", beside.percentile(50));
    figures.add(format!("there and back {beside_whom}, 99th percentile"), "µs", beside.percentile(99));
    if flood == Flood::Unprotected {
        let each = (lines > 0).then(|| spent.as_secs_f64() * 1e6 / lines as f64);
        figures.add("a line of theirs, processor time", "µs", each);
    }
    Ok(())
}

/// All connect, and then register.
fn gather(running: &Running, crowd: &mut Crowd, clients: usize, figures: &mut Figures) -> io::Result<()> {
    let each = |value: f64| Some(value / clients as f64);
    let memory = running.memory()?;
    let before = running.processor_time()?;
    crowd.connect(running, clients)?;
    figures.add("memory of a client that is connected", "bytes", each(running.memory()? - memory));
    crowd.register(0)?;
    figures.add("memory of a client that is registered", "bytes", each(running.memory()? - memory));
    let spent = running.processor_time()? - before;
    figures.add("a client connects and registers, processor time", "µs", each(spent.as_secs_f64() * 1e6));
    Ok(())
}

/// All join a channel with nine others, and lines are said in all of them.
fn small_channels(running: &Running, crowd: &mut Crowd, figures: &mut Figures) -> io::Result<()> {
    let memory = running.memory()?;
    crowd.join(|number| format!("#channel{}", number / SMALL))?;
    let channels = crowd.len() / SMALL;
    figures.add(
        format!("memory more, in a channel of {SMALL}"),
        "bytes",
        Some((running.memory()? - memory) / crowd.len() as f64),
    );
    let before = running.processor_time()?;
    for line in 0..LINES {
        for channel in 0..channels {
            for member in (0..SMALL).filter(|member| *member != line) {
                crowd.expect(channel * SMALL + member, &format!("small line {line}."));
            }
            crowd.send(channel * SMALL + line, &format!("PRIVMSG #channel{channel} :small line {line}.\r\n"))?;
        }
        crowd.wait()?;
    }
    let spent = (running.processor_time()? - before).as_secs_f64() * 1e6 / (LINES * channels) as f64;
    figures.add(format!("a line to one of {channels} channels of {SMALL}, processor time"), "µs", Some(spent));
    figures.add(format!("the same, a member of {SMALL}"), "µs", Some(spent / (SMALL - 1) as f64));
    Ok(())
}

/// All join one channel, and lines are said in it.
fn large_channel(running: &Running, crowd: &mut Crowd, figures: &mut Figures) -> io::Result<()> {
    let (memory, clients) = (running.memory()?, crowd.len());
    let before = running.processor_time()?;
    crowd.join(|_| "#all".to_owned())?;
    figures.add(
        format!("memory more, in one channel of {clients}"),
        "bytes",
        Some((running.memory()? - memory) / clients as f64),
    );
    let told = clients as f64 * (clients + 1) as f64 / 2.0;
    let spent = (running.processor_time()? - before).as_secs_f64();
    figures.add(format!("{clients} join one channel, processor time"), "s", Some(spent));
    figures.add("the same, a member that is told of a join", "µs", Some(spent * 1e6 / told));
    let before = running.processor_time()?;
    for line in 0..LINES {
        for number in (0..clients).filter(|number| *number != line) {
            crowd.expect(number, &format!("large line {line}."));
        }
        crowd.send(line, &format!("PRIVMSG #all :large line {line}.\r\n"))?;
        crowd.wait()?;
    }
    let spent = (running.processor_time()? - before).as_secs_f64() * 1e6 / LINES as f64;
    figures.add(format!("a line to a channel of {clients}, processor time"), "µs", Some(spent));
    figures.add(format!("the same, a member of {clients}"), "µs", Some(spent / (clients - 1) as f64));
    Ok(())
}

/// Members of each small channel.
const SMALL: usize = 10;

/// Lines to each channel. They are said by its first members, so that nobody says more than one.
const LINES: usize = 5;

/// How many flood the server.
const FLOODERS: usize = 10;
