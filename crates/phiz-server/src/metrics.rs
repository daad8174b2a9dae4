//! Counters in Prometheus' text format. Labels are routes and statuses, never what a request holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper edges of the histogram, in seconds.
const EDGES: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Debug, Default)]
struct Histogram {
    counts: [u64; EDGES.len()],
    sum: f64,
    count: u64,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(String, String, u16), u64>>,
    seconds: Mutex<BTreeMap<String, Histogram>>,
    pub(crate) faces: AtomicU64,
    pub(crate) enrolled: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) open: AtomicU64,
}

/// A figure that is read when it is asked for.
pub(crate) struct Gauge<'a>(pub(crate) &'a str, pub(crate) &'a str, pub(crate) f64);

impl Metrics {
    pub(crate) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((method.into(), route.into(), status)).or_default() += 1;
        drop(requests);
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = seconds.entry(route.into()).or_default();
        let took = took.as_secs_f64();
        for (count, edge) in histogram.counts.iter_mut().zip(EDGES) {
            *count += u64::from(took <= edge);
        }
        histogram.sum += took;
        histogram.count += 1;
    }

    /// The text, with figures that are counted elsewhere: name, what it means, value.
    pub(crate) fn text(&self, counters: &[(&str, &str, u64)], gauges: &[Gauge<'_>]) -> String {
        let mut out = String::new();
        let head = |out: &mut String, name: &str, help: &str, kind: &str| {
            _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        head(&mut out, "phiz_requests_total", "Requests by method, route and status.", "counter");
        for ((method, route, status), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner)
        {
            _ = writeln!(
                out,
                "phiz_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        head(
            &mut out,
            "phiz_request_seconds",
            "Seconds from a request's headers to its answer.",
            "histogram",
        );
        for (route, histogram) in &*self.seconds.lock().unwrap_or_else(PoisonError::into_inner) {
            for (count, edge) in histogram.counts.iter().zip(EDGES) {
                _ = writeln!(out, "phiz_request_seconds_bucket{{route=\"{route}\",le=\"{edge}\"}} {count}");
            }
            let Histogram { sum, count, .. } = histogram;
            _ = writeln!(out, "phiz_request_seconds_bucket{{route=\"{route}\",le=\"+Inf\"}} {count}");
            _ = writeln!(out, "phiz_request_seconds_sum{{route=\"{route}\"}} {sum}");
            _ = writeln!(out, "phiz_request_seconds_count{{route=\"{route}\"}} {count}");
        }
        let own = [
            ("phiz_faces_total", "Faces that were found in photos.", &self.faces),
            ("phiz_enrolled_total", "Faces that were enrolled.", &self.enrolled),
            ("phiz_refused_total", "Photos that were not enrolled.", &self.refused),
            ("phiz_connections_total", "Connections that were taken.", &self.connections),
        ]
        .map(|(name, help, value)| (name, help, value.load(Ordering::Relaxed)));
        for (name, help, value) in own.iter().chain(counters) {
            head(&mut out, name, help, "counter");
            _ = writeln!(out, "{name} {value}");
        }
        head(&mut out, "phiz_connections", "Connections that are open.", "gauge");
        _ = writeln!(out, "phiz_connections {}", self.open.load(Ordering::Relaxed));
        for Gauge(name, help, value) in gauges {
            head(&mut out, name, help, "gauge");
            _ = writeln!(out, "{name} {value}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_out_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        metrics.request("GET", "/v1/people/{id}", 200, Duration::from_millis(3));
        metrics.request("GET", "/v1/people/{id}", 200, Duration::from_secs(20));
        let text = metrics.text(
            &[("phiz_batches_total", "Batches.", 3)],
            &[Gauge("phiz_waiting", "Work that waits.", 2.0)],
        );
        for line in [
            "phiz_requests_total{method=\"GET\",route=\"/v1/people/{id}\",status=\"200\"} 2",
            "phiz_request_seconds_bucket{route=\"/v1/people/{id}\",le=\"0.0025\"} 0",
            "phiz_request_seconds_bucket{route=\"/v1/people/{id}\",le=\"0.005\"} 1",
            "phiz_request_seconds_bucket{route=\"/v1/people/{id}\",le=\"+Inf\"} 2",
            "phiz_waiting 2",
            "phiz_batches_total 3",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
