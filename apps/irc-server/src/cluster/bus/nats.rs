use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use reactor::Reactor;

use crate::cluster::NodeName;
use crate::cluster::bus::{Bus, BusEvent, Topic};
