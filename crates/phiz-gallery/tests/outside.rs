//! A store that another crate may have written, with public items only: it passes the store's contract, a gallery
//! lives over it, and it counts the queries that a gallery makes.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use common::{DIM, face, model, near, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::store::{Kind, Mark, Read, Row, Rows, RowsMut, Store, Tag, Write, contract};
use phiz_gallery::{EnrollRules, ErrorKind, Fault, Gallery, GalleryError, Key, Rate, Result, Search, Target};

/// Rows in a vector, copied by every writer: as plain as can be, and different from the store in memory.
#[derive(Clone, Default)]
struct Table {
    rows: Vec<(Kind, u64, Row)>,
    meta: Vec<(String, Vec<u8>)>,
    given: Vec<(Kind, u64)>,
    /// Versions with their stamps, and who was touched by each.
    versions: Vec<(Mark, BTreeSet<u64>)>,
    touched: Option<BTreeSet<u64>>,
    cut: bool,
    queries: Arc<AtomicU64>,
}

impl Table {
    fn asked(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    fn found(&self, kind: Kind, wanted: impl Fn(u64, &Row) -> bool) -> Vec<(u64, Row)> {
        let rows = self.rows.iter().filter(|(k, id, row)| *k == kind && wanted(*id, row));
        let mut found: Vec<(u64, Row)> = rows.map(|(_, id, row)| (*id, row.clone())).collect();
        found.sort_by_key(|(id, _)| *id);
        found
    }

    fn touch(&mut self, kind: Kind, id: u64, row: Option<&Row>) {
        let touched = self.touched.get_or_insert_default();
        match (kind, row) {
            (Kind::Person, _) => _ = touched.insert(id),
            (Kind::Face, Some(row)) if row.owner != 0 => _ = touched.insert(row.owner),
            _ => {}
        }
    }
}

impl Rows for Table {
    fn mark(&self) -> Result<Mark> {
        self.asked();
        Ok(self.versions.last().map(|(mark, _)| *mark).unwrap_or_default())
    }
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.asked();
        Ok(self.meta.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()))
    }
    fn get(&self, kind: Kind, id: u64) -> Result<Option<Row>> {
        self.asked();
        Ok(self.found(kind, |i, _| i == id).pop().map(|(_, row)| row))
    }
    fn get_many(&self, kind: Kind, ids: &[u64]) -> Result<Vec<(u64, Row)>> {
        self.asked();
        Ok(self.found(kind, |id, _| ids.contains(&id)))
    }
    fn owned(&self, kind: Kind, owner: u64) -> Result<Vec<u64>> {
        self.asked();
        Ok(self.found(kind, |_, row| row.owner == owner).into_iter().map(|(id, _)| id).collect())
    }
    fn owned_many(&self, kind: Kind, owners: &[u64]) -> Result<Vec<(u64, u64)>> {
        self.asked();
        let found = self.found(kind, |_, row| owners.contains(&row.owner));
        let mut pairs: Vec<(u64, u64)> = found.into_iter().map(|(id, row)| (row.owner, id)).collect();
        pairs.sort_unstable();
        Ok(pairs)
    }
    fn tagged(&self, kind: Kind, tag: &Tag) -> Result<Vec<u64>> {
        self.asked();
        Ok(self.found(kind, |_, row| row.tags.contains(tag)).into_iter().map(|(id, _)| id).collect())
    }
    fn page(&self, kind: Kind, after: u64, limit: usize) -> Result<Vec<(u64, Row)>> {
        self.asked();
        let mut page = self.found(kind, |id, _| id > after);
        page.truncate(limit);
        Ok(page)
    }
    fn count(&self, kind: Kind) -> Result<u64> {
        self.asked();
        Ok(self.found(kind, |_, _| true).len() as u64)
    }
    fn changed_since(&self, mark: &Mark) -> Result<Option<Vec<u64>>> {
        self.asked();
        let known = *mark == self.mark()? || self.versions.iter().any(|(m, _)| m == mark);
        let later = self.versions.iter().filter(|(m, _)| m.version > mark.version);
        let people: BTreeSet<u64> = later.flat_map(|(_, touched)| touched.iter().copied()).collect();
        Ok(known.then(|| people.into_iter().collect()))
    }
}

impl RowsMut for Table {
    fn set_meta(&mut self, name: &str, value: Option<&[u8]>) -> Result<()> {
        self.touched.get_or_insert_default();
        self.meta.retain(|(n, _)| n != name);
        self.meta.extend(value.map(|value| (name.to_owned(), value.to_vec())));
        Ok(())
    }
    fn next_id(&mut self, kind: Kind) -> Result<u64> {
        self.touched.get_or_insert_default();
        let last = self.given.iter().filter(|(k, _)| *k == kind).map(|(_, id)| *id).max();
        let next = last.unwrap_or(0) + 1;
        self.given.push((kind, next));
        Ok(next)
    }
    fn put(&mut self, kind: Kind, id: u64, row: &Row) -> Result<()> {
        self.delete(kind, id)?;
        self.touch(kind, id, Some(row));
        self.rows.push((kind, id, row.clone()));
        Ok(())
    }
    fn delete(&mut self, kind: Kind, id: u64) -> Result<bool> {
        let Some(at) = self.rows.iter().position(|(k, i, _)| (*k, *i) == (kind, id)) else {
            return Ok(false);
        };
        let (_, _, old) = self.rows.remove(at);
        self.touch(kind, id, Some(&old));
        Ok(true)
    }
    fn cut_log(&mut self) -> Result<()> {
        self.touched.get_or_insert_default();
        self.cut = true;
        Ok(())
    }
}

