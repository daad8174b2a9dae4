//! Killing the process at random moments: what was acknowledged is there, nothing is half done, the index equals the
//! store.
//!
//! A child (this program again) does operations that follow from their number alone and says each number once it is
//! acknowledged. It is killed (`SIGKILL` on Unix) after a random time. A twin in memory then does the acknowledged
//! operations; the gallery on the disk must equal the twin, or the twin one operation further, which was done but not
//! yet said. `PHIZ_CRASH_ROUNDS` sets how often.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{DIM, create, face, key, model, near, open, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::store::MemoryStore;
use phiz_gallery::{
    Decision, Details, EnrollRules, ErrorKind, Fault, Filter, Gallery, Key, Note, Purge, Search, Target,
};

const FOLDER: &str = "PHIZ_CRASH_FOLDER";
const FROM: &str = "PHIZ_CRASH_FROM";
const RULES: EnrollRules = EnrollRules { least_quality: 0.0, report_similar: None, unlike_above: 0.02 };

/// The operation of a number. Errors are as good as successes: both galleries must have the same.
fn operation(gallery: &Gallery, number: u64) -> bool {
    let mut random = Random::new(number);
    let people = gallery.people(&Filter::default(), None, usize::MAX).unwrap();
    let mut somebody = || (!people.is_empty()).then(|| people[random.below(people.len())].id);
    let (one, other) = (somebody(), somebody());
    let face_of = |person| gallery.faces(person).unwrap().first().map(|face| face.id);
    // Galleries stay small: the more people, the more are removed.
    let choice = if people.len() > 25 { 6 } else { random.below(12) };
    match (choice, one, other) {
        (0..=3, ..) | (_, None, _) | (.., None) => {
            let center = stranger(&mut random, DIM);
            let mut faces: Vec<_> =
                (0..1 + random.below(4)).map(|_| face(near(&mut random, &center, 0.4))).collect();
            faces[0].crop = Some(vec![number as u8; 6000]);
            let whom = match (random.below(3), one) {
                (0, Some(person)) => Target::Person(person),
                _ => Target::New(Details::named(format!("number {number}"))),
            };
            gallery.enroll(&whom, &faces, &RULES).is_ok()
        }
        (4, Some(person), _) => gallery.rename(person, &format!("renamed {number}")).is_ok(),
        (5, Some(person), _) => face_of(person).is_some_and(|face| gallery.remove_face(face).is_ok()),
        (6, Some(person), _) => gallery.remove_person(person).is_ok(),
        (7, Some(into), Some(from)) => gallery.merge(into, from).is_ok(),
        (8, Some(person), _) => {
            let split = |face| gallery.split(person, &[face], &Details::named("split")).is_ok();
            face_of(person).is_some_and(split)
        }
        (9, Some(person), _) => face_of(person).is_some_and(|face| gallery.not_this_person(face).is_ok()),
        (10, ..) => gallery.undo(None).is_ok(),
        _ => match random.below(4) {
            0 => gallery.purge(Purge::All, false).is_ok(),
            1 => gallery.compact().is_ok(),
            _ => gallery.identify(&template(&stranger(&mut random, DIM)), &Search::default()).is_ok(),
        },
    }
}

/// Everything that operations change, without times.
fn everything(gallery: &Gallery) -> String {
    let mut out = String::new();
    for person in gallery.people(&Filter::default(), None, usize::MAX).unwrap() {
        out += &format!("{} {:?}\n", person.id, person.details);
        for face in gallery.faces(person.id).unwrap() {
            out += &format!("  {} {:?}\n", face.id, gallery.template(face.id).unwrap());
        }
        for negative in gallery.negatives(person.id).unwrap() {
            out += &format!("  {}\n", negative.id);
        }
    }
    let history = gallery.history().unwrap().into_iter().map(|o| (o.id, o.kind));
    format!("{out}{:?}", history.collect::<Vec<_>>())
}

