//! Measures an archive: how strangers are grouped (how right, how fast, and whether numbers stay), and how many wrong
//! names it saves that a person is in a photo once.
//!
//! ```console
//! $ cargo run --release -p phiz-service --example grouping -- right vectors.npy list.csv people.csv
//! $ cargo run --release -p phiz-service --example grouping -- once vectors.npy list.csv people.csv
//! $ cargo run --release -p phiz-service --example grouping -- fast 100000
//! ```
//!
//! `vectors.npy` and `list.csv` are what `phiz embed --largest` writes; `people.csv` has the columns `path` and `person`. Whoever
//! is not in it occurs once.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on ends")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use phiz_gallery::{
    Archive, Deciding, EnrollRules, Gallery, Grouping, Model, NewFace, NewPhoto, NewSighting, PhotoFile,
    Rate, Search, Target, Template,
};
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
        ["once", vectors, list, people] => once(&model, vectors, list, people),
        ["fast", number] => fast(&model, number.parse().unwrap()),
        _ => println!("grouping right|once VECTORS.npy LIST.csv PEOPLE.csv | grouping fast N"),
    }
}

/// Templates with their people's numbers; of people who are not named, one number each.
fn read(model: &Model, vectors: &str, list: &str, people: &str) -> (Vec<Template>, Vec<usize>) {
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
    (templates, truth)
}

fn right(model: &Model, vectors: &str, list: &str, people: &str) {
    let (templates, truth) = read(model, vectors, list, people);
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

/// Faces that a person is enrolled with, and the fewest others that a person needs to be in the measure.
const ENROLLED: usize = 3;
/// The faces of a made-up group picture.
const TOGETHER: usize = 5;

/// Faces of people who look alike are put into one picture, and the picture's faces decided one by one and together. Of
/// all people, or of every second or third one, three faces are enrolled; the others are strangers.
fn once(model: &Model, vectors: &str, list: &str, people: &str) {
    let (templates, truth) = read(model, vectors, list, people);
    let mut faces: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    truth.iter().enumerate().for_each(|(i, person)| faces.entry(*person).or_default().push(i));
    faces.retain(|_, own| own.len() > ENROLLED);
    let mean = |own: &[usize]| {
        let mut sum = vec![0.0; model.dim];
        for i in &own[..ENROLLED] {
            sum.iter_mut().zip(templates[*i].vector()).for_each(|(s, v)| *s += v);
        }
        Template::normalised(model.id.clone(), sum).unwrap()
    };
    let means: BTreeMap<usize, Template> = faces.iter().map(|(person, own)| (*person, mean(own))).collect();
    // Each face is in one picture. Beside it stands a face of the person whom it resembles most, beside that one a face of
    // whom that one resembles most, and so on.
    let mut left: BTreeMap<usize, Vec<usize>> =
        faces.iter().map(|(person, own)| (*person, own[ENROLLED..].to_vec())).collect();
    let mut random = Random(3);
    let mut pictures: Vec<Vec<usize>> = Vec::new();
    loop {
        left.retain(|_, own| !own.is_empty());
        if left.len() < TOGETHER {
            break;
        }
        let first = *left.keys().nth((random.next() % left.len() as u64) as usize).unwrap();
        let mut picture = vec![left.get_mut(&first).unwrap().pop().unwrap()];
        let mut there = vec![first];
        while picture.len() < TOGETHER {
            let last = &templates[picture[picture.len() - 1]];
            let alike = |person: &usize| last.similarity(&means[person]).unwrap();
            let open = left.iter().filter(|(person, own)| !own.is_empty() && !there.contains(person));
            let next = open.map(|(person, _)| *person).max_by(|a, b| alike(a).total_cmp(&alike(b)));
            let Some(next) = next else { break };
            picture.push(left.get_mut(&next).unwrap().pop().unwrap());
            there.push(next);
        }
        random.shuffle(&mut picture);
        pictures.push(picture);
    }
    for every in [1, 2, 3] {
        let gallery = Gallery::in_memory(model).unwrap();
        let mut ids = BTreeMap::new();
        for (person, own) in faces.iter().step_by(every) {
            let enrolled: Vec<NewFace> =
                own[..ENROLLED].iter().map(|i| NewFace::new(templates[*i].clone(), 0.8)).collect();
            let rules = EnrollRules { report_similar: None, ..EnrollRules::default() };
            let done = gallery.enroll(&Target::Named(format!("{person}")), &enrolled, &rules).unwrap();
            ids.insert(*person, done.person.unwrap());
        }
        let photos: Vec<NewPhoto> = pictures
            .iter()
            .enumerate()
            .map(|(number, picture)| {
                let mut whole = photo(number, templates[picture[0]].clone());
                let one = whole.faces.take().unwrap().remove(0);
                let face = |i: &usize| NewSighting { template: templates[*i].clone(), ..one.clone() };
                NewPhoto { faces: Some(picture.iter().map(face).collect()), ..whole }
            })
            .collect();
        gallery.keep_photos(&photos).unwrap();
        let of_people = pictures.iter().flatten().filter(|i| ids.contains_key(&truth[**i])).count();
        println!(
            "{} pictures of {TOGETHER} look-alikes; {} people enrolled; {of_people} faces are theirs, {} are not",
            pictures.len(),
            ids.len(),
            pictures.iter().map(Vec::len).sum::<usize>() - of_people
        );
        // Right and wrong names at a rate.
        let names = |rate: f64, twins: bool| {
            let search = Search { rate: Rate::Fpir(rate), ..Search::default() };
            let archive = gallery.archive(&Deciding { search, twins }).unwrap();
            let (mut right, mut wrong) = (0, 0);
            for (sighting, decided) in archive.sightings.iter().zip(&archive.decided) {
                let Some(person) = decided.person() else { continue };
                let number = archive.photos[&sighting.photo].files[0].size as usize;
                let first = archive.sightings.partition_point(|s| s.photo < sighting.photo);
                let place = archive.place(sighting.id).unwrap() - first;
                let own = ids.get(&truth[pictures[number][place]]) == Some(&person);
                if own { right += 1 } else { wrong += 1 }
            }
            (right, wrong)
        };
        let alone: Vec<(usize, usize)> =
            (0..=80).map(|step| names(10f64.powf(-4.0 + f64::from(step) * 0.05).min(0.999), true)).collect();
        for rate in [1e-3, 1e-2, 3e-2, 0.1, 0.2, 0.5] {
            let (right, wrong) = names(rate, false);
            let same = names(rate, true);
            // Decided one by one, at the rate that brings as many right names.
            let after = alone.iter().position(|(r, _)| *r >= right);
            let matched = after.map(|at| {
                let (r1, w1) = alone[at];
                let (r0, w0) = if at == 0 { (0, 0) } else { alone[at - 1] };
                let share = (right - r0) as f64 / ((r1 - r0) as f64).max(1.0);
                w0 as f64 + (w1 - w0) as f64 * share
            });
            let matched = matched.map_or("nothing brings as many right names alone".into(), |alone| {
                let fewer = 100.0 * (1.0 - wrong as f64 / alone.max(1.0));
                format!("alone with as many right names {alone:.1} wrong: {fewer:.0} % fewer")
            });
            println!(
                "rate {rate}: together {right} right, {wrong} wrong; alone {} right, {} wrong; {matched}",
                same.0, same.1
            );
        }
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
