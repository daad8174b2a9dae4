//! The model card that a trained network gets, so that it can be used the moment it is there: how it is fed, how its
//! answer is read and, for an embedder, which similarity stands for which false match rate among the held-out people.

use std::path::Path;

use phiz_eval::Curve;
use phiz_net::card::{Card, Decode, Input, Order, Output};
use phiz_net::graph::Architecture;
use phiz_template::Thresholds;

use crate::error::TrainError;
use crate::shards::CROP;
use crate::weights::write_atomically;

/// Preprocessing of all our networks: `(x − 127.5) / 127.5`.
pub const MEAN: [f32; 3] = [127.5; 3];
/// See [`MEAN`].
pub const STD: [f32; 3] = [127.5; 3];

/// False match rates for which a card says the similarity, where there are pairs enough.
const RATES: [f64; 12] = [0.5, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6];
/// False matches below which a rate is too unsure to bind a threshold (Doddington's rule of thirty).
const ENOUGH: f64 = 30.0;

/// What a card's `[thresholds]` say, measured on the impostor pairs of a curve; none where they are too few.
#[must_use]
pub fn thresholds(curve: &Curve, measured_on: &str) -> Option<Thresholds> {
    let rates: Vec<f64> =
        RATES.into_iter().filter(|rate| rate * curve.impostors() as f64 >= ENOUGH).collect();
    let found = curve.impostor_quantiles(&rates).ok()?;
    let rounded = |similarity: f64| (similarity * 1e4).round() / 1e4;
    let mut quantiles: Vec<[f64; 2]> = Vec::new();
    for (rate, similarity) in found {
        let similarity = rounded(similarity).clamp(-1.0, 1.0);
        // A card's similarities rise strictly.
        if quantiles.last().is_none_or(|[_, last]| similarity > *last) {
            quantiles.push([rate, similarity]);
        }
    }
    Thresholds::new(quantiles, measured_on).ok()
}

/// The card of one of our networks, an embedder or a detector.
#[must_use]
pub fn of(net: &Architecture, name: &str, file: &str, thresholds: Option<Thresholds>) -> Card {
    let embedder = net.outputs.len() == 1;
    let side = if embedder { CROP as u32 } else { 0 };
    let decode = if embedder { Decode::Arcface } else { Decode::Phiz };
    let mut about = toml::Table::new();
    let cost = net.cost(if embedder { CROP } else { 320 }, if embedder { CROP } else { 320 });
    let size = format!("{}: {} parameters, {} MMAC", net.name, cost.parameters, cost.macs / 1_000_000);
    about.insert("architecture".into(), size.into());
    if embedder && thresholds.is_none() {
        let lack =
            "none: the held-out people have too few pairs; `phiz eval thresholds` measures them on more";
        about.insert("thresholds".into(), lack.into());
    }
    Card {
        name: name.into(),
        file: file.into(),
        licence: "not stated: it follows from the photos and the teacher of which the network learnt".into(),
        input: Input { width: side, height: side, order: Order::Rgb, mean: MEAN, std: STD },
        output: Output { decode, score: 0.5, hysteresis: None, iou: 0.4 },
        refinement: None,
        thresholds,
        about,
    }
}

/// Writes a card, whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn write(path: &Path, card: &Card) -> Result<(), TrainError> {
    let text = toml::to_string(card).map_err(|e| TrainError::file(path, &e))?;
    write_atomically(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use phiz_net::zoo;

    #[test]
    fn a_card_that_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let scores: Vec<f64> = (0..4000).map(|i| f64::from(i) / 4000.0 - 0.2).collect();
        let same: Vec<bool> = (0..4000).map(|i| i % 4 == 3).collect();
        let curve = Curve::from_scores(&scores, &same).expect("a curve");
        for (network, rates) in [("phiz-embed", 4), ("phiz-detect", 0)] {
            let net = zoo::by_name(network).expect("a network");
            let known = if rates > 0 { thresholds(&curve, "people") } else { None };
            let card = of(&net, "mine", "model.onnx", known);
            let path = folder.path().join("model.toml");
            write(&path, &card).expect("writes");
            let read = Card::from_toml(&std::fs::read_to_string(&path).expect("a file")).expect("a card");
            assert_eq!(read, card, "{network}");
            // Of 3,000 impostor pairs thirty are a hundredth: nothing rarer is said.
            let said = read.thresholds.map_or_else(Vec::new, |t| t.quantiles().to_vec());
            assert_eq!(said.len(), rates, "{network}: {said:?}");
        }
    }

    #[test]
    fn too_few_pairs_say_nothing() {
        let curve = Curve::from_scores(&[0.1, 0.2, 0.9], &[false, false, true]).expect("a curve");
        assert_eq!(thresholds(&curve, ""), None);
    }
}
