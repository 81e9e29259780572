//! What the servers of HTTP/1.1 (RFC 9112) here have in common: web sockets, pages, metrics.

mod head;
mod one_answer;
mod refusal;
mod request;

pub(crate) use head::{Head, MOST_FIELDS, at_most_one, elements, fields, has_element, is_token, single};
pub(crate) use one_answer::{Answer, OneAnswer, Responder};
pub(crate) use refusal::Refusal;
pub(crate) use request::{check_host, host_of, parse};
