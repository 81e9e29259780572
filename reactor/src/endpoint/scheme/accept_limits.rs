//! The accept limits in the description of any port.

use crate::endpoint::{Argument, Arguments, EndpointError};
use crate::port::accept_limits::{AcceptLimits, AcceptRate};

/// `max-connections=`, `max-pending=` and `rate=`, and for ports whose peers have addresses `per-peer=` and
/// `pending-per-peer=`.
pub(super) fn parse(arguments: &mut Arguments, has_peers: bool) -> Result<AcceptLimits, EndpointError> {
    let mut limits = AcceptLimits::default();
    if let Some(connections) = arguments.optional("max-connections")? {
        limits.connections = limit(&connections)?;
    }
    if let Some(pending) = arguments.optional("max-pending")? {
        limits.pending = limit(&pending)?;
    }
    if let Some(rate) = arguments.optional("rate")? {
        limits.rate = accept_rate(&rate)?;
    }
    if has_peers {
        if let Some(connections) = arguments.optional("per-peer")? {
            limits.per_peer = Some(limit(&connections)?);
        }
        if let Some(pending) = arguments.optional("pending-per-peer")? {
            limits.pending_per_peer = Some(limit(&pending)?);
        }
    }
    Ok(limits)
}

fn limit(argument: &Argument) -> Result<usize, EndpointError> {
    if argument.as_str() == NONE {
        return Ok(usize::MAX);
    }
    let limit = argument.number().filter(|limit| *limit > 0);
    limit.ok_or_else(|| argument.error("is not a limit: a limit is a number from 1, or none"))
}

fn accept_rate(argument: &Argument) -> Result<Option<AcceptRate>, EndpointError> {
    if argument.as_str() == NONE {
        return Ok(None);
    }
    let rate = argument.number().filter(|rate| *rate > 0);
    let rate =
        rate.ok_or_else(|| argument.error("is not a rate: a rate is a number of connections a second, or none"))?;
    Ok(Some(AcceptRate::new(rate, rate)))
}

const NONE: &str = "none";
