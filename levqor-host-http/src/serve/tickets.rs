//! How many connections there may be: in all, and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::LimitsConfig;
use crate::guard::Peer;

/// The count.
#[derive(Clone, Debug)]
pub(super) struct Tickets {
    total_max: usize,
    own_max: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by: HashMap<Peer, usize>,
}

/// A connection that is counted until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    held: Arc<Mutex<Held>>,
    peer: Peer,
}

impl Tickets {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        let bound = |bound: usize| if bound == 0 { usize::MAX } else { bound };
        let (total_max, own_max) =
            (bound(limits.connections), bound(limits.connections_per_address));
        Self { total_max, own_max, held: Arc::default() }
    }

    /// One more connection of this address; a proxy's are not counted as one customer's.
    pub(super) fn take(&self, address: IpAddr, is_proxy: bool) -> Option<Ticket> {
        let peer = Peer::of(address);
        let mut held = self.held.lock();
        let own = held.by.get(&peer).copied().unwrap_or_default();
        if held.total >= self.total_max || (own >= self.own_max && !is_proxy) {
            return None;
        }
        held.total += 1;
        *held.by.entry(peer).or_default() += 1;
        Some(Ticket { held: self.held.clone(), peer })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        held.total -= 1;
        if let Some(own) = held.by.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                held.by.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all() {
        let limits =
            LimitsConfig { connections: 5, connections_per_address: 2, ..LimitsConfig::off() };
        let tickets = Tickets::new(&limits);
        let take = |text: &str, is_proxy| tickets.take(text.parse().unwrap(), is_proxy);
        let mut own = vec![take("2001:db8::1", false), take("2001:db8::2", false)];
        assert!(own.iter().all(Option::is_some));
        assert!(take("2001:db8::3", false).is_none(), "the same /64");
        own.push(take("2001:db8::3", true));
        let other = [take("10.0.0.1", false), take("10.0.0.1", false)];
        assert!(other.iter().all(Option::is_some));
        assert!(take("10.0.0.2", false).is_none(), "full");
        own.pop();
        assert!(take("10.0.0.2", false).is_some());
        drop((own, other));
        assert_eq!(tickets.held.lock().total, 0);
        assert!(tickets.held.lock().by.is_empty());
    }
}
