//! The server's own file, `server.db` in the home folder: keys, the passphrase's hash, sessions, requests that are to be
//! done once, and the audit. It holds ids and hashes; never a photo, a template, a name of a person or a secret.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{ApiError, Code, Result};
use crate::secret;

/// The file's name in the home folder.
pub(crate) const FILE: &str = "server.db";
/// Version of the tables.
const VERSION: i64 = 1;
/// How long a session lasts that nobody uses, and one that is used all the time.
const SESSION_IDLE: i64 = 12 * 3600;
const SESSION_MOST: i64 = 30 * 24 * 3600;
/// How long an answer is kept for a request that is repeated.
const IDEMPOTENCY: i64 = 24 * 3600;
/// How often "last used" is written.
const USED_EVERY: i64 = 60;

/// What a caller may do; each scope holds those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look.
    Read,
    /// Also change people and faces.
    Enrol,
    /// Also manage keys, galleries, calibration, backup, purge, and read the audit.
    Admin,
}

impl Scope {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Enrol => "enrol",
            Scope::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Scope, String> {
        [Scope::Read, Scope::Enrol, Scope::Admin]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no scope; scopes are read, enrol and admin"))
    }
}

/// A key, without what it consists of: that is shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyInfo {
    /// Its id, such as `k3`.
    pub id: String,
    /// What it is for, in the words of whoever made it; may be empty.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// The galleries that it is confined to; null for all.
    pub galleries: Option<Vec<String>>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it was last used; null if never.
    pub last_used: Option<i64>,
}

/// Who did what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// When, in seconds since 1970.
    pub at: i64,
    /// A key's id, `session`, `setup` or `nobody`.
    pub who: String,
    /// Method and route.
    pub what: String,
    /// The gallery; null where none is meant.
    pub gallery: Option<String>,
    /// The id in the route; null if it has none.
    pub subject: Option<String>,
    /// The HTTP status that was answered.
    pub status: u16,
    /// The request.
    pub request_id: String,
}

/// The file.
#[derive(Debug)]
pub struct Book {
    file: Mutex<Connection>,
}

/// What became of claiming an idempotency key.
pub(crate) enum Claim {
    /// The request is new.
    New,
    /// It was done, with this answer.
    Done(Kept),
}

/// An answer that is kept: status, content type and body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