/// The child: does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let from: u64 = std::env::var(FROM).unwrap().parse().unwrap();
    let gallery = open(Path::new(&folder), true);
    let mut out = std::io::stdout().lock();
    for number in from.. {
        operation(&gallery, number);
        writeln!(out, "done {number}").unwrap();
        out.flush().unwrap();
    }
}

/// Where the disk ends for the child of [`a_full_disk`].
const FULL: &str = "PHIZ_FULL_FOLDER";

/// Enrols until the disk is full, and then some.
#[test]
fn child_on_a_full_disk() {
    let Some(folder) = std::env::var_os(FULL) else { return };
    let gallery = open(Path::new(&folder), true);
    let mut random = Random::new(1);
    let mut errors = 0;
    while errors < 5 {
        let one = face(stranger(&mut random, DIM));
        match gallery.enroll(&Target::New(Details::default()), &[one], &RULES) {
            Ok(done) => println!("done {}", done.person.unwrap().0),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Full | ErrorKind::Io), "{error}");
                assert!(!error.hint().is_empty());
                errors += 1;
            }
        }
    }
    // Reading goes on.
    assert!(gallery.identify(&template(&stranger(&mut random, DIM)), &Search::default()).is_ok());
    println!("full");
}

/// A limit on the size of files stands for the end of the disk: a write beyond it fails.
#[cfg(unix)]
#[test]
fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), true));
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --exact child_on_a_full_disk --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(FULL, folder.path())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && out.contains("full"),
        "{out}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Vec<u64> = out.lines().filter_map(|line| line.split("done ").nth(1)?.parse().ok()).collect();
    let gallery = open(folder.path(), true);
    let there = gallery.people(&Filter::default(), None, usize::MAX).unwrap();
    assert!(said.len() > 10, "{said:?}");
    let there: Vec<u64> = there.iter().map(|person| person.id.0).collect();
    assert_eq!(there, said, "what was acknowledged, and nothing else");
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
    let one = face(stranger(&mut Random::new(2), DIM));
    assert!(gallery.enroll(&Target::New(Details::default()), &[one], &RULES).is_ok(), "with room it goes on");
}

#[test]
fn killed_at_random_moments() {
    let rounds: u64 = std::env::var("PHIZ_CRASH_ROUNDS").map_or(12, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), true));
    let twin = Gallery::over_store(Box::new(MemoryStore::default()), Some(&model()), &Key::None).unwrap();
    let (mut random, mut next, mut unsaid) = (Random::new(4), 0, 0);
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(FROM, next.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Mostly amid operations, sometimes amid opening.
        let time = if random.below(8) == 0 { random.below(20) } else { 20 + random.below(250) };
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(time as u64));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let said = lines.map_while(Result::ok).filter_map(|line| line.split("done ").nth(1)?.parse().ok());
        let last: Option<u64> = said.last();
        killer.join().unwrap();
        while last.is_some_and(|last| next <= last) {
            operation(&twin, next);
            next += 1;
        }
        let gallery = open(folder.path(), true);
        let is = everything(&gallery);
        if is != everything(&twin) {
            operation(&twin, next);
            next += 1;
            unsaid += 1;
            assert!(
                is == everything(&twin),
                "round {round}, before operation {next}:\n{is}\n\n{}",
                everything(&twin)
            );
        }
        // The index is held to the store by `check`, too.
        assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new(), "round {round}");
        if let Some(person) = gallery.people(&Filter::default(), None, 1).unwrap().first()
            && let Some(face) = gallery.faces(person.id).unwrap().first()
        {
            let template = gallery.template(face.id).unwrap();
            let found = gallery.identify(&template, &Search::default()).unwrap();
            assert!(!matches!(found.decision, Decision::Unknown { best: None }), "round {round}");
        }
        assert_eq!(
            Gallery::open(&folder.path().join("g.phiz"), &key(folder.path(), true)).unwrap().notes(),
            [] as [Note; 0]
        );
    }
    println!("{rounds} kills, {next} operations, {unsaid} done but not yet said");
    assert!(next > rounds, "the child does its work: {next} operations in {rounds} rounds");
}
