//! What every store must pass: seeded random transactions, compared with the store in memory after each, after each
//! reopening, and while several threads read and write.
//!
//! ```
//! use phiz_gallery::store::{MemoryStore, contract};
//! let store = MemoryStore::default();
//! contract::check(&|| Ok(Box::new(store.clone()))).unwrap();
//! ```

use std::sync::mpsc::channel;
use std::time::Duration;

use super::{Kind, Mark, MemoryStore, Row, Rows, RowsMut, Store, Tag};
use crate::error::{ErrorKind, GalleryError, Result};

/// Holds a store to the trait's promises. `open` opens the same content again and again, empty the first time.
///
/// # Errors
/// In words, the first promise that is not kept.
pub fn check(open: &dyn Fn() -> Result<Box<dyn Store>>) -> std::result::Result<(), String> {
    against_the_model(open)?;
    let store = open().map_err(words)?;
    side_by_side(&*store)?;
    let faults = store.maintenance().map_or_else(|| Ok(Vec::new()), |store| store.faults());
    match faults.map_err(words)?.first() {
        Some(fault) => Err(format!("the store finds a fault in itself: {fault}")),
        None => Ok(()),
    }
}

const TAGS: [Tag; 3] = [[1; 16], [2; 16], [3; 16]];
const TRANSACTIONS: u64 = 200;
/// For a reader or writer that must not be kept waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % limit
    }

    fn row(&mut self) -> Row {
        let tags = TAGS.into_iter().filter(|_| self.below(3) == 0).collect();
        // Some bodies are longer than a page of any database.
        let length = if self.below(10) == 0 { 20_000 } else { self.below(60) as usize };
        Row { owner: self.below(4), tags, body: vec![self.below(256) as u8; length] }
    }
}

fn words(error: GalleryError) -> String {
    format!("an error where none may be: {error}")
}

/// The error by which a transaction takes itself back.
fn taken_back() -> GalleryError {
    GalleryError::new(ErrorKind::Caller, "this transaction is taken back")
}

/// A transaction, told by a seed so that it can be done to several stores.
fn transaction(rows: &mut dyn RowsMut, seed: u64) -> Result<Vec<u64>> {
    let mut random = Random(seed);
    let mut given = Vec::new();
    for _ in 0..random.below(6) {
        let kind = Kind::ALL[random.below(Kind::ALL.len() as u64) as usize];
        // Apart from the ids that the store gives.
        let id = 1001 + random.below(12);
        match random.below(8) {
            0..=2 => rows.put(kind, id, &random.row())?,
            3 => given.push(u64::from(rows.delete(kind, id)?)),
            4 => {
                let id = rows.next_id(kind)?;
                given.push(id);
                rows.put(kind, id, &random.row())?;
            }
            5 => rows.set_meta(["a", "b"][random.below(2) as usize], Some(&[random.below(256) as u8]))?,
            6 => rows.set_meta(["a", "b"][random.below(2) as usize], None)?,
            _ if random.below(10) == 0 => rows.cut_log()?,
            _ => {}
        }
    }
    // Within the transaction its own changes are seen.
    for kind in Kind::ALL {
        given.push(rows.count(kind)?);
        given.extend(rows.tagged(kind, &TAGS[0])?);
    }
    if random.below(6) == 0 { Err(taken_back()) } else { Ok(given) }
}