/// Clones share one content.
#[derive(Clone, Default)]
struct Outside {
    now: Arc<RwLock<Arc<Table>>>,
    turn: Arc<Mutex<u64>>,
    queries: Arc<AtomicU64>,
}

impl Store for Outside {
    fn read(&self, work: Read<'_>) -> Result<()> {
        let now = Arc::clone(&self.now.read().unwrap());
        work(&Table { queries: self.queries.clone(), ..Table::clone(&now) })
    }
    fn write(&self, work: Write<'_>) -> Result<()> {
        let full = |_| GalleryError::new(ErrorKind::Io, "a writer died").with_hint("start again");
        let mut turn = self.turn.lock().map_err(full)?;
        let mut next = Table::clone(&self.now.read().unwrap());
        work(&mut next)?;
        if let Some(touched) = next.touched.take() {
            *turn += 1;
            let last = next.versions.last().map(|(mark, _)| *mark).unwrap_or_default();
            if std::mem::take(&mut next.cut) {
                next.versions = vec![(last, BTreeSet::new())];
            }
            let mark = Mark { version: last.version + 1, stamp: *turn * 7919 };
            next.versions.push((mark, touched));
            *self.now.write().unwrap() = Arc::new(next);
        }
        Ok(())
    }
}

#[test]
fn a_store_of_another_crate_keeps_the_promises() {
    let store = Outside::default();
    contract::check(&|| Ok(Box::new(store.clone()))).unwrap();
}

/// A store that breaks a promise does not pass: a reader keeps writers waiting.
#[test]
fn a_serial_store_does_not_pass() {
    struct Serial(Outside, Arc<Mutex<()>>);
    impl Store for Serial {
        fn read(&self, work: Read<'_>) -> Result<()> {
            let _turn = self.1.lock().unwrap();
            self.0.read(work)
        }
        fn write(&self, work: Write<'_>) -> Result<()> {
            let _turn = self.1.lock().unwrap();
            self.0.write(work)
        }
    }
    let (store, turn) = (Outside::default(), Arc::default());
    let told = contract::check(&|| Ok(Box::new(Serial(store.clone(), Arc::clone(&turn)))));
    assert!(told.unwrap_err().contains("waits"));
}

#[test]
fn a_gallery_lives_over_it() {
    let store = Outside::default();
    let gallery = Gallery::over_store(Box::new(store.clone()), Some(&model()), &Key::None).unwrap();
    let mut random = Random::new(3);
    let vector = stranger(&mut random, DIM);
    let rules = EnrollRules::default();
    gallery.enroll(&Target::Named("Ana".into()), &[face(vector.clone())], &rules).unwrap();
    drop(gallery);
    let again = Gallery::over_store(Box::new(store), None, &Key::None).unwrap();
    let found = again.verify(&template(&vector), again.resolve("ana").unwrap().id, Rate::Fmr(1e-3));
    assert!(found.unwrap().accepted);
    assert_eq!(again.check().unwrap(), Vec::<Fault>::new());
}

/// Queries that comparing with one person, finding somebody and building the index take, when people have so many faces
/// and negatives each.
fn queries(faces: usize) -> BTreeMap<&'static str, u64> {
    let store = Outside::default();
    let gallery = Gallery::over_store(Box::new(store.clone()), Some(&model()), &Key::None).unwrap();
    let mut random = Random::new(7);
    let rules = EnrollRules { report_similar: None, ..EnrollRules::default() };
    let mut probe = Vec::new();
    for i in 0..20 {
        let center = stranger(&mut random, DIM);
        let own: Vec<_> = (0..faces).map(|_| face(near(&mut random, &center, 0.3))).collect();
        let done = gallery.enroll(&Target::Named(format!("number {i}")), &own, &rules).unwrap();
        for _ in 0..faces {
            gallery.add_negative(done.person.unwrap(), &face(stranger(&mut random, DIM))).unwrap();
        }
        probe = center;
    }
    let probe = template(&probe);
    let person = gallery.resolve("number 19").unwrap().id;
    let count = |work: &dyn Fn()| {
        let before = store.queries.load(Ordering::Relaxed);
        work();
        store.queries.load(Ordering::Relaxed) - before
    };
    // Before anything was searched there is no index: the first search builds it.
    // All twenty are measured together, so that luck has no part in how many are.
    let all = Search { most: 20, ..Search::default() };
    let build = count(&|| _ = gallery.identify(&probe, &all).unwrap());
    let search = count(&|| _ = gallery.identify(&probe, &all).unwrap());
    let verify = count(&|| _ = gallery.verify(&probe, person, Rate::Fmr(0.01)).unwrap());
    let templates = count(&|| _ = gallery.templates(person).unwrap());
    let listed = count(&|| _ = gallery.faces(person).unwrap());
    let people = count(&|| _ = gallery.people(&Default::default(), None, 100).unwrap());
    let fresh = Gallery::over_store(Box::new(store.clone()), None, &Key::None).unwrap();
    let rebuild = count(&|| _ = fresh.identify(&probe, &all).unwrap());
    [
        ("build", build),
        ("search", search),
        ("verify", verify),
        ("templates", templates),
        ("faces", listed),
        ("people", people),
        ("rebuild", rebuild),
    ]
    .into()
}

#[test]
fn queries_do_not_depend_on_faces_per_person() {
    let (one, many) = (queries(1), queries(9));
    println!("{one:?}");
    assert_eq!(one, many);
    // One to see that the key is the same, and: name, faces, templates, negatives twice.
    assert_eq!(one["verify"], 6);
    assert!(one["search"] <= 8 && one["rebuild"] <= 17, "{one:?}");
}
