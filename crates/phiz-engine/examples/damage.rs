//! Loads and runs damaged network files for so many seconds: each must end in a result or an error.
//!
//! ```console
//! $ cargo run --release -p phiz-engine --example damage -- 1800 models/phiz-second-small.onnx …
//! ```
//!
//! Bytes are changed, cut, doubled and moved, mostly in the small fields that say what the network is and seldom in
//! the weights. A panic or a run without end is the failure; the seed of each file is its number, so it can be made again.

use std::time::{Duration, Instant};

use phiz_engine::{LoadOptions, Precision, Runtime, Tensor, load};

/// Taken in turn.
const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// Where bytes are not those of a long weight: next to a letter or a small number.
fn telling(bytes: &[u8], random: &mut Random) -> usize {
    for _ in 0..64 {
        let at = random.below(bytes.len());
        let around = &bytes[at.saturating_sub(4)..(at + 4).min(bytes.len())];
        if around.iter().filter(|b| b.is_ascii_alphabetic() || **b < 20).count() >= 5 {
            return at;
        }
    }
    random.below(bytes.len())
}

fn damaged(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = whole.to_vec();
    for _ in 0..1 + random.below(5) {
        let at = telling(&bytes, &mut random);
        match random.below(8) {
            0..=3 => bytes[at] = [0, 1, 2, 3, 7, 8, 16, 127, 128, 255][random.below(10)],
            4 => bytes[at] ^= 1 << random.below(8),
            5 => _ = bytes.remove(at),
            6 => {
                let end = (at + 1 + random.below(40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.truncate(at.max(8)),
        }
    }
    bytes
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(60), |n| n.parse())?;
    let files = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    if files.is_empty() {
        return Err("name one or more ONNX files".into());
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut loaded, mut ran, mut number, mut longest) = (0u64, 0u64, 0u64, Duration::ZERO);
    while Instant::now() < end {
        let began = Instant::now();
        let bytes = damaged(&files[number as usize % files.len()], number);
        // To be found again if the program ends here.
        std::fs::write(std::env::temp_dir().join("damaged.onnx"), &bytes)?;
        let precision = PRECISIONS[(number / files.len() as u64 % 3) as usize];
        let options = LoadOptions::default().runtime(Runtime::Native).precision(precision);
        if let Ok(network) = load(&bytes, &options) {
            loaded += 1;
            for side in [32, 112] {
                let input = Tensor::zeros(vec![1, 3, side, side])?;
                ran += u64::from(network.run(&input).is_ok());
            }
        }
        longest = longest.max(began.elapsed());
        number += 1;
    }
    println!("{number} files, {loaded} loaded, {ran} runs, longest {:.1} s", longest.as_secs_f64());
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        status
            .lines()
            .filter(|l| l.starts_with("VmHWM") || l.starts_with("VmPeak"))
            .for_each(|l| println!("{l}"));
    }
    Ok(())
}
