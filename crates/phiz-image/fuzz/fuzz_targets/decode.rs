//! Any bytes are decoded within the limits or refused, in time and without a panic that reaches the caller.
#![no_main]

#[path = "../../tests/common/promises.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| promises::check(bytes));