impl Book {
    /// Opens the file, and makes it if there is none, readable by its owner alone.
    ///
    /// # Errors
    /// It cannot be opened or made, or a newer version of Phiz wrote it.
    pub fn open(folder: &Path) -> std::io::Result<Book> {
        let path = folder.join(FILE);
        let failed = |e: rusqlite::Error| std::io::Error::other(format!("{}: {e}", path.display()));
        if !path.exists() {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options
                .open(&path)
                .map_err(|e| std::io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        }
        let file = Connection::open(&path).map_err(failed)?;
        file.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
        file.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        file.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        file.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS keys (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,
                hash BLOB NOT NULL UNIQUE, scope TEXT NOT NULL, galleries TEXT, created INTEGER NOT NULL,
                used INTEGER);
             CREATE TABLE IF NOT EXISTS sessions (hash BLOB PRIMARY KEY, created INTEGER NOT NULL,
                used INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS once (hash BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, run TEXT NOT NULL,
                sealed BLOB, at INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
                who TEXT NOT NULL, what TEXT NOT NULL, gallery TEXT, subject TEXT, status INTEGER NOT NULL,
                request TEXT NOT NULL);
             COMMIT;",
        )
        .map_err(failed)?;
        let book = Book { file: Mutex::new(file) };
        let version = book.meta("version").map_err(failed)?;
        match version.map(|v| v.parse::<i64>()) {
            None => book.set_meta("version", &VERSION.to_string()).map_err(failed)?,
            Some(Ok(VERSION)) => {}
            Some(_) => {
                let reason = format!("{}: was written by another version of Phiz", path.display());
                return Err(std::io::Error::other(reason));
            }
        }
        Ok(book)
    }

    fn file(&self) -> MutexGuard<'_, Connection> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meta(&self, name: &str) -> rusqlite::Result<Option<String>> {
        self.file().query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).optional()
    }

    fn set_meta(&self, name: &str, value: &str) -> rusqlite::Result<()> {
        let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2";
        self.file().execute(sql, [name, value]).map(|_| ())
    }

    /// Whether anybody can come in: there is a passphrase or a key.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_set_up(&self) -> std::io::Result<bool> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'passphrase') OR EXISTS (SELECT 1 FROM keys)";
        self.file().query_row(sql, [], |row| row.get(0)).map_err(std::io::Error::other)
    }

    /// The passphrase's hash.
    pub(crate) fn passphrase(&self) -> Result<Option<String>> {
        Ok(self.meta("passphrase")?)
    }

    /// Sets the passphrase's hash; all sessions end.
    pub(crate) fn set_passphrase(&self, hash: &str) -> Result<()> {
        self.set_meta("passphrase", hash)?;
        self.file().execute("DELETE FROM sessions", [])?;
        Ok(())
    }

    /// Makes a key. The text is shown once: only its hash is kept.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new_key(
        &self,
        name: &str,
        scope: Scope,
        galleries: Option<&[String]>,
    ) -> std::io::Result<(KeyInfo, String)> {
        let key = secret::key()?;
        let confined = galleries.map(|names| serde_json::json!(names).to_string());
        let created = now();
        let file = self.file();
        file.execute(
            "INSERT INTO keys (name, hash, scope, galleries, created) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![name, secret::digest(&key), scope.as_str(), confined, created],
        )
        .map_err(std::io::Error::other)?;
        let info = KeyInfo {
            id: format!("k{}", file.last_insert_rowid()),
            name: name.into(),
            scope,
            galleries: galleries.map(<[String]>::to_vec),
            created,
            last_used: None,
        };
        Ok((info, key))
    }

    /// All keys.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn keys(&self) -> std::io::Result<Vec<KeyInfo>> {
        let file = self.file();
        let work = || -> rusqlite::Result<Vec<KeyInfo>> {
            let mut rows = file
                .prepare_cached("SELECT id, name, scope, galleries, created, used FROM keys ORDER BY id")?;
            rows.query_map([], key_info)?.collect()
        };
        work().map_err(std::io::Error::other)
    }

    /// Takes a key back; false if there is none of that id.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn revoke_key(&self, id: &str) -> std::io::Result<bool> {
        let Some(number) = id.strip_prefix('k').and_then(|n| n.parse::<i64>().ok()) else { return Ok(false) };
        let done = self.file().execute("DELETE FROM keys WHERE id = ?1", [number]);
        done.map(|n| n > 0).map_err(std::io::Error::other)
    }

    /// The key that a text is, if it is one.
    pub(crate) fn find_key(&self, key: &str) -> Result<Option<KeyInfo>> {
        let file = self.file();
        let sql = "SELECT id, name, scope, galleries, created, used FROM keys WHERE hash = ?1";
        let found = file.prepare_cached(sql)?.query_row([secret::digest(key)], key_info).optional()?;
        if let Some(info) = &found
            && info.last_used.is_none_or(|used| now() - used > USED_EVERY)
        {
            let id: i64 = info.id.trim_start_matches('k').parse().unwrap_or(0);
            file.execute("UPDATE keys SET used = ?1 WHERE id = ?2", params![now(), id])?;
        }
        Ok(found)
    }

    /// Begins a session; its secret.
    pub(crate) fn new_session(&self) -> Result<(String, i64)> {
        let token = secret::token().map_err(ApiError::internal)?;
        let at = now();
        let file = self.file();
        file.execute(
            "DELETE FROM sessions WHERE used < ?1 OR created < ?2",
            [at - SESSION_IDLE, at - SESSION_MOST],
        )?;
        file.execute("INSERT INTO sessions VALUES (?1, ?2, ?2)", params![secret::digest(&token), at])?;
        Ok((token, at + SESSION_IDLE))
    }

    /// When a session ends unless it is used, if it is one.
    pub(crate) fn find_session(&self, token: &str) -> Result<Option<i64>> {
        let hash = secret::digest(token);
        let file = self.file();
        let sql = "SELECT created, used FROM sessions WHERE hash = ?1";
        let found: Option<(i64, i64)> =
            file.prepare_cached(sql)?.query_row([hash], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((created, used)) = found else { return Ok(None) };
        let at = now();
        if at - used > SESSION_IDLE || at - created > SESSION_MOST {
            file.execute("DELETE FROM sessions WHERE hash = ?1", [hash])?;
            return Ok(None);
        }
        if at - used > USED_EVERY {
            file.execute("UPDATE sessions SET used = ?1 WHERE hash = ?2", params![at, hash])?;
        }
        Ok(Some((at + SESSION_IDLE).min(created + SESSION_MOST)))
    }

    /// Ends a session.
    pub(crate) fn end_session(&self, token: &str) -> Result<()> {
        self.file().execute("DELETE FROM sessions WHERE hash = ?1", [secret::digest(token)])?;
        Ok(())
    }

    /// Claims an idempotency key for a request. `caller` confines it to who sent it; `run` names this run of the server.
    pub(crate) fn claim(&self, caller: &str, key: &str, request: &[u8], run: &str) -> Result<Claim> {
        let (hash, fingerprint) = prints(caller, key, request);
        let at = now();
        let file = self.file();
        file.execute("DELETE FROM once WHERE at < ?1", [at - IDEMPOTENCY])?;
        let sql = "INSERT INTO once VALUES (?1, ?2, ?3, NULL, ?4) ON CONFLICT DO NOTHING";
        if file.execute(sql, params![hash, fingerprint, run, at])? == 1 {
            return Ok(Claim::New);
        }
        let sql = "SELECT fingerprint, run, sealed FROM once WHERE hash = ?1";
        let (known, by, sealed): (Vec<u8>, String, Option<Vec<u8>>) =
            file.query_row(sql, [hash], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if known != fingerprint {
            return Err(ApiError::new(
                Code::IdempotencyMismatch,
                "this Idempotency-Key came with another request before",
                "use a new key for a new request",
            ));
        }
        match sealed {
            Some(sealed) => {
                let opened = cipher(caller, key).decrypt(&[0; 12].into(), &*sealed);
                let body = opened.map_err(|_| ApiError::internal("a kept answer does not open"))?;
                Ok(Claim::Done(serde_json::from_slice(&body).map_err(ApiError::internal)?))
            }
            None if by == run => Err(ApiError::new(
                Code::IdempotencyRunning,
                "the first request with this Idempotency-Key is still being worked on",
                "ask again in a moment",
            )
            .retry_after(1)),
            None => Err(ApiError::new(
                Code::IdempotencyLost,
                "the server was interrupted while it worked on the first request with this Idempotency-Key",
                "look whether it was done, then use a new key",
            )),
        }
    }

    /// Keeps the answer to a claimed request, or forgets the claim where the request changed nothing. The answer is sealed
    /// by what only the caller knows.
    pub(crate) fn settle(&self, caller: &str, key: &str, answer: Option<&Kept>) -> Result<()> {
        let (hash, _) = prints(caller, key, &[]);
        let Some(answer) = answer else {
            self.file().execute("DELETE FROM once WHERE hash = ?1", [hash])?;
            return Ok(());
        };
        let body = serde_json::to_vec(answer).map_err(ApiError::internal)?;
        // A key seals one answer only, so that the nonce may be fixed.
        let sealed = cipher(caller, key).encrypt(&[0; 12].into(), &*body);
        let sealed = sealed.map_err(|_| ApiError::internal("an answer cannot be sealed"))?;
        self.file().execute("UPDATE once SET sealed = ?1 WHERE hash = ?2", params![sealed, hash])?;
        Ok(())
    }

    /// Writes down who did what, and forgets what is older than so many days.
    pub(crate) fn note(&self, entry: &AuditEntry, days: u32) -> Result<()> {
        let file = self.file();
        file.prepare_cached(
            "INSERT INTO audit (at, who, what, gallery, subject, status, request) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            entry.at,
            entry.who,
            entry.what,
            entry.gallery,
            entry.subject,
            entry.status,
            entry.request_id
        ])?;
        // Not with every entry: the oldest are few.
        if file.last_insert_rowid() % 64 == 0 {
            file.execute("DELETE FROM audit WHERE at < ?1", [entry.at - i64::from(days) * 86_400])?;
        }
        Ok(())
    }

    /// The audit, latest first, before an entry's number.
    pub(crate) fn audit(&self, before: Option<i64>, limit: usize) -> Result<Vec<(i64, AuditEntry)>> {
        let file = self.file();
        let mut rows = file.prepare_cached(
            "SELECT id, at, who, what, gallery, subject, status, request FROM audit WHERE id < ?1
             ORDER BY id DESC LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let entry = |row: &rusqlite::Row<'_>| {
            let entry = AuditEntry {
                at: row.get(1)?,
                who: row.get(2)?,
                what: row.get(3)?,
                gallery: row.get(4)?,
                subject: row.get(5)?,
                status: row.get(6)?,
                request_id: row.get(7)?,
            };
            Ok((row.get(0)?, entry))
        };
        let found = rows.query_map([before.unwrap_or(i64::MAX), limit], entry)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
}

fn key_info(row: &rusqlite::Row<'_>) -> rusqlite::Result<KeyInfo> {
    let wrong = |column: usize, what: String| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.into())
    };
    let scope: String = row.get(2)?;
    let galleries: Option<String> = row.get(3)?;
    Ok(KeyInfo {
        id: format!("k{}", row.get::<_, i64>(0)?),
        name: row.get(1)?,
        scope: scope.parse().map_err(|e| wrong(2, e))?,
        galleries: galleries
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|e| wrong(3, e.to_string()))?,
        created: row.get(4)?,
        last_used: row.get(5)?,
    })
}

