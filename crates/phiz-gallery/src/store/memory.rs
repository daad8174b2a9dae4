//! A store in memory: the plainest thing that keeps the trait's promises.
//!
//! It is the model that the others are held to by tests, and serves galleries that need not last. Each write copies
//! the list of rows first, so that taking back is trivially right, and readers keep the state that they began with:
//! fine for thousands of faces, not for millions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::{Kind, Mark, Read, Row, Rows, RowsMut, Store, Tag, Write};
use crate::error::Result;

/// A store in memory. Clones share one content.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: RwLock<Arc<State>>,
    writer: Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct State {
    rows: BTreeMap<(Kind, u64), Arc<Row>>,
    meta: BTreeMap<String, Vec<u8>>,
    counters: BTreeMap<Kind, u64>,
    log: Vec<(Mark, u64)>,
    mark: Mark,
    touched: Vec<u64>,
    written: bool,
}

impl State {
    fn touch(&mut self, kind: Kind, id: u64, row: Option<&Row>) {
        match (kind, row) {
            (Kind::Person, _) => self.touched.push(id),
            (Kind::Face, Some(row)) if row.owner != 0 => self.touched.push(row.owner),
            _ => {}
        }
    }

    fn ids(&self, kind: Kind, wanted: impl Fn(&Row) -> bool) -> Vec<u64> {
        let rows = self.rows.range((kind, 0)..=(kind, u64::MAX));
        rows.filter(|(_, row)| wanted(row)).map(|((_, id), _)| *id).collect()
    }
}

impl Rows for State {
    fn mark(&self) -> Result<Mark> {
        Ok(self.mark)
    }
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.meta.get(name).cloned())
    }
    fn get(&self, kind: Kind, id: u64) -> Result<Option<Row>> {
        Ok(self.rows.get(&(kind, id)).map(|row| Row::clone(row)))
    }
    fn owned(&self, kind: Kind, owner: u64) -> Result<Vec<u64>> {
        Ok(self.ids(kind, |row| row.owner == owner))
    }
    fn tagged(&self, kind: Kind, tag: &Tag) -> Result<Vec<u64>> {
        Ok(self.ids(kind, |row| row.tags.contains(tag)))
    }
    fn page(&self, kind: Kind, after: u64, limit: usize) -> Result<Vec<(u64, Row)>> {
        let rows = self.rows.range((kind, after.saturating_add(1))..=(kind, u64::MAX));
        Ok(rows.take(limit).map(|((_, id), row)| (*id, Row::clone(row))).collect())
    }
    fn count(&self, kind: Kind) -> Result<u64> {
        Ok(self.ids(kind, |_| true).len() as u64)
    }
    fn changed_since(&self, mark: &Mark) -> Result<Option<Vec<u64>>> {
        let known = *mark == self.mark || self.log.iter().any(|(m, _)| m == mark);
        if !known {
            return Ok(None);
        }
        let mut ids: Vec<u64> = self
            .log
            .iter()
            .filter(|(m, id)| m.version > mark.version && *id != 0)
            .map(|(_, id)| *id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }
}

impl RowsMut for State {
    fn set_meta(&mut self, name: &str, value: Option<&[u8]>) -> Result<()> {
        self.written = true;
        match value {
            Some(value) => self.meta.insert(name.into(), value.into()),
            None => self.meta.remove(name),
        };
        Ok(())
    }
    fn next_id(&mut self, kind: Kind) -> Result<u64> {
        self.written = true;
        let counter = self.counters.entry(kind).or_default();
        *counter += 1;
        Ok(*counter)
    }
    fn put(&mut self, kind: Kind, id: u64, row: &Row) -> Result<()> {
        self.written = true;
        let old = self.rows.insert((kind, id), Arc::new(row.clone()));
        self.touch(kind, id, old.as_deref());
        self.touch(kind, id, Some(row));
        Ok(())
    }
    fn delete(&mut self, kind: Kind, id: u64) -> Result<bool> {
        let old = self.rows.remove(&(kind, id));
        self.written |= old.is_some();
        if old.is_some() {
            self.touch(kind, id, old.as_deref());
        }
        Ok(old.is_some())
    }
    fn cut_log(&mut self) -> Result<()> {
        self.written = true;
        let mark = self.mark;
        self.log.retain(|(m, id)| *m == mark && *id == 0);
        Ok(())
    }
}

impl MemoryStore {
    fn state(&self) -> Arc<State> {
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Store for MemoryStore {
    fn read(&self, work: Read<'_>) -> Result<()> {
        work(&*self.state())
    }
    fn write(&self, work: Write<'_>) -> Result<()> {
        let _turn = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = State::clone(&self.state());
        work(&mut next)?;
        if next.written {
            let mut stamp = [0; 8];
            crate::bytes::random(&mut stamp)?;
            next.mark = Mark { version: next.mark.version + 1, stamp: u64::from_le_bytes(stamp) >> 1 };
            let mark = next.mark;
            next.log.push((mark, 0));
            let touched = std::mem::take(&mut next.touched);
            next.log.extend(touched.into_iter().map(|id| (mark, id)));
            next.written = false;
            *self.shared.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        }
        Ok(())
    }
}
