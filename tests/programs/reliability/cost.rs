//! What a message costs: allocations and processor time.

use std::io;

use protocols::LineReceiver;
use rig::allocations;
use rig::steady;

use crate::Figure;
use crate::checks::error;
use crate::checks::server;
use crate::load::PingPong;

/// R36: allocations of the server's thread for each message, warmed up.
pub(crate) fn allocations_a_message(messages: usize) -> io::Result<Vec<Figure>> {
    if allocations::allocations() == 0 {
        return Err(error("the allocator does not count"));
    }
    let messages = messages as u64;
    let echo = steady::answering(messages, |meter| move |transport| steady::Echo { transport, meter: meter.clone() });
    let lines = steady::answering(messages, |meter| {
        LineReceiver::factory(move |lines| steady::EchoLines { lines, meter: meter.clone() })
    });
    let forward = steady::forwarding(messages);
    Ok(vec![
        Figure::at_most(0.0, format!("allocations for {messages} echoed messages"), echo as f64),
        Figure::at_most(0.0, format!("allocations for {messages} echoed lines"), lines as f64),
        Figure::at_most(0.0, format!("allocations for {messages} forwarded messages"), forward as f64),
    ])
}

/// Processor time a message, 64 connections with 64 bytes each, beside Tokio's own loop in the same run.
pub(crate) fn processor_time(rounds: usize) -> io::Result<Vec<Figure>> {
    const MESSAGES: usize = 150_000;
    let ours = server("echo", &[]);
    let tokios = server("tokio", &[]);
    let mut load = [PingPong::new(ours.address(), 64, 64)?, PingPong::new(tokios.address(), 64, 64)?];
    let servers = [&ours, &tokios];
    let mut all: [Vec<f64>; 2] = Default::default();
    let mut user: [f64; 2] = Default::default();
    let mut rate: [Vec<f64>; 2] = Default::default();
    load[0].exchange(20_000)?;
    load[1].exchange(20_000)?;
    for _ in 0..rounds {
        for which in 0..2 {
            let (user_before, system_before) = servers[which].cpu();
            let elapsed = load[which].exchange(MESSAGES)?;
            let (user_after, system_after) = servers[which].cpu();
            user[which] += user_after - user_before;
            let used = user_after - user_before + system_after - system_before;
            all[which].push(used * 1e6 / MESSAGES as f64);
            rate[which].push(MESSAGES as f64 / elapsed.as_secs_f64());
        }
    }
    let [ours_all, tokios_all] = all.map(median);
    let [ours_user, tokios_user] = user.map(|seconds| seconds * 1e6 / (MESSAGES * rounds) as f64);
    let [ours_rate, tokios_rate] = rate.map(median);
    Ok(vec![
        Figure::told("us a message", ours_all),
        Figure::told("us a message, Tokio's loop", tokios_all),
        Figure::at_most(1.15, "of Tokio's", ours_all / tokios_all),
        Figure::told("us a message in user mode", ours_user),
        Figure::told("us a message in user mode, Tokio's loop", tokios_user),
        Figure::told("messages a second", ours_rate),
        Figure::told("messages a second, Tokio's loop", tokios_rate),
    ])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