/// By what a claim is found, and what its request was: both tell nothing to who has only the file.
fn prints(caller: &str, key: &str, request: &[u8]) -> ([u8; 32], [u8; 32]) {
    let hash = secret::derived(key.as_bytes(), "phiz once", caller.as_bytes());
    (hash, secret::derived(key.as_bytes(), "phiz request", request))
}

fn cipher(caller: &str, key: &str) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&secret::derived(key.as_bytes(), "phiz answer", caller.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> (tempfile::TempDir, Book) {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        (folder, book)
    }

    #[test]
    fn keys_are_found_by_their_text_alone_and_revoked() {
        let (folder, book) = book();
        assert!(!book.is_set_up().unwrap());
        let (info, key) = book.new_key("door", Scope::Read, Some(&["main".into()])).unwrap();
        assert!(book.is_set_up().unwrap());
        assert_eq!(info.id, "k1");
        let found = book.find_key(&key).unwrap().unwrap();
        assert_eq!((found.scope, found.galleries.as_deref()), (Scope::Read, Some(&["main".to_string()][..])));
        assert!(book.find_key("phiz_wrong").unwrap().is_none());
        for name in [FILE, "server.db-wal"] {
            let bytes = std::fs::read(folder.path().join(name)).unwrap();
            assert!(!bytes.windows(key.len()).any(|w| w == key.as_bytes()), "{name} holds the key");
        }
        assert!(book.revoke_key("k1").unwrap() && !book.revoke_key("k1").unwrap());
        assert!(!book.revoke_key("x").unwrap());
        assert!(book.find_key(&key).unwrap().is_none());
        let (info, _) = book.new_key("", Scope::Admin, None).unwrap();
        assert_eq!(info.id, "k2", "an id is never given twice");
    }

    #[test]
    fn sessions_end() {
        let (_folder, book) = book();
        let (token, _) = book.new_session().unwrap();
        assert!(book.find_session(&token).unwrap().is_some());
        book.file().execute("UPDATE sessions SET used = used - ?1", [SESSION_IDLE + 1]).unwrap();
        assert!(book.find_session(&token).unwrap().is_none());
        let (token, _) = book.new_session().unwrap();
        book.end_session(&token).unwrap();
        assert!(book.find_session(&token).unwrap().is_none());
        let (token, _) = book.new_session().unwrap();
        book.set_passphrase("hash").unwrap();
        assert!(book.find_session(&token).unwrap().is_none(), "a new passphrase ends all sessions");
    }

    #[test]
    fn a_request_is_done_once() {
        let (_folder, book) = book();
        let code = |claim: Result<Claim>| claim.err().map(|e| e.code);
        assert!(matches!(book.claim("k1", "key-0001", b"a", "run"), Ok(Claim::New)));
        assert_eq!(code(book.claim("k1", "key-0001", b"a", "run")), Some(Code::IdempotencyRunning));
        assert_eq!(code(book.claim("k1", "key-0001", b"a", "next run")), Some(Code::IdempotencyLost));
        assert!(matches!(book.claim("k2", "key-0001", b"b", "run"), Ok(Claim::New)), "callers are apart");
        let kept = Kept { status: 201, content_type: None, body: b"{\"name\":\"Ada\"}".to_vec() };
        book.settle("k1", "key-0001", Some(&kept)).unwrap();
        let Ok(Claim::Done(again)) = book.claim("k1", "key-0001", b"a", "run") else { panic!("is done") };
        assert_eq!((again.status, again.body), (kept.status, kept.body));
        assert_eq!(code(book.claim("k1", "key-0001", b"c", "run")), Some(Code::IdempotencyMismatch));
        book.settle("k2", "key-0001", None).unwrap();
        assert!(matches!(book.claim("k2", "key-0001", b"c", "run"), Ok(Claim::New)));
    }

    #[test]
    fn a_file_of_another_version_is_refused() {
        let (folder, book) = book();
        book.set_meta("version", "2").unwrap();
        drop(book);
        assert!(Book::open(folder.path()).unwrap_err().to_string().contains("another version"));
    }
}
