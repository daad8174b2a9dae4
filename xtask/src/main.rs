//! What developers run: fixtures, tables, checks, release.
fn main() {}
