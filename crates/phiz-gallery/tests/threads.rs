//! Many threads on one gallery: searches go on while it is exported, checked, changed, sealed by another key, and no
//! answer names somebody wrong.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use common::{DIM, create, face, key, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::{
    Decision, EnrollRules, Fault, Gallery, Key, PersonId, Purge, Rate, Search, Target, Template,
};

const RULES: EnrollRules = EnrollRules { least_quality: 0.0, report_similar: None, unlike_above: 0.02 };

fn everybody(gallery: &Gallery, many: usize) -> Vec<(PersonId, Template)> {
    let mut random = Random::new(6);
    let people = (0..many).map(|i| {
        let vector = stranger(&mut random, DIM);
        let done = gallery.enroll(&Target::Named(format!("number {i}")), &[face(vector.clone())], &RULES);
        (done.unwrap().person.unwrap(), template(&vector))
    });
    people.collect()
}

struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn is_shared<T: Send + Sync>(_: &T) {}

/// Threads that read something short all the time leave no moment without a reader.
#[test]
fn a_gallery_that_is_read_all_the_time_is_packed_soon() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let people = everybody(&gallery, 20);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let end = SetAtEnd(&stop);
        for _ in 0..6 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    people.iter().for_each(|(person, _)| drop(gallery.person(*person).unwrap()));
                }
            });
        }
        let begun = Instant::now();
        for round in 0..5 {
            gallery.rename(people[0].0, &format!("round {round}")).unwrap();
            gallery.purge(Purge::All, false).unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?} for five", begun.elapsed());
        drop(end);
    });
}

#[test]
fn searches_go_on_whatever_else_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    is_shared(&gallery);
    let people = everybody(&gallery, 60);
    let (stop, searches) = (AtomicBool::new(false), AtomicUsize::new(0));
    let search = Search { rate: Rate::Fmr(1e-8), ..Search::default() };
    std::thread::scope(|scope| {
        // Also when a step below fails: else the scope would wait for the searchers for ever.
        let end = SetAtEnd(&stop);
        let mut searchers = Vec::new();
        for thread in 0..3 {
            let (gallery, people, stop, searches, search) = (&gallery, &people, &stop, &searches, &search);
            searchers.push(scope.spawn(move || {
                let mut random = Random::new(thread);
                while !stop.load(Ordering::Relaxed) {
                    // The first twenty stay as they are; others are renamed and removed.
                    let (person, probe) = &people[random.below(people.len())];
                    let found = gallery.identify(probe, search).unwrap();
                    if let Decision::Match(candidate) = &found.decision {
                        assert_eq!(candidate.person, *person);
                        assert!(candidate.name.contains("number"), "{candidate:?}");
                    }
                    assert!(person.0 > 20 || matches!(found.decision, Decision::Match(_)));
                    let verified = gallery.verify(probe, *person, Rate::Fmr(1e-4));
                    assert!(person.0 > 20 || verified.unwrap().name.contains("number"));
                    searches.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let wait = |least: usize| {
            let from = searches.load(Ordering::Relaxed);
            while searches.load(Ordering::Relaxed) < from + least
                && searchers.iter().all(|searcher| !searcher.is_finished())
            {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        for round in 0..3 {
            for (person, _) in &people[20 + round * 10..][..10] {
                gallery.rename(*person, &format!("another number {round}")).unwrap();
                gallery.remove_person(*person).unwrap();
            }
            wait(10);
            gallery.export(&folder.path().join(format!("archive {round}"))).unwrap();
            assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
            wait(10);
            gallery.rotate_key(&Key::File(folder.path().join(format!("key {round}")))).unwrap();
            gallery.exchange_key(&Key::File(folder.path().join(format!("other key {round}")))).unwrap();
            gallery.undo(None).unwrap();
            gallery.purge(Purge::All, false).unwrap();
            wait(10);
        }
        drop(end);
        searchers.into_iter().for_each(|searcher| searcher.join().unwrap());
    });
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
    assert_eq!(gallery.len().unwrap(), 33);
    drop(gallery);
    let path = folder.path().join("g.phiz");
    assert!(Gallery::open(&path, &key(folder.path(), true)).is_err());
    let again = Gallery::open(&path, &Key::File(folder.path().join("other key 2"))).unwrap();
    assert_eq!(again.len().unwrap(), 33);
}

/// A person is removed between the index's answer and the reading of their name: an answer without them, no error.
#[test]
fn a_removal_at_that_moment_fails_no_search() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), false);
    let people = everybody(&gallery, 40);
    let search = Search { most: 40, ..Search::default() };
    std::thread::scope(|scope| {
        let (done, wait) = channel();
        let (gallery, people) = (&gallery, &people);
        scope.spawn(move || {
            for (person, _) in &people[1..] {
                gallery.remove_person(*person).unwrap();
            }
            done.send(()).unwrap();
        });
        while wait.try_recv().is_err() {
            let found = gallery.identify(&people[0].1, &search).unwrap();
            assert!(found.candidates.iter().all(|candidate| candidate.name.starts_with("number")));
        }
    });
    assert_eq!(gallery.identify(&people[0].1, &search).unwrap().candidates.len(), 1);
}
