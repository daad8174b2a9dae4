//! Measures how strangers are grouped: how right, how fast, and whether numbers stay.
//!
//! ```console
//! $ cargo run --release -p phiz-service --example grouping -- right vectors.npy list.csv people.csv
//! $ cargo run --release -p phiz-service --example grouping -- fast 100000
//! ```
//!
//! `vectors.npy` and `list.csv` are what `phiz embed --largest` writes; `people.csv` has the columns `path` and `person`. Whoever
//! is not in it occurs once.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on ends")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use phiz_gallery::{Archive, Deciding, Gallery, Grouping, Model, NewPhoto, NewSighting, PhotoFile, Template};
use phiz_service::Service;

/// SplitMix64, and normal values by adding twelve.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.next() >> 40) as f32 / (1u64 << 24) as f32).sum::<f32>() - 6.0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
    }
}

fn photo(number: usize, template: Template) -> NewPhoto {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&(number as u64).to_le_bytes());
    let face = NewSighting {
        template,
        quality: 0.8,
        bbox: [0.0, 0.0, 80.0, 100.0],
        score: 0.9,
        landmarks: [[20.0, 40.0], [60.0, 40.0], [40.0, 60.0], [25.0, 80.0], [55.0, 80.0]],
    };
    NewPhoto {
        photo: hash,
        file: PhotoFile { path: format!("/{number}.jpg").into(), size: number as u64, modified: 0 },
        size: [178, 218],
        taken: None,
        looked: "measured".into(),
        faces: Some(vec![face]),
        problem: None,
    }
}

fn archive(gallery: &Gallery) -> Archive {
    gallery.archive(&Deciding::default()).unwrap()
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("").to_owned()
}

/// For each photo, by its number, the group that it is in; alone in one of its own otherwise.
fn labels(archive: &Archive, photos: usize) -> Vec<usize> {
    let mut labels: Vec<usize> = (0..photos).map(|number| 1_000_000 + number).collect();
    let of = archive.group_of();
    for sighting in &archive.sightings {
        let number = archive.photos[&sighting.photo].files[0].size as usize;
        if let Some(group) = of.get(&sighting.id) {
            labels[number] = archive.group(*group).unwrap().id.0 as usize;
        }
    }
    labels
}

fn judge(labels: &[usize], truth: &[usize]) {
    let count = |keys: &mut dyn Iterator<Item = (usize, usize)>| {
        let mut counts: HashMap<(usize, usize), f64> = HashMap::new();
        keys.for_each(|key| *counts.entry(key).or_default() += 1.0);
        counts
    };
    let both = count(&mut labels.iter().copied().zip(truth.iter().copied()));
    let own = count(&mut labels.iter().map(|l| (*l, 0)));
    let real = count(&mut truth.iter().map(|t| (*t, 0)));
    let pairs =
        |counts: &HashMap<(usize, usize), f64>| counts.values().map(|n| n * (n - 1.0) / 2.0).sum::<f64>();
    let (precision, recall) = (pairs(&both) / pairs(&own).max(1.0), pairs(&both) / pairs(&real).max(1.0));
    let (mut p, mut r) = (0.0, 0.0);
    for ((label, person), n) in &both {
        p += n * n / own[&(*label, 0)];
        r += n * n / real[&(*person, 0)];
    }
    let all = labels.len() as f64;
    let (p, r) = (p / all, r / all);
    let groups = labels.iter().filter(|l| **l < 1_000_000).collect::<BTreeSet<_>>().len();
    println!(
        "{groups} groups; pairwise precision {:.2} %, recall {:.2} %; BCubed precision {p:.4}, recall {r:.4}, F {:.4}",
        precision * 100.0,
        recall * 100.0,
        2.0 * p * r / (p + r)
    );
}

fn read_npy(path: &str, dim: usize) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let values: Vec<f32> =
        bytes[header..].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    values.chunks_exact(dim).map(<[f32]>::to_vec).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let service = Service::new().unwrap();
    let embedder = service.analyzer();
    let model = Model {
        id: embedder.model_id().clone(),
        dim: embedder.dim(),
        thresholds: service.thresholds().unwrap().clone(),
    };
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["right", vectors, list, people] => right(&model, vectors, list, people),
        ["fast", number] => fast(&model, number.parse().unwrap()),
        _ => println!("grouping right VECTORS.npy LIST.csv PEOPLE.csv | grouping fast N"),
    }
}

