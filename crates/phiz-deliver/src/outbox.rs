//! The outbox: a file in which events wait until they are delivered.
//!
//! Form 1, in SQLite, with full synchronisation: `event(seq, id, at, body)`, of which `due(seq, target, tries, after)` says to
//! whom it still has to go, and `state(source, key, body)`, which changes in the same transaction as the event that changes it: by
//! it, a program that was killed knows what it was in the middle of. Bodies hold names. With a key they are sealed by
//! XChaCha20-Poly1305, bound to the event's id; without one the file is readable by its owner alone.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{DeliverError, Result};

const FORM: i64 = 1;
/// Ids are remembered for so long after their events were delivered, so that none comes twice.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);
/// What cannot be delivered for so long is given up.
const GIVEN_UP: Duration = Duration::from_secs(7 * 24 * 3600);
const NONCE: usize = 24;

/// An event that is to be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id: whoever has got it needs it no second time.
    pub id: String,
    /// When it happened, in seconds since 1970.
    pub at: f64,
    /// A JSON object.
    pub body: String,
}

/// Something that a source is in the middle of, as a later run of the program must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The source.
    pub source: String,
    /// Which of its states.
    pub key: String,
    /// What it is; none if it is over.
    pub body: Option<String>,
}

/// An event that is due for a target.
pub(crate) enum Due {
    /// This one, tried so many times before.
    Now { seq: i64, id: String, at: f64, body: String, tries: u32 },
    /// The first one may be tried again after a while.
    After(Duration),
    /// Nothing is.
    Nothing,
}

/// Events that wait. Threads and processes share it.
pub struct Outbox {
    path: PathBuf,
    connection: Mutex<Connection>,
    cipher: Option<XChaCha20Poly1305>,
    changes: Mutex<u64>,
    changed: Condvar,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("path", &self.path).finish_non_exhaustive()
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Outbox {
    /// Opens an outbox, made if there is none. What waits in it and does not open by the key is left where it is.
    ///
    /// # Errors
    /// The file cannot be read or written, or was made by a newer version.
    pub fn open(path: &Path, key: Option<&[u8; 32]>) -> Result<Arc<Outbox>> {
        let fault = |reason: String| DeliverError::Outbox { file: path.display().to_string(), reason };
        let options = {
            let mut options = std::fs::OpenOptions::new();
            options.create(true).append(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options
        };
        options.open(path).map_err(|error| fault(format!("cannot be written ({error})")))?;
        let sql = |error: rusqlite::Error| fault(error.to_string());
        let connection = Connection::open(path).map_err(sql)?;
        connection.busy_timeout(Duration::from_secs(20)).map_err(sql)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(sql)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(sql)?;
        let form: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
        if form > FORM {
            return Err(fault(format!("has form {form}, and this version of Phiz knows forms up to {FORM}")));
        }
        connection
            .execute_batch(
                "BEGIN IMMEDIATE;
                 CREATE TABLE IF NOT EXISTS event(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
                     at REAL NOT NULL, body BLOB NOT NULL);
                 CREATE TABLE IF NOT EXISTS due(target TEXT NOT NULL, seq INTEGER NOT NULL, tries INTEGER NOT NULL,
                     after REAL NOT NULL, PRIMARY KEY(target, seq)) WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS state(source TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL,
                     PRIMARY KEY(source, key)) WITHOUT ROWID;
                 PRAGMA user_version = 1;
                 COMMIT;",
            )
            .map_err(sql)?;
        let outbox = Arc::new(Outbox {
            path: path.into(),
            connection: Mutex::new(connection),
            cipher: key.map(|key| XChaCha20Poly1305::new(key.into())),
            changes: Mutex::new(0),
            changed: Condvar::new(),
        });
        outbox.sweep()?;
        Ok(outbox)
    }

    /// Gives up what nobody took for a week, and forgets the ids of what was delivered a month ago. Opening does this, too;
    /// whoever keeps an outbox open for months calls it from time to time.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sweep(&self) -> Result<()> {
        let old = now() - GIVEN_UP.as_secs_f64();
        let older = now() - REMEMBERED.as_secs_f64();
        let connection = self.lock();
        let work = || {
            let given_up = "DELETE FROM due WHERE seq IN (SELECT seq FROM event WHERE at < ?1)";
            connection.execute(given_up, params![old])?;
            let over = "DELETE FROM event WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM due WHERE due.seq = event.seq)";
            connection.execute(over, params![older])
        };
        work().map(|_| ()).map_err(|error| self.fault(error))
    }

    /// Forgets what waits for a target that is no more.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&self, target: &str) -> Result<()> {
        let connection = self.lock();
        let work = || {
            connection.execute("DELETE FROM due WHERE target = ?1", [target])?;
            // What it said is nobody's business any more; its id may be asked for.
            connection.execute(
                "UPDATE event SET body = x'' WHERE body <> x'' AND NOT EXISTS (SELECT 1 FROM due WHERE due.seq = event.seq)",
                [],
            )
        };
        work().map(|_| ()).map_err(|error| self.fault(error))
    }

