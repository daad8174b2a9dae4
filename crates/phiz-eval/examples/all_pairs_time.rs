//! Times all pairs of made-up templates with curves and the bootstrap, as docs/performance.md states them:
//! `cargo run --release -p phiz-eval --example all_pairs_time -- [photos] [dimensions] [rounds]`.

use phiz_eval::all_pairs::{all_pairs, silent};
use phiz_eval::bootstrap::{Bootstrap, Draws, Resampled, interval};
use phiz_eval::random::Random;
use phiz_eval::{People, Samples, Templates};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let mut next = |default: usize| arguments.next().unwrap_or(Ok(default));
    let (photos, dim, rounds) = (next(13_233)?, next(512)?, next(200)?);
    let mut random = Random::new(1);
    // Like LFW: most people have one photo, a few have hundreds.
    let (mut data, mut names, mut centre) = (Vec::new(), Vec::new(), Vec::new());
    let mut person = 0;
    for photo in 0..photos {
        if photo == 0 || random.unit() < 0.43 {
            person += 1;
            centre = (0..dim).map(|_| random.normal()).collect();
        }
        data.extend(centre.iter().map(|c| (c + 1.6 * random.normal()) as f32));
        names.push(format!("{person}"));
    }
    let samples = Samples::complete(Templates::new(dim, data)?, People::from_names(names))?;
    let start = Instant::now();
    let all = all_pairs(&samples, 20, &silent)?;
    println!(
        "{} pairs with curve: {:.2} s",
        all.curve.genuine() + all.curve.impostors(),
        start.elapsed().as_secs_f64()
    );
    let options = Bootstrap { rounds, ..Default::default() };
    let draws = Draws::new(samples.people().count(), &options)?;
    let resampled = Resampled::from_all_pairs(&samples, &all.curve, &draws, &silent)?;
    println!("with {rounds} rounds over {} people: {:.2} s", draws.people(), start.elapsed().as_secs_f64());
    let tar = |far: f64| move |c: &phiz_eval::Curve| Some(c.tar_at_far(far).ok()?.value()?.tar());
    let values =
        resampled.replicate(|c| vec![c.auc().ok(), c.eer().ok().map(|e| e.rate), tar(1e-3)(c), tar(1e-5)(c)]);
    for (name, values) in ["AUC", "EER", "TAR at 1e-3", "TAR at 1e-5"].iter().zip(&values) {
        println!("{name}: {:?}", interval(values, options.confidence)?);
    }
    println!("all: {:.2} s on {} threads", start.elapsed().as_secs_f64(), rayon::current_num_threads());
    Ok(())
}
