//! What a precision costs an embedder: templates of prepared crops in each precision, beside those in f32.
//!
//! ```console
//! $ cargo run --release -p phiz-engine --example precisions -- models/phiz-embed.onnx shard.crops.npy shard.csv 1
//! ```
//!
//! The crops are `phiz data prepare`'s (`[photos, 112, 112, 3]`, bytes), the CSV has a column `person`; the last
//! argument takes every so many-th photo. Printed for each precision: the share of pairs of one person above the
//! similarity that one, or ten, in so many pairs of two people reach; the similarity between a photo's template and its
//! template in f32; and how far the similarity of a pair moves.

use std::env;
use std::fs;

use phiz_engine::{LoadOptions, Normalisation, Pictures, Precision, Runtime, Workspace, load};

type Failure = Box<dyn std::error::Error>;

const SIDE: usize = 112;
const RATES: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, crops, people, rest @ ..] = &arguments[..] else {
        return Err("say MODEL.onnx CROPS.npy PEOPLE.csv [EVERY]".into());
    };
    let every: usize = rest.first().map_or(Ok(1), |n| n.parse())?;
    let file = fs::read(crops)?;
    // The header of the format: magic, version, length of a text that ends with a line feed.
    let header = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let crops: Vec<&[u8]> = file[header..].chunks_exact(SIDE * SIDE * 3).step_by(every).collect();
    let table = fs::read_to_string(people)?;
    let mut lines = table.lines();
    let names = lines.next().unwrap_or_default();
    let column = names.split(',').position(|name| name == "person").ok_or("no column \"person\"")?;
    let people: Vec<&str> =
        lines.step_by(every).map(|line| line.split(',').nth(column).unwrap_or_default()).collect();
    if people.len() != crops.len() {
        return Err(format!("{} crops and {} lines", crops.len(), people.len()).into());
    }
    let onnx = fs::read(model)?;
    let mut exact: Vec<Vec<f32>> = Vec::new();
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let normalisation = Normalisation { mean: [127.5; 3], std: [127.5; 3], ..Normalisation::default() };
        let options =
            LoadOptions::default().runtime(Runtime::Native).precision(precision).normalisation(normalisation);
        let network = match load(&onnx, &options) {
            Ok(network) => network,
            Err(error) => {
                println!("{precision}: {error}");
                continue;
            }
        };
        let mut workspace = Workspace::default();
        let mut templates = Vec::new();
        for crop in &crops {
            let outputs = network.run_into(Pictures::rgb(SIDE, SIDE, &[crop]).into(), &mut workspace)?;
            let length = outputs[0].data.iter().map(|v| v * v).sum::<f32>().sqrt();
            templates.push(outputs[0].data.iter().map(|v| v / length).collect::<Vec<f32>>());
        }
        if exact.is_empty() {
            exact.clone_from(&templates);
        }
        report(precision, &templates, &exact, &people);
    }
    Ok(())
}

fn report(precision: Precision, templates: &[Vec<f32>], exact: &[Vec<f32>], people: &[&str]) {
    let (mut same, mut other, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    // A gallery in f32 that is asked with templates of the precision.
    let mut mixed = (Vec::new(), Vec::new());
    for a in 0..templates.len() {
        for b in 0..a {
            let similarity = dot(&templates[a], &templates[b]);
            let (pairs, mixed) = match people[a] == people[b] {
                true => (&mut same, &mut mixed.0),
                false => (&mut other, &mut mixed.1),
            };
            pairs.push(similarity);
            mixed.push(dot(&templates[a], &exact[b]));
            moved.push((similarity - dot(&exact[a], &exact[b])).abs());
        }
    }
    for (what, mut same, mut other) in [("", same, other), (", gallery in f32", mixed.0, mixed.1)] {
        same.sort_by(f32::total_cmp);
        other.sort_by(|a, b| b.total_cmp(a));
        print!("{precision}{what}: {} and {} pairs;", same.len(), other.len());
        for rate in RATES {
            let threshold = other[(rate * other.len() as f64) as usize];
            let above = same.len() - same.partition_point(|s| *s <= threshold);
            let share = 100.0 * above as f64 / same.len() as f64;
            print!(" TAR at {rate:.0e} {share:.2} % ({threshold:.4})");
        }
        println!();
    }
    let mut own: Vec<f32> = templates.iter().zip(exact).map(|(a, b)| dot(a, b)).collect();
    own.sort_by(f32::total_cmp);
    moved.sort_by(f32::total_cmp);
    let at = |values: &[f32], share: f64| values[(share * (values.len() - 1) as f64) as usize];
    println!(
        "{precision} with f32 of the same photo: least {:.5}, 1 in 100 {:.5}, median {:.5}; a pair moves by {:.5} \
         (median), {:.5} (1 in 100), {:.5} (most)",
        own[0],
        at(&own, 0.01),
        at(&own, 0.5),
        at(&moved, 0.5),
        at(&moved, 0.99),
        at(&moved, 1.0)
    );
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
