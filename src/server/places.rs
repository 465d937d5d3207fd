//! The places for sessions, of the node and of each address.
//!
//! A place is taken before the answer and given back by a drop, so no path can lose one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::door::Full;

/// The places for sessions.
#[derive(Debug)]
pub(super) struct Places {
    /// 0 = no limit.
    limit: usize,
    /// 0 = no limit, and nothing is counted.
    limit_per_address: usize,
    taken: AtomicUsize,
    /// Never holds a zero, so it is no longer than the number of sessions. Held for one look-up,
    /// never across an await.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Places {
    /// Makes places for `limit` sessions, and for `limit_per_address` from one address.
    pub(super) fn new(limit: usize, limit_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            limit_per_address,
            taken: AtomicUsize::new(0),
            by_address: Mutex::default(),
        })
    }

    /// Returns how many sessions have a place now.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Takes the places of a session from this address, or says which limit refuses it.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Full> {
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let one_more = |taken: usize| (taken < limit).then(|| taken + 1);
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .map_err(|_| Full::Sessions)?;
        let mut permit = Permit {
            places: Arc::clone(self),
            address: None,
        };
        if self.limit_per_address > 0 {
            let household = household(address);
            let mut by_address = self.by_address();
            let taken = by_address.entry(household).or_default();
            if *taken >= self.limit_per_address {
                return Err(Full::Address);
            }
            *taken += 1;
            permit.address = Some(household);
        }
        Ok(permit)
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places of one session; dropping it gives them back.
#[derive(Debug)]
pub struct Permit {
    places: Arc<Places>,
    /// The address in whose count the session stands.
    address: Option<IpAddr>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Ordering::AcqRel);
        let Some(address) = self.address else { return };
        let mut by_address = self.places.by_address();
        if let Some(taken) = by_address.get_mut(&address) {
            *taken -= 1;
            if *taken == 0 {
                by_address.remove(&address);
            }
        }
    }
}

/// What counts as one address: IPv6 networks give every customer 2⁶⁴ of them.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_own_limit_and_a_refusal_takes_no_place() {
        let places = Places::new(3, 1);
        let first = places.take(address("2001:db8:0:1::1")).unwrap();
        let neighbor = places.take(address("2001:db8:0:1:ffff::2")).unwrap_err();
        assert_eq!(neighbor, Full::Address);
        let _other = places.take(address("2001:db8:0:2::1")).unwrap();
        let _v4 = places.take(address("192.0.2.1")).unwrap();
        assert_eq!(places.taken(), 3);
        drop(first);
        places.take(address("2001:db8:0:1::3")).unwrap();
        assert_eq!(places.by_address().len(), 2);
        assert_eq!(places.taken(), 2);
    }

    #[test]
    fn without_limits_nothing_is_counted_by_address() {
        let places = Places::new(0, 0);
        let permits: Vec<_> = (0..100)
            .map(|_| places.take(address("192.0.2.1")).unwrap())
            .collect();
        assert_eq!(places.taken(), 100);
        assert!(places.by_address().is_empty());
        drop(permits);
        assert_eq!(places.taken(), 0);
    }
}
