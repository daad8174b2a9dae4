//! Several processes at once on one gallery: two write, one searches all the while, and this one watches.
//!
//! The others are this program again. What a writer has acknowledged the very next search of another process sees;
//! nobody is ever taken for somebody else; in the end all have the same gallery.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{DIM, create, face, open, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::{
    Decision, Details, EnrollRules, Fault, Filter, Gallery, Note, PersonId, Rate, Search, Target,
};

const FOLDER: &str = "PHIZ_PROCESSES_FOLDER";
const WRITER: &str = "PHIZ_PROCESSES_WRITER";
const RULES: EnrollRules = EnrollRules { least_quality: 0.0, report_similar: None, unlike_above: 0.02 };
/// People whom each writer enrols; it removes every third again.
const PEOPLE: u64 = 45;

/// The face of a writer's person, known to all.
fn vector(writer: u64, number: u64) -> Vec<f32> {
    stranger(&mut Random::new(writer * 1000 + number), DIM)
}

fn name(writer: u64, number: u64) -> String {
    format!("writer {writer}, person {number}")
}

/// Whose face this very one is; no stranger is as similar as the rate asks.
fn found(gallery: &Gallery, vector: &[f32]) -> Option<PersonId> {
    let search = Search { rate: Rate::Fmr(1e-8), ..Search::default() };
    match gallery.identify(&template(vector), &search).unwrap().decision {
        Decision::Match(c) => Some(c.person),
        _ => None,
    }
}

/// A writer, when it is started as one: says what it has done once that is acknowledged.
#[test]
fn child_writes() {
    let (Some(folder), Ok(writer)) = (std::env::var_os(FOLDER), std::env::var(WRITER)) else { return };
    let (gallery, writer) = (open(Path::new(&folder), true), writer.parse().unwrap());
    for number in 0..PEOPLE {
        let whom = Target::New(Details::named(name(writer, number)));
        let done = gallery.enroll(&whom, &[face(vector(writer, number))], &RULES).unwrap();
        let person = done.person.unwrap();
        println!("\nsaid added {number} {}", person.0);
        if number % 3 == 2 {
            gallery.remove_person(person).unwrap();
            println!("\nsaid removed {number} {}", person.0);
        }
    }
}

/// A searcher, until there is nobody any more who would read: says how often it has recognised somebody.
#[test]
fn child_searches() {
    let (Some(folder), Err(_)) = (std::env::var_os(FOLDER), std::env::var(WRITER)) else { return };
    let gallery = open(Path::new(&folder), true);
    let (mut random, mut recognised) = (Random::new(77), 0);
    while !Path::new(&folder).join("stop").exists() {
        let (writer, number) = (1 + random.below(2) as u64, random.below(PEOPLE as usize) as u64);
        if let Some(person) = found(&gallery, &vector(writer, number)) {
            // They may have been removed since.
            if let Ok(person) = gallery.person(person) {
                assert_eq!(person.details.name, name(writer, number));
                recognised += 1;
            }
        }
        assert_eq!(found(&gallery, &vector(3, number)), None, "nobody has enrolled this one");
    }
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
    println!("\nsaid recognised {recognised} {}", gallery.len().unwrap());
}

fn start(test: &str, folder: &Path, writer: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder).stdout(Stdio::piped());
    if let Some(writer) = writer {
        command.env(WRITER, writer.to_string());
    }
    command.spawn().unwrap()
}

/// What a child says, line by line: a word and two numbers.
fn said(child: &mut Child) -> impl Iterator<Item = (String, u64, u64)> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| {
        let words: Vec<&str> = line.strip_prefix("said ")?.split(' ').collect();
        Some((words[0].to_owned(), words[1].parse().unwrap(), words[2].parse().unwrap()))
    })
}

#[test]
fn writers_and_searchers_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let mut searcher = start("child_searches", folder.path(), None);
    let mut writers = [1, 2].map(|writer| start("child_writes", folder.path(), Some(writer)));
    let mut people = BTreeMap::new();
    std::thread::scope(|scope| {
        let watchers: Vec<_> = (1..)
            .zip(&mut writers)
            .map(|(writer, child)| {
                let (lines, gallery) = (said(child), &gallery);
                scope.spawn(move || {
                    let mut people = BTreeMap::new();
                    for (what, number, person) in lines {
                        let seen = found(gallery, &vector(writer, number));
                        if what == "added" && number % 3 != 2 {
                            assert_eq!(seen, Some(PersonId(person)), "{what} {number}");
                            people.insert(PersonId(person), name(writer, number));
                        } else if what == "removed" {
                            assert_eq!(seen, None, "{what} {number}");
                        }
                    }
                    people
                })
            })
            .collect();
        watchers.into_iter().for_each(|watcher| people.extend(watcher.join().unwrap()));
    });
    assert!(writers.iter_mut().all(|child| child.wait().unwrap().success()));
    std::fs::write(folder.path().join("stop"), "").unwrap();
    let told: Vec<_> = said(&mut searcher).collect();
    assert!(searcher.wait().unwrap().success());
    let [(_, recognised, counted)] = &told[..] else { panic!("{told:?}") };
    assert!(*recognised > 0, "the searcher has found somebody while others wrote");
    assert_eq!((*counted, people.len() as u64), (PEOPLE / 3 * 4, PEOPLE / 3 * 4));
    for gallery in [&gallery, &open(folder.path(), true)] {
        let there = gallery.people(&Filter::default(), None, usize::MAX).unwrap();
        let there: BTreeMap<PersonId, String> = there.into_iter().map(|p| (p.id, p.details.name)).collect();
        assert_eq!(there, people);
        for writer in [1, 2] {
            for number in 0..PEOPLE {
                let who = found(gallery, &vector(writer, number)).map(|person| people[&person].clone());
                assert_eq!(who, (number % 3 != 2).then(|| name(writer, number)));
            }
        }
        assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
        assert_eq!(gallery.notes(), Vec::<Note>::new());
    }
}