    /// Forgets what a source that is no more was in the middle of.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget_states(&self, source: &str) -> Result<()> {
        let done = self.lock().execute("DELETE FROM state WHERE source = ?1", [source]);
        done.map(|_| ()).map_err(|error| self.fault(error))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, reason: impl std::fmt::Display) -> DeliverError {
        DeliverError::Outbox { file: self.path.display().to_string(), reason: reason.to_string() }
    }

    fn sealed(&self, id: &str, body: &str) -> Result<Vec<u8>> {
        let Some(cipher) = &self.cipher else { return Ok([&[0], body.as_bytes()].concat()) };
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| DeliverError::System(error.to_string()))?;
        let payload = Payload { msg: body.as_bytes(), aad: id.as_bytes() };
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|e| self.fault(e))?;
        Ok([&[1], &nonce[..], &sealed].concat())
    }

    fn opened(&self, id: &str, bytes: &[u8]) -> Option<String> {
        let (form, rest) = bytes.split_first()?;
        let bytes = match (form, &self.cipher) {
            (0, _) => rest.to_vec(),
            (1, Some(cipher)) => {
                let (nonce, sealed) = rest.split_at_checked(NONCE)?;
                cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: id.as_bytes() }).ok()?
            }
            _ => return None,
        };
        String::from_utf8(bytes).ok()
    }

    /// Keeps an event for these targets, and what it changes, all or nothing; when this returns, it lasts. Says whether the
    /// event is new: one whose id is known changes nothing.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&self, message: &Message, targets: &[String], states: &[State]) -> Result<bool> {
        let body = self.sealed(&message.id, &message.body)?;
        let states: Vec<(&State, Option<Vec<u8>>)> = states
            .iter()
            .map(|state| {
                let body = state.body.as_ref().map(|body| self.sealed(&state.key, body)).transpose()?;
                Ok((state, body))
            })
            .collect::<Result<_>>()?;
        let new = {
            let mut connection = self.lock();
            let done = (|| {
                let work = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
                let put = "INSERT INTO event(id, at, body) VALUES(?1, ?2, ?3) ON CONFLICT(id) DO NOTHING";
                let new = work.execute(put, params![message.id, message.at, body])? > 0;
                if new {
                    let seq = work.last_insert_rowid();
                    for target in targets {
                        let due = "INSERT INTO due(target, seq, tries, after) VALUES(?1, ?2, 0, 0)";
                        work.execute(due, params![target, seq])?;
                    }
                    for (state, body) in &states {
                        match body {
                            Some(body) => work.execute(
                                "INSERT INTO state(source, key, body) VALUES(?1, ?2, ?3)
                                 ON CONFLICT(source, key) DO UPDATE SET body = excluded.body",
                                params![state.source, state.key, body],
                            )?,
                            None => work.execute(
                                "DELETE FROM state WHERE source = ?1 AND key = ?2",
                                params![state.source, state.key],
                            )?,
                        };
                    }
                }
                work.commit()?;
                Ok::<bool, rusqlite::Error>(new)
            })();
            done.map_err(|error| self.fault(error))?
        };
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
        Ok(new)
    }

    /// What a source was in the middle of when the program ended, by its keys. What does not open by the key is left out.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn states(&self, source: &str) -> Result<Vec<State>> {
        let connection = self.lock();
        let read = || {
            let mut rows =
                connection.prepare("SELECT key, body FROM state WHERE source = ?1 ORDER BY key")?;
            let rows = rows.query_map([source], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, Vec<u8>)>>>()
        };
        let rows = read().map_err(|error| self.fault(error))?;
        let open = |(key, body): (String, Vec<u8>)| {
            let body = Some(self.opened(&key, &body)?);
            Some(State { source: source.into(), key, body })
        };
        Ok(rows.into_iter().filter_map(open).collect())
    }

    /// How many events wait for these targets.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn waiting(&self, targets: &[String]) -> Result<usize> {
        let connection = self.lock();
        let mut all = 0;
        for target in targets {
            let count = connection
                .query_row("SELECT COUNT(*) FROM due WHERE target = ?1", [target], |row| row.get::<_, i64>(0))
                .map_err(|error| self.fault(error))?;
            all += usize::try_from(count).unwrap_or(0);
        }
        Ok(all)
    }

    /// The first event that waits for a target: later ones wait for it, so that order is kept.
    pub(crate) fn due(&self, target: &str) -> Result<Due> {
        let connection = self.lock();
        let first = "SELECT event.seq, event.id, event.at, event.body, due.tries, due.after FROM due
                     JOIN event ON event.seq = due.seq WHERE due.target = ?1 ORDER BY due.seq LIMIT 1";
        type Row = (i64, String, f64, Vec<u8>, u32, f64);
        let row: Option<Row> = connection
            .query_row(first, [target], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })
            .optional()
            .map_err(|error| self.fault(error))?;
        let Some((seq, id, at, body, tries, after)) = row else { return Ok(Due::Nothing) };
        let wait = after - now();
        if wait > 0.0 {
            return Ok(Due::After(Duration::from_secs_f64(wait.min(3600.0))));
        }
        match self.opened(&id, &body) {
            Some(body) => Ok(Due::Now { seq, id, at, body, tries }),
            None => {
                // Sealed by a key that is no longer: nobody can read it any more.
                connection
                    .execute("DELETE FROM due WHERE seq = ?1", [seq])
                    .map_err(|error| self.fault(error))?;
                Ok(Due::After(Duration::ZERO))
            }
        }
    }

    /// The target has it, or will never take it. Of an event that everybody has, only the id is kept.
    pub(crate) fn done(&self, target: &str, seq: i64) -> Result<()> {
        let mut connection = self.lock();
        let done = (|| {
            let work = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            work.execute("DELETE FROM due WHERE target = ?1 AND seq = ?2", params![target, seq])?;
            work.execute(
                "UPDATE event SET body = x'' WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM due WHERE due.seq = ?1)",
                [seq],
            )?;
            work.commit()
        })();
        done.map_err(|error: rusqlite::Error| self.fault(error))
    }

    /// It is tried again after a while.
    pub(crate) fn later(&self, target: &str, seq: i64, pause: Duration) -> Result<()> {
        let later = "UPDATE due SET tries = tries + 1, after = ?3 WHERE target = ?1 AND seq = ?2";
        let done = self.lock().execute(later, params![target, seq, now() + pause.as_secs_f64()]);
        done.map(|_| ()).map_err(|error| self.fault(error))
    }

    /// Waits until something was put, or for a while.
    pub(crate) fn wait(&self, most: Duration) {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *changes;
        let waited = self.changed.wait_timeout_while(changes, most, |now| *now == before);
        drop(waited);
    }

    /// Ends all waiting.
    pub(crate) fn wake(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Message {
        Message { id: id.into(), at: now(), body: format!("{{\"person\":\"Ada\",\"id\":\"{id}\"}}") }
    }

    fn first(outbox: &Outbox, target: &str) -> Option<String> {
        match outbox.due(target).unwrap() {
            Due::Now { id, .. } => Some(id),
            _ => None,
        }
    }

    #[test]
    fn events_wait_in_order_for_each_target_and_none_comes_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db");
        let targets = ["a".to_owned(), "b".to_owned()];
        let outbox = Outbox::open(&path, None).unwrap();
        let put = |id| outbox.put(&message(id), &targets, &[]).unwrap();
        assert_eq!([put("1"), put("2"), put("1")], [true, true, false]);
        assert_eq!(outbox.waiting(&targets).unwrap(), 4);
        let Due::Now { seq, id, .. } = outbox.due("a").unwrap() else { panic!("one is due") };
        assert_eq!(id, "1");
        outbox.later("a", seq, Duration::from_secs(60)).unwrap();
        assert_eq!(first(&outbox, "a"), None, "the second waits for the first");
        assert_eq!(first(&outbox, "b").as_deref(), Some("1"));
        drop(outbox);
        let outbox = Outbox::open(&path, None).unwrap();
        outbox.done("a", seq).unwrap();
        assert_eq!(first(&outbox, "a").as_deref(), Some("2"), "it outlives the process");
        assert!(!outbox.put(&message("1"), &targets, &[]).unwrap(), "what was delivered is known");
    }

    #[test]
    fn what_is_sealed_is_not_in_the_file_and_opens_by_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db");
        let outbox = Outbox::open(&path, Some(&[7; 32])).unwrap();
        let state = State { source: "cam".into(), key: "1".into(), body: Some("Ada is here".into()) };
        outbox.put(&message("1"), &["a".into()], std::slice::from_ref(&state)).unwrap();
        assert_eq!(outbox.states("cam").unwrap(), std::slice::from_ref(&state));
        drop(outbox);
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(3).any(|three| three == b"Ada"));
        }
        let other = Outbox::open(&path, Some(&[8; 32])).unwrap();
        assert!(other.states("cam").unwrap().is_empty());
        assert_eq!(first(&other, "a"), None, "it is given up, and does not stand in the way");
        assert!(matches!(other.due("a").unwrap(), Due::Nothing));
        let over = State { body: None, ..state };
        other.put(&message("2"), &[], &[over]).unwrap();
        assert!(Outbox::open(&path, Some(&[7; 32])).unwrap().states("cam").unwrap().is_empty());
    }

    #[test]
    fn what_was_delivered_or_is_nobody_s_any_more_is_emptied_and_its_id_stays_known() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox.db"), None).unwrap();
        let both = ["a".to_owned(), "b".to_owned()];
        for id in ["1", "2"] {
            outbox.put(&message(id), &both, &[]).unwrap();
        }
        let full = || {
            let count = "SELECT COUNT(*) FROM event WHERE body <> x''";
            outbox.lock().query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let Due::Now { seq, .. } = outbox.due("a").unwrap() else { panic!("one is due") };
        outbox.done("a", seq).unwrap();
        assert_eq!(full(), 2, "the other target has not got it");
        outbox.done("b", seq).unwrap();
        assert_eq!(full(), 1);
        outbox.forget("a").unwrap();
        assert_eq!((full(), first(&outbox, "b").as_deref()), (1, Some("2")));
        outbox.forget("b").unwrap();
        assert_eq!((full(), outbox.waiting(&both).unwrap()), (0, 0));
        assert!(!outbox.put(&message("2"), &both, &[]).unwrap());
        let state = State { source: "cam".into(), key: "1".into(), body: Some("here".into()) };
        outbox.put(&message("3"), &[], &[state]).unwrap();
        outbox.forget_states("cam").unwrap();
        assert!(outbox.states("cam").unwrap().is_empty());
    }

    #[test]
    fn a_file_that_is_none_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db");
        std::fs::write(
            &path,
            b"this is no database, but a text that is long enough to be taken for one".repeat(20),
        )
        .unwrap();
        let error = Outbox::open(&path, None).unwrap_err();
        assert!(error.to_string().contains("outbox.db") && error.hint().contains("deleted"), "{error}");
    }
}
