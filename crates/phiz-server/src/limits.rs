//! How often somebody may ask: token buckets by key or address, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Callers that are remembered. When there are more, those whose buckets are full are forgotten: to forget them changes
/// nothing; if that does not suffice, all are.
const MOST: usize = 50_000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Buckets of tokens: each caller has `burst`, and gets `per_second` back.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    per_second: f64,
    burst: f64,
    all: Mutex<HashMap<K, Bucket>>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub(crate) fn new(per_second: f64, burst: f64) -> Buckets<K> {
        Buckets { per_second, burst, all: Mutex::default() }
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let back = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        (bucket.left + back).min(self.burst)
    }

    fn at<T>(&self, key: K, now: Instant, work: impl FnOnce(&mut f64) -> T) -> T {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&key) {
            all.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
            if all.len() >= MOST {
                all.clear();
            }
        }
        let bucket = all.entry(key).or_insert(Bucket { left: self.burst, at: now });
        let mut left = self.filled(*bucket, now);
        let done = work(&mut left);
        *bucket = Bucket { left, at: now };
        done
    }

    /// Takes one token.
    ///
    /// # Errors
    /// There is none; how long until there is one.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        self.at(key, now, |left| {
            if *left < 1.0 {
                return Err(Duration::from_secs_f64((1.0 - *left) / self.per_second.max(1e-6)));
            }
            *left -= 1.0;
            Ok(())
        })
    }

    /// How long until there is a token; takes none.
    pub(crate) fn wait(&self, key: K, now: Instant) -> Option<Duration> {
        self.at(key, now, |left| {
            (*left < 1.0).then(|| Duration::from_secs_f64((1.0 - *left) / self.per_second.max(1e-6)))
        })
    }
}

/// What counts as one address: an IPv4 address, or the network of an IPv6 address, which has plenty of its own.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_empty_and_fill_again() {
        let buckets = Buckets::new(2.0, 3.0);
        let start = Instant::now();
        for _ in 0..3 {
            buckets.take("a", start).unwrap();
        }
        let wait = buckets.take("a", start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(buckets.wait("a", start), Some(wait));
        buckets.take("b", start).unwrap();
        buckets.take("a", start + wait).unwrap();
        assert!(buckets.take("a", start + wait).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let buckets = Buckets::new(1.0, 1.0);
        let start = Instant::now();
        for caller in 0..3 * MOST {
            _ = buckets.take(caller, start);
        }
        assert!(buckets.all.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn a_network_is_one_caller() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
