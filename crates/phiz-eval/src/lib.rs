//! Protocols, metrics, reports: scores in, figures out. Runs no network itself.