fn right(model: &Model, vectors: &str, list: &str, people: &str) {
    let person: HashMap<String, String> = std::fs::read_to_string(people)
        .unwrap()
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(',').map(|(a, b)| (a.to_owned(), b.to_owned())))
        .collect();
    let rows = read_npy(vectors, model.dim);
    let (mut templates, mut truth, mut numbers) = (Vec::new(), Vec::new(), BTreeMap::new());
    let listed = std::fs::read_to_string(list).unwrap();
    let found = listed.lines().skip(1).filter(|line| line.split(',').nth(1) != Some("-1"));
    for (line, row) in found.zip(&rows) {
        let path = line.split(',').next().unwrap().to_owned();
        let name = person.get(&path).cloned().unwrap_or(path);
        let next = numbers.len();
        truth.push(*numbers.entry(name).or_insert(next));
        templates.push(Template::normalised(model.id.clone(), row.clone()).unwrap());
    }
    println!("{} photos of {} people", templates.len(), numbers.len());
    for rate in [1e-2, 5e-2, 0.2, 0.5] {
        let grouping = Grouping { rate, threads: 2, ..Grouping::default() };
        let gallery = Gallery::in_memory(model).unwrap();
        let all: Vec<NewPhoto> = templates.iter().cloned().enumerate().map(|(i, t)| photo(i, t)).collect();
        gallery.keep_photos(&all).unwrap();
        gallery.group_strangers(&archive(&gallery), &grouping, &|_, _| ()).unwrap();
        print!("rate {rate}, at once: ");
        judge(&labels(&archive(&gallery), all.len()), &truth);
        let mut order: Vec<usize> = (0..all.len()).collect();
        Random(7).shuffle(&mut order);
        let gallery = Gallery::in_memory(model).unwrap();
        let mut before: Vec<(phiz_gallery::SightingId, phiz_gallery::GroupId)> = Vec::new();
        for batch in order.chunks(all.len().div_ceil(10)) {
            gallery.keep_photos(&batch.iter().map(|i| all[*i].clone()).collect::<Vec<_>>()).unwrap();
            gallery.group_strangers(&archive(&gallery), &grouping, &|_, _| ()).unwrap();
            let now = archive(&gallery);
            assert!(
                before.iter().all(|(s, g)| now.group(*g).unwrap().sightings.contains(s)),
                "a number changed"
            );
            before = now.group_of().into_iter().collect();
        }
        print!("rate {rate}, in ten shuffled parts, numbers stable: ");
        judge(&labels(&archive(&gallery), all.len()), &truth);
    }
}

fn fast(model: &Model, number: usize) {
    let mut random = Random(1);
    let mut center = vec![0.0; model.dim];
    // People with ten photos each, whose faces have a similarity of 0.6.
    let mut made = |i: usize, random: &mut Random| {
        if i.is_multiple_of(10) {
            center.iter_mut().for_each(|v| *v = random.normal());
        }
        let vector = center.iter().map(|c| c + 0.816 * random.normal()).collect();
        photo(i, Template::normalised(model.id.clone(), vector).unwrap())
    };
    let folder = tempfile::tempdir().unwrap();
    let key = phiz_gallery::Key::File(folder.path().join("key"));
    let gallery = Gallery::create(&folder.path().join("g.phiz"), model, &key).unwrap();
    for from in (0..number).step_by(1000) {
        let photos: Vec<NewPhoto> = (from..number.min(from + 1000)).map(|i| made(i, &mut random)).collect();
        gallery.keep_photos(&photos).unwrap();
    }
    let grouping = Grouping { threads: 2, ..Grouping::default() };
    let (begun, loaded) = (Instant::now(), archive(&gallery));
    println!("{number} sightings read and decided in {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let grouped = gallery.group_strangers(&loaded, &grouping, &|_, _| ()).unwrap();
    println!("grouped from nothing in {:.1} s: {} groups", begun.elapsed().as_secs_f64(), grouped.born.len());
    drop(loaded);
    let photos: Vec<NewPhoto> = (number..number + 1000).map(|i| made(i, &mut random)).collect();
    gallery.keep_photos(&photos).unwrap();
    let (begun, loaded) = (Instant::now(), archive(&gallery));
    println!("read again in {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let grouped = gallery.group_strangers(&loaded, &grouping, &|_, _| ()).unwrap();
    println!(
        "1,000 more in {:.1} s: {} groups; {}",
        begun.elapsed().as_secs_f64(),
        grouped.born.len(),
        memory()
    );
}
