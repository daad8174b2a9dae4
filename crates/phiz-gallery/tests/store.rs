//! One suite for every store: seeded random transactions, compared with the store in memory after each and after each
//! restart. A new store gets a line in [`all_stores_keep_the_promises`].
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

use phiz_eval::random::Random;
use phiz_gallery::store::{Kind, Mark, MemoryStore, Row, Rows, RowsMut, SqliteStore, Store};
use phiz_gallery::{ErrorKind, GalleryError};

const TAGS: [[u8; 16]; 3] = [[1; 16], [2; 16], [3; 16]];

fn row(random: &mut Random) -> Row {
    let tags = TAGS.into_iter().filter(|_| random.below(3) == 0).collect();
    // Some bodies are longer than a page of any database.
    let length = if random.below(10) == 0 { 20_000 } else { random.below(60) };
    Row { owner: random.below(4) as u64, tags, body: vec![random.below(256) as u8; length] }
}

/// A transaction, told by a seed so that it can be done to several stores.
fn transaction(rows: &mut dyn RowsMut, seed: u64) -> Result<Vec<u64>, GalleryError> {
    let mut random = Random::new(seed);
    let mut given = Vec::new();
    for _ in 0..random.below(6) {
        let kind = Kind::ALL[random.below(6)];
        let id = 1 + random.below(12) as u64;
        match random.below(8) {
            0..=2 => rows.put(kind, id, &row(&mut random))?,
            3 => given.push(u64::from(rows.delete(kind, id)?)),
            4 => {
                let id = rows.next_id(kind)?;
                given.push(id);
                rows.put(kind, 100 + id, &row(&mut random))?;
            }
            5 => rows.set_meta(["a", "b"][random.below(2)], Some(&[random.below(256) as u8]))?,
            6 => rows.set_meta(["a", "b"][random.below(2)], None)?,
            _ if random.below(10) == 0 => rows.cut_log()?,
            _ => {}
        }
    }
    if random.below(6) == 0 {
        // Taking back must leave nothing.
        return Err(rows
            .meta("no such error")
            .err()
            .unwrap_or_else(|| "0".parse::<phiz_gallery::PersonId>().unwrap_err()));
    }
    Ok(given)
}

/// All that can be read, as text. Marks differ between stores, but not their versions.
fn all(rows: &dyn Rows, marks: &[Mark]) -> Result<String, GalleryError> {
    let mut out = format!("version {}\n", rows.mark()?.version);
    for kind in Kind::ALL {
        let (mut after, mut seen) = (0, 0);
        loop {
            let page = rows.page(kind, after, 5)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (id, row) in page {
                assert_eq!(rows.get(kind, id)?.as_ref(), Some(&row));
                out += &format!("{kind:?} {id} {} {:?} {:?}\n", row.owner, row.tags, row.body);
                seen += 1;
            }
        }
        assert_eq!(rows.count(kind)?, seen);
        for owner in 0..4 {
            if matches!(kind, Kind::Face | Kind::Negative) {
                out += &format!("{owner} owns {:?}\n", rows.owned(kind, owner)?);
            }
        }
        for tag in TAGS {
            out += &format!("{tag:?} finds {:?}\n", rows.tagged(kind, &tag)?);
        }
    }
    for mark in marks {
        out += &format!("since {}: {:?}\n", mark.version, rows.changed_since(mark)?);
    }
    out += &format!("{:?} {:?}\n", rows.meta("a")?, rows.meta("b")?);
    Ok(out)
}

fn look(store: &mut dyn Store, marks: &[Mark]) -> (String, Mark) {
    let mut out = None;
    store
        .read(&mut |rows| {
            out = Some((all(rows, marks)?, rows.mark()?));
            Ok(())
        })
        .unwrap();
    out.unwrap()
}

fn check(name: &str, open: impl Fn() -> Box<dyn Store>) {
    let (mut store, mut model) = (open(), MemoryStore::default());
    let (mut marks, mut model_marks) = (Vec::new(), Vec::new());
    let foreign = Mark { version: 3, stamp: 77 };
    for seed in 0..150 {
        let (mut given, mut model_given) = (None, None);
        let done = store.write(&mut |rows| {
            given = Some(transaction(rows, seed)?);
            Ok(())
        });
        let model_done = model.write(&mut |rows| {
            model_given = Some(transaction(rows, seed)?);
            Ok(())
        });
        assert_eq!((done.is_ok(), given), (model_done.is_ok(), model_given), "{name}, transaction {seed}");
        if seed % 20 == 19 {
            store = open();
        }
        if seed == 100 {
            store.compact().unwrap();
        }
        let ((own, mark), (truth, model_mark)) = (look(&mut *store, &marks), look(&mut model, &model_marks));
        assert!(own == truth, "{name}, after transaction {seed}:\n{own}\nbut the model has:\n{truth}");
        let unknown = look(&mut *store, &[foreign]).0;
        assert!(unknown.contains("since 3: None"), "{name}: a mark of another history is not known");
        marks.push(mark);
        model_marks.push(model_mark);
        // A few marks, old and new.
        if marks.len() > 6 {
            marks.remove(seed as usize % 6);
            model_marks.remove(seed as usize % 6);
        }
    }
    assert_eq!(store.faults().unwrap(), Vec::<String>::new(), "{name}");
}

#[test]
fn all_stores_keep_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    check("sqlite", || Box::new(SqliteStore::open(&folder.path().join("rows"), true).unwrap()));
    let memory = MemoryStore::default();
    check("memory", || Box::new(memory.clone()));
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let kind = |path: &std::path::Path| SqliteStore::open(path, false).map(|_| ()).unwrap_err().kind();
    assert_eq!(kind(&path), ErrorKind::NotFound);
    std::fs::write(&path, "no database, but long enough to look like one if one squints, surely".repeat(20))
        .unwrap();
    assert_eq!(kind(&path), ErrorKind::Damaged);
    let foreign = folder.path().join("foreign");
    let other = rusqlite::Connection::open(&foreign).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(other);
    assert_eq!(kind(&foreign), ErrorKind::Caller);
    let newer = folder.path().join("newer");
    drop(SqliteStore::open(&newer, true).unwrap());
    let change = rusqlite::Connection::open(&newer).unwrap();
    change.pragma_update(None, "user_version", 99).unwrap();
    drop(change);
    let error = SqliteStore::open(&newer, false).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherVersion);
    assert!(error.to_string().contains("99") && error.to_string().contains('1'), "{error}");
}