/// All that can be read, as text. Marks differ between stores, but not their versions.
fn all(rows: &dyn Rows, marks: &[Mark]) -> Result<String> {
    let mut out = format!("version {}\n", rows.mark()?.version);
    for kind in Kind::ALL {
        let (mut after, mut seen) = (0, 0);
        loop {
            let page = rows.page(kind, after, 5)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (id, row) in page {
                if rows.get(kind, id)?.as_ref() != Some(&row) {
                    out += &format!("get and page differ for {kind:?} {id}\n");
                }
                out += &format!("{kind:?} {id} {} {:?} {:?}\n", row.owner, row.tags, row.body);
                seen += 1;
            }
        }
        out += &format!("{seen} seen, {} counted\n", rows.count(kind)?);
        // In no order, one of them twice, some that are not there.
        out += &format!("many: {:?}\n", rows.get_many(kind, &[1007, 1003, 4, 1003, 999, 1])?);
        out += &format!("none: {:?}\n", rows.get_many(kind, &[])?);
        if Kind::OWNED.contains(&kind) {
            for owner in 0..4 {
                out += &format!("{owner} owns {:?}\n", rows.owned(kind, owner)?);
            }
            out += &format!("owned: {:?}\n", rows.owned_many(kind, &[3, 1, 9, 1])?);
            out += &format!("owned by none: {:?}\n", rows.owned_many(kind, &[])?);
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

fn look(store: &dyn Store, marks: &[Mark]) -> std::result::Result<(String, Mark), String> {
    let mut out = None;
    let done = store.read(&mut |rows| {
        out = Some((all(rows, marks)?, rows.mark()?));
        Ok(())
    });
    done.map_err(words)?;
    out.ok_or_else(|| "the store did not run the work of a reading transaction".into())
}

fn against_the_model(open: &dyn Fn() -> Result<Box<dyn Store>>) -> std::result::Result<(), String> {
    let (mut store, model) = (open().map_err(words)?, MemoryStore::default());
    let (mut marks, mut model_marks) = (Vec::new(), Vec::new());
    let foreign = Mark { version: 3, stamp: 77 };
    for seed in 0..TRANSACTIONS {
        let (mut given, mut model_given) = (None, None);
        let done = store.write(&mut |rows| {
            given = Some(transaction(rows, seed)?);
            Ok(())
        });
        let model_done = model.write(&mut |rows| {
            model_given = Some(transaction(rows, seed)?);
            Ok(())
        });
        if (done.is_ok(), &given) != (model_done.is_ok(), &model_given) {
            return Err(format!(
                "transaction {seed} gives {done:?} {given:?}, but the model {model_given:?}"
            ));
        }
        if seed % 20 == 19 {
            drop(store);
            store = open().map_err(words)?;
        }
        if seed == 100
            && let Some(store) = store.maintenance()
        {
            store.compact().map_err(words)?;
        }
        let ((own, mark), (truth, model_mark)) = (look(&*store, &marks)?, look(&model, &model_marks)?);
        if own != truth {
            return Err(format!("after transaction {seed} it has:\n{own}\nbut the model has:\n{truth}"));
        }
        if !look(&*store, &[foreign])?.0.contains("since 3: None") {
            return Err("it claims to know a mark of another history".into());
        }
        marks.push(mark);
        model_marks.push(model_mark);
        // A few marks, old and new.
        if marks.len() > 6 {
            marks.remove(seed as usize % 6);
            model_marks.remove(seed as usize % 6);
        }
    }
    Ok(())
}

/// Writes the next number under the name `n`; says which.
fn count_up(store: &dyn Store) -> Result<u8> {
    let mut next = 0;
    store.write(&mut |rows| {
        next = number(rows)? + 1;
        rows.set_meta("n", Some(&[next]))
    })?;
    Ok(next)
}

fn number(rows: &dyn Rows) -> Result<u8> {
    Ok(rows.meta("n")?.and_then(|bytes| bytes.first().copied()).unwrap_or(0))
}

fn seen(store: &dyn Store) -> Result<u8> {
    let mut seen = 0;
    store.read(&mut |rows| {
        seen = number(rows)?;
        Ok(())
    })?;
    Ok(seen)
}

fn side_by_side(store: &dyn Store) -> std::result::Result<(), String> {
    count_up(store).map_err(words)?;
    // Somebody writes, and somebody else reads, while a reader reads.
    let mut told = Ok(());
    std::thread::scope(|scope| {
        store.read(&mut |rows| {
            let before = number(rows)?;
            let (done, wait) = channel();
            scope.spawn(move || {
                let _ = done.send((seen(store).map_err(words), count_up(store).map_err(words)));
            });
            told = match wait.recv_timeout(PATIENCE) {
                Err(_) => Err("a writer or a second reader waits for a reader".into()),
                Ok((Ok(seen), Ok(written))) if seen == before && written == before + 1 => Ok(()),
                Ok(other) => Err(format!("beside a reader of {before}, others have {other:?}")),
            };
            if told.is_ok() && number(rows)? != before {
                told = Err("a reader sees what was written after it began".into());
            }
            Ok(())
        })
    })
    .map_err(words)?;
    told?;
    // Somebody reads while a writer writes.
    let mut told = Ok(());
    std::thread::scope(|scope| {
        store.write(&mut |rows| {
            let before = number(rows)?;
            rows.set_meta("n", Some(&[before + 1]))?;
            let (done, wait) = channel();
            scope.spawn(move || {
                let _ = done.send(seen(store).map_err(words));
            });
            told = match wait.recv_timeout(PATIENCE) {
                Err(_) => Err("a reader waits for a writer".into()),
                Ok(Ok(seen)) if seen == before => Ok(()),
                Ok(other) => Err(format!("beside a writer who found {before}, a reader has {other:?}")),
            };
            Ok(())
        })
    })
    .map_err(words)?;
    told?;
    // No increment is lost among writers.
    let before = seen(store).map_err(words)?;
    let failed = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..10).find_map(|_| count_up(store).err()))).collect();
        writers.into_iter().find_map(|writer| match writer.join() {
            Ok(None) => None,
            Ok(Some(error)) => Some(words(error)),
            Err(_) => Some("a writer panicked".into()),
        })
    });
    let after = seen(store).map_err(words)?;
    match failed {
        Some(failed) => Err(failed),
        None if after != before + 40 => {
            Err(format!("40 writers one after the other: {before} became {after}"))
        }
        None => Ok(()),
    }
}
