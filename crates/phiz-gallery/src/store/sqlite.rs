//! The store on one machine: SQLite, one file.
//!
//! Write-ahead log with `synchronous=FULL`: a write is on the disk before it is acknowledged, and readers do not wait
//! for a writer. `secure_delete` overwrites what is deleted. Several processes may use one file; writers take turns.
//!
//! Within a process one connection writes. Each reading transaction takes a connection from a pool, or opens one more:
//! there are as many as ever read at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::{Kind, Maintenance, Mark, Read, Row, Rows, RowsMut, Store, Tag, Write};
use crate::error::{ErrorKind, GalleryError, Result};

/// "Phiz", so that other programs tell our files from other databases.
const APPLICATION: i32 = 0x5068_697a;

/// Each step brings a file from the version before it to its own (counted from 1). Never change one: add one.
const MIGRATIONS: [&str; 4] = ["
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE person (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE face (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE template (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE crop (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE negative (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE journal (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE INDEX face_owner ON face (owner);
    CREATE INDEX negative_owner ON negative (owner);
    CREATE TABLE tag (tag BLOB NOT NULL, kind INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (tag, kind, id))
        WITHOUT ROWID;
    CREATE TABLE counter (kind INTEGER PRIMARY KEY, last INTEGER NOT NULL);
    CREATE TABLE version (version INTEGER PRIMARY KEY, stamp INTEGER NOT NULL);
    CREATE TABLE changed (version INTEGER NOT NULL, person INTEGER NOT NULL, PRIMARY KEY (version, person))
        WITHOUT ROWID;
", "
    CREATE TABLE young_tag (tag BLOB NOT NULL, kind INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (tag, kind, id))
        WITHOUT ROWID;
", "
    CREATE TABLE photo (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE sighting (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE sighting_group (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE INDEX sighting_owner ON sighting (owner);
    CREATE INDEX sighting_group_owner ON sighting_group (owner);
    CREATE TABLE spare (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE spare_negative (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL,
        body BLOB NOT NULL);
", "
    CREATE TABLE sighting_crop (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, tags BLOB NOT NULL, body BLOB NOT NULL);
"];

/// Tags are hashes: those of a large transaction would touch pages all over their table, each of them to be written
/// twice. A transaction with more tags than this puts them into `young_tag`, which is small...
const FEW_TAGS: usize = 256;
/// One with more than this, as when every row is sealed anew, writes them to `tag` on its way: they wait in memory.
const MOST_TAGS: usize = 500_000;
/// ...until so many people and faces have come, or an eighth of those that `tag` knows: then it is emptied into
/// `tag`, in order.
const YOUNG_LEAST: i64 = 50_000;
/// The counter, beside those of the kinds, of people and faces that had come when `young_tag` was last emptied.
const TAGGED_UNTIL: u8 = 0;

/// Pages (of 8 KB) that the write-ahead log may hold before it is carried over into the file.
const LOG_PAGES: u32 = 16384;
/// Idle connections that are kept; more than these at once are closed again.
const MOST_READERS: usize = 8;
/// Kilobytes of pages that the writer and each reader keep in memory.
const WRITER_CACHE: u32 = 196_608;
const READER_CACHE: u32 = 32_768;
/// How long to wait for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long readers of this process may be kept waiting at a time while the log is emptied, and how long they are let in between.
const SHUT: Duration = Duration::from_millis(100);
const OPEN: Duration = Duration::from_millis(300);

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Mutex<Connection>,
    /// Connections that read, and are idle at this moment.
    readers: Mutex<Vec<Connection>>,
    /// Readers pass through it before they begin; whoever empties the log shuts it, for then nobody may read.
    gate: RwLock<()>,
    path: PathBuf,
    /// How a further connection is opened: a path, or a URI with conditions.
    uri: PathBuf,
    flags: OpenFlags,
}

impl SqliteStore {
    /// Opens a file, and makes it if `create`.
    ///
    /// # Errors
    /// The file is missing (unless `create`), no gallery, damaged, or of a newer version.
    pub fn open(path: &Path, create: bool) -> Result<SqliteStore> {
        if !create && !path.exists() {
            return Err(GalleryError::new(ErrorKind::NotFound, "no such gallery").at(path));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let flags = if create { flags | OpenFlags::SQLITE_OPEN_CREATE } else { flags };
        if create {
            owner_only(path)?;
        }
        Self::connect(path, path, flags).map_err(|e| e.at(path))
    }

    /// Opens a file only to read, as on media that cannot be written.
    ///
    /// # Errors
    /// The same errors as [`SqliteStore::open`].
    pub fn open_read_only(path: &Path) -> Result<SqliteStore> {
        if !path.exists() {
            return Err(GalleryError::new(ErrorKind::NotFound, "no such gallery").at(path));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let plain = Self::connect(path, path, flags);
        if plain.as_ref().is_err_and(|e| matches!(e.kind(), ErrorKind::Io | ErrorKind::ReadOnly)) {
            // SQLite wants to make its -shm file even to read, unless told that nobody writes. That is certain enough
            // where there is no log to be replayed.
            let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |m| m.len());
            if log == 0 {
                let escaped =
                    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
                let uri = PathBuf::from(format!("file:{escaped}?immutable=1"));
                return Self::connect(path, &uri, flags | OpenFlags::SQLITE_OPEN_URI).map_err(|e| e.at(path));
            }
        }
        plain.map_err(|e| e.at(path))
    }

    fn connect(path: &Path, uri: &Path, flags: OpenFlags) -> Result<SqliteStore> {
        let mut connection = Connection::open_with_flags(uri, flags)?;
        let read_only = flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY);
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(64);
        let application: i32 = connection.pragma_query_value(None, "application_id", |r| r.get(0))?;
        let version: usize = connection.pragma_query_value(None, "user_version", |r| r.get(0))?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
        if application != APPLICATION && (tables > 0 || read_only) {
            return Err(GalleryError::new(ErrorKind::Caller, "is a database, but no gallery of Phiz")
                .with_hint("give another file"));
        }
        if version > MIGRATIONS.len() {
            let reason = format!(
                "has schema version {version}, this Phiz knows versions up to {}: it was written by a newer one",
                MIGRATIONS.len()
            );
            return Err(GalleryError::new(ErrorKind::OtherVersion, reason));
        }
        connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE))?;
        connection.pragma_update(None, "mmap_size", 0)?;
        if !read_only {
            if tables == 0 {
                // A row with a template of 512 values is a little over half of SQLite's usual 4096 bytes: only one
                // would fit a page.
                connection.pragma_update(None, "page_size", 8192)?;
            }
            connection.pragma_update(None, "secure_delete", "ON")?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            // The longer the log may grow, the less often a page that is changed again is carried over into the file.
            connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
            if version < MIGRATIONS.len() {
                migrate(&mut connection)?;
            }
        } else if version < MIGRATIONS.len() {
            let reason = format!("has schema version {version} and must be brought to {}", MIGRATIONS.len());
            return Err(
                GalleryError::new(ErrorKind::OtherVersion, reason).with_hint("open it for writing once")
            );
        }
        let (writer, readers, gate) = (Mutex::new(connection), Mutex::default(), RwLock::default());
        Ok(SqliteStore { writer, readers, gate, path: path.into(), uri: uri.into(), flags })
    }

    /// A connection for one reading transaction.
    fn reader(&self) -> Result<Connection> {
        if let Some(idle) = lock(&self.readers).pop() {
            return Ok(idle);
        }
        // Not with the flag for reading only: such a connection could not make the log's index, should it be the first.
        let connection = Connection::open_with_flags(&self.uri, self.flags - OpenFlags::SQLITE_OPEN_CREATE)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE))?;
        connection.pragma_update(None, "mmap_size", 0)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// Brings all of the log into the file and cuts it to nothing, which only happens at a moment when nobody reads. Where many
    /// threads read one short thing after the other, such a moment may not come for long, so the gate is shut now and then.
    fn empty_log(&self, writer: &Connection) -> Result<()> {
        let begun = Instant::now();
        loop {
            let shut = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            writer.busy_timeout(SHUT)?;
            let tried = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, i64>(0));
            writer.busy_timeout(PATIENCE)?;
            drop(shut);
            let error = match tried {
                Ok(0) => return Ok(()),
                Ok(_) => GalleryError::new(ErrorKind::Busy, "somebody else is reading the gallery"),
                Err(e) => GalleryError::from(e),
            };
            if error.kind() != ErrorKind::Busy || begun.elapsed() >= PATIENCE {
                return Err(error);
            }
            std::thread::sleep(OPEN);
        }
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = lock(&self.readers);
        if idle.len() < MOST_READERS {
            idle.push(connection);
        }
    }
}

/// All steps that are missing, in one transaction; another process may have done them meanwhile.
fn migrate(connection: &mut Connection) -> Result<()> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = step.pragma_query_value(None, "user_version", |r| r.get(0))?;
    for migration in MIGRATIONS.iter().skip(version) {
        step.execute_batch(migration)?;
    }
    step.pragma_update(None, "application_id", APPLICATION)?;
    step.pragma_update(None, "user_version", MIGRATIONS.len())?;
    Ok(step.commit()?)
}

/// SQLite gives its -wal and -shm files the mode of the main file.
fn owner_only(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        if let Err(e) = made
            && e.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(GalleryError::io(path, &e));
        }
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for SqliteStore {
    fn read(&self, work: Read<'_>) -> Result<()> {
        let path = &self.path;
        let mut connection = self.reader().map_err(|e| e.at(path))?;
        drop(self.gate.read().unwrap_or_else(PoisonError::into_inner));
        let tx = connection.transaction().map_err(|e| GalleryError::from(e).at(path))?;
        let done = work(&Tx::new(&tx));
        drop(tx);
        self.give_back(connection);
        done.map_err(|e| if e.kind() == ErrorKind::Damaged { e.at(path) } else { e })
    }

    fn write(&self, work: Write<'_>) -> Result<()> {
        let path = &self.path;
        let at = |e: rusqlite::Error| GalleryError::from(e).at(path);
        let mut connection = lock(&self.writer);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at)?;
        let mut rows = Tx::new(&tx);
        work(&mut rows)?;
        if rows.written {
            rows.finish().map_err(|e| e.at(path))?;
            tx.commit().map_err(at)?;
        }
        Ok(())
    }

    fn maintenance(&self) -> Option<&dyn Maintenance> {
        Some(self)
    }
}

impl Maintenance for SqliteStore {
    fn compact(&self) -> Result<()> {
        let connection = lock(&self.writer);
        let all = self
            .empty_log(&connection)
            .and_then(|()| Ok(connection.execute_batch("VACUUM")?))
            .and_then(|()| self.empty_log(&connection));
        all.map_err(|e| e.at(&self.path))
    }

    fn faults(&self) -> Result<Vec<String>> {
        let connection = self.reader()?;
        let lines = {
            let mut check = connection.prepare("PRAGMA integrity_check")?;
            let lines = check.query_map([], |row| row.get(0))?;
            lines.collect::<std::result::Result<Vec<String>, _>>()
        };
        self.give_back(connection);
        Ok(match lines {
            Ok(lines) => lines.into_iter().filter(|line| line != "ok").collect(),
            Err(e) => vec![e.to_string()],
        })
    }

    fn copy_to(&self, path: &Path) -> Result<()> {
        let io = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                let error =
                    GalleryError::new(ErrorKind::Conflict, "there is a file of that name already").at(path);
                error.with_hint("name another")
            }
            _ => GalleryError::io(path, &e),
        };
        // Readable by its owner alone, before there is anything in it.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(io)?;
        let copied = || -> Result<()> {
            let name = path.to_str().ok_or_else(|| {
                GalleryError::new(ErrorKind::Caller, "the file's name is not valid text").at(path)
            })?;
            // One of its own: those that only read refuse to write any file, and the writer would keep changes waiting.
            let connection =
                Connection::open_with_flags(&self.uri, self.flags - OpenFlags::SQLITE_OPEN_CREATE)?;
            connection.busy_timeout(PATIENCE)?;
            connection.execute("VACUUM INTO ?1", [name])?;
            drop(connection);
            std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(|e| GalleryError::io(path, &e))
        };
        copied().map_err(|e| {
            // A copy that is not whole is none.
            let _ = std::fs::remove_file(path);
            e.at(path)
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        let names = ["", "-wal", "-shm", "-journal"].map(|ending| beside(&self.path, ending));
        names.into_iter().filter(|path| path.exists()).collect()
    }
}

/// One transaction's view.
struct Tx<'a> {
    connection: &'a Connection,
    counters: RefCell<BTreeMap<u8, i64>>,
    /// Of the ids that this transaction has given, those from here on have no row yet.
    unused: BTreeMap<Kind, u64>,
    /// Tags put by this transaction, which get into their table when it ends.
    tags: BTreeSet<(Tag, u8, u64)>,
    touched: BTreeSet<u64>,
    written: bool,
    cut: bool,
}

/// The statements of each kind, in one place: a table's name cannot be a parameter.
struct Statements {
    head: &'static str,
    get: &'static str,
    /// A row under an id that has none: SQLite then needs no journal of its own for the statement.
    add: &'static str,
    put: &'static str,
    delete: &'static str,
    page: &'static str,
    count: &'static str,
    owned: &'static str,
    /// Many at once; the list is a JSON array, since it has no fixed length.
    get_many: &'static str,
    owned_many: &'static str,
}

macro_rules! statements {
    ($table:literal) => {
        &Statements {
            head: concat!("SELECT owner, tags FROM ", $table, " WHERE id = ?1"),
            get: concat!("SELECT owner, tags, body FROM ", $table, " WHERE id = ?1"),
            add: concat!("INSERT INTO ", $table, " (id, owner, tags, body) VALUES (?1, ?2, ?3, ?4)"),
            put: concat!(
                "INSERT OR REPLACE INTO ",
                $table,
                " (id, owner, tags, body) VALUES (?1, ?2, ?3, ?4)"
            ),
            delete: concat!("DELETE FROM ", $table, " WHERE id = ?1"),
            page: concat!(
                "SELECT id, owner, tags, body FROM ",
                $table,
                " WHERE id > ?1 ORDER BY id LIMIT ?2"
            ),
            count: concat!("SELECT count(*) FROM ", $table),
            owned: concat!("SELECT id FROM ", $table, " WHERE owner = ?1 ORDER BY id"),
            get_many: concat!(
                "SELECT id, owner, tags, body FROM ",
                $table,
                " WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id"
            ),
            owned_many: concat!(
                "SELECT owner, id FROM ",
                $table,
                " WHERE owner IN (SELECT value FROM json_each(?1)) ORDER BY owner, id"
            ),
        }
    };
}

fn statements(kind: Kind) -> &'static Statements {
    match kind {
        Kind::Person => statements!("person"),
        Kind::Face => statements!("face"),
        Kind::Template => statements!("template"),
        Kind::Crop => statements!("crop"),
        Kind::Negative => statements!("negative"),
        Kind::Journal => statements!("journal"),
        Kind::Photo => statements!("photo"),
        Kind::Sighting => statements!("sighting"),
        Kind::Group => statements!("sighting_group"),
        Kind::SightingCrop => statements!("sighting_crop"),
        Kind::Spare => statements!("spare"),
        Kind::SpareNegative => statements!("spare_negative"),
    }
}

impl<'a> Tx<'a> {
    fn new(connection: &'a Connection) -> Tx<'a> {
        Tx {
            connection,
            counters: RefCell::default(),
            unused: BTreeMap::new(),
            tags: BTreeSet::new(),
            touched: BTreeSet::new(),
            written: false,
            cut: false,
        }
    }

    fn touch(&mut self, kind: Kind, id: u64, row: Option<&Row>) {
        match (kind, row) {
            (Kind::Person, _) => _ = self.touched.insert(id),
            (Kind::Face, Some(row)) if row.owner != 0 => _ = self.touched.insert(row.owner),
            _ => {}
        }
    }

    /// A row without its body.
    fn head(&self, kind: Kind, id: u64) -> Result<Option<Row>> {
        let mut select = self.connection.prepare_cached(statements(kind).head)?;
        let row = select.query_row([id as i64], bare);
        Ok(row.optional()?)
    }

    fn untag(&mut self, kind: Kind, id: u64, tags: &[Tag]) -> Result<()> {
        for tag in tags {
            self.tags.remove(&(*tag, kind as u8, id));
            for sql in [
                "DELETE FROM tag WHERE tag = ?1 AND kind = ?2 AND id = ?3",
                "DELETE FROM young_tag WHERE tag = ?1 AND kind = ?2 AND id = ?3",
            ] {
                self.connection.prepare_cached(sql)?.execute(params![tag, kind as u8, id as i64])?;
            }
        }
        Ok(())
    }

    /// Writes the tags that this transaction has put, in order.
    fn write_tags(&mut self, young: bool) -> Result<()> {
        let sql = if young {
            "INSERT OR IGNORE INTO young_tag (tag, kind, id) VALUES (?1, ?2, ?3)"
        } else {
            "INSERT OR IGNORE INTO tag (tag, kind, id) VALUES (?1, ?2, ?3)"
        };
        let mut insert = self.connection.prepare_cached(sql)?;
        for (tag, kind, id) in std::mem::take(&mut self.tags) {
            insert.execute(params![tag, kind, id as i64])?;
        }
        Ok(())
    }

    fn finish_tags(&mut self) -> Result<()> {
        let many = self.tags.len() > FEW_TAGS;
        self.write_tags(many)?;
        if !many {
            return Ok(());
        }
        let come = self.last(Kind::Person as u8)?.saturating_add(self.last(Kind::Face as u8)?);
        let until = self.last(TAGGED_UNTIL)?;
        if come.saturating_sub(until) > YOUNG_LEAST.max(until / 8) {
            let sql = "INSERT OR IGNORE INTO tag SELECT tag, kind, id FROM young_tag ORDER BY tag, kind, id;
                       DELETE FROM young_tag;";
            self.connection.execute_batch(sql)?;
            self.counters.borrow_mut().insert(TAGGED_UNTIL, come);
        }
        Ok(())
    }

    /// The last id given of a kind; 0 if none was.
    fn last(&self, kind: u8) -> Result<i64> {
        if let Some(last) = self.counters.borrow().get(&kind) {
            return Ok(*last);
        }
        let sql = "SELECT last FROM counter WHERE kind = ?1";
        let last = self.connection.prepare_cached(sql)?.query_row([kind], |row| row.get(0));
        Ok(last.optional()?.unwrap_or(0))
    }

    fn ids(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<u64>> {
        let mut select = self.connection.prepare_cached(sql)?;
        let ids = select.query_map(params, |row| row.get::<_, i64>(0))?;
        Ok(ids.map(|id| id.map(|id| id as u64)).collect::<std::result::Result<_, _>>()?)
    }

    fn finish(&mut self) -> Result<()> {
        self.finish_tags()?;
        let mut stamp = [0; 8];
        crate::bytes::random(&mut stamp)?;
        let (version, stamp) = (self.mark()?.version as i64 + 1, i64::from_le_bytes(stamp) & i64::MAX);
        if self.cut {
            let sql = "DELETE FROM version WHERE version < (SELECT max(version) FROM version); DELETE FROM changed;";
            self.connection.execute_batch(sql)?;
        }
        let sql = "INSERT INTO version (version, stamp) VALUES (?1, ?2)";
        self.connection.prepare_cached(sql)?.execute(params![version, stamp])?;
        let sql = "INSERT INTO changed (version, person) VALUES (?1, ?2)";
        let mut insert = self.connection.prepare_cached(sql)?;
        for person in &self.touched {
            insert.execute(params![version, *person as i64])?;
        }
        let sql = "INSERT OR REPLACE INTO counter (kind, last) VALUES (?1, ?2)";
        for (kind, last) in self.counters.borrow().iter() {
            self.connection.prepare_cached(sql)?.execute(params![kind, last])?;
        }
        Ok(())
    }
}

/// Ids as a JSON array.
fn array(ids: &[u64]) -> String {
    let mut text = String::with_capacity(2 + ids.len() * 8);
    text.push('[');
    for (number, id) in ids.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push_str(&id.to_string());
    }
    text.push(']');
    text
}

/// Id and row, of statements that give several.
fn numbered(row: &rusqlite::Row<'_>) -> rusqlite::Result<(u64, Row)> {
    let id = row.get::<_, i64>(0)? as u64;
    let (owner, tags) = (row.get::<_, i64>(1)? as u64, tags(row.get_ref(2)?.as_blob()?));
    Ok((id, Row { owner, tags, body: row.get(3)? }))
}

fn tags(bytes: &[u8]) -> Vec<Tag> {
    bytes.as_chunks::<16>().0.to_vec()
}

/// Owner and tags, which every statement that gives one row begins with.
fn bare(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let tags = tags(row.get_ref(1)?.as_blob()?);
    Ok(Row { owner: row.get::<_, i64>(0)? as u64, tags, body: Vec::new() })
}

impl Rows for Tx<'_> {
    fn mark(&self) -> Result<Mark> {
        let sql = "SELECT version, stamp FROM version ORDER BY version DESC LIMIT 1";
        let mark = self.connection.prepare_cached(sql)?.query_row([], |row| {
            Ok(Mark { version: row.get::<_, i64>(0)? as u64, stamp: row.get::<_, i64>(1)? as u64 })
        });
        Ok(mark.optional()?.unwrap_or_default())
    }

    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut select = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(select.query_row([name], |row| row.get(0)).optional()?)
    }

    fn get(&self, kind: Kind, id: u64) -> Result<Option<Row>> {
        let mut select = self.connection.prepare_cached(statements(kind).get)?;
        let row = select.query_row([id as i64], |row| Ok(Row { body: row.get(2)?, ..bare(row)? }));
        Ok(row.optional()?)
    }

    fn owned(&self, kind: Kind, owner: u64) -> Result<Vec<u64>> {
        self.ids(statements(kind).owned, [owner as i64])
    }

    fn get_many(&self, kind: Kind, ids: &[u64]) -> Result<Vec<(u64, Row)>> {
        if let [id] = ids {
            return Ok(self.get(kind, *id)?.map(|row| (*id, row)).into_iter().collect());
        }
        let mut select = self.connection.prepare_cached(statements(kind).get_many)?;
        let rows = select.query_map([array(ids)], numbered)?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    fn owned_many(&self, kind: Kind, owners: &[u64]) -> Result<Vec<(u64, u64)>> {
        if let [owner] = owners {
            return Ok(self.owned(kind, *owner)?.into_iter().map(|id| (*owner, id)).collect());
        }
        let mut select = self.connection.prepare_cached(statements(kind).owned_many)?;
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
        let pairs = select.query_map([array(owners)], pair)?;
        Ok(pairs.collect::<std::result::Result<_, _>>()?)
    }

    fn tagged(&self, kind: Kind, tag: &Tag) -> Result<Vec<u64>> {
        let kind = kind as u8;
        let sql = "SELECT id FROM tag WHERE tag = ?1 AND kind = ?2
                   UNION ALL SELECT id FROM young_tag WHERE tag = ?1 AND kind = ?2";
        let mut ids = self.ids(sql, params![tag, kind])?;
        ids.extend(self.tags.range((*tag, kind, 0)..=(*tag, kind, u64::MAX)).map(|(_, _, id)| *id));
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    fn page(&self, kind: Kind, after: u64, limit: usize) -> Result<Vec<(u64, Row)>> {
        let mut select = self.connection.prepare_cached(statements(kind).page)?;
        let rows = select.query_map(params![after as i64, limit as i64], numbered)?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    fn count(&self, kind: Kind) -> Result<u64> {
        let mut select = self.connection.prepare_cached(statements(kind).count)?;
        Ok(select.query_row([], |row| row.get::<_, i64>(0))? as u64)
    }

    fn changed_since(&self, mark: &Mark) -> Result<Option<Vec<u64>>> {
        let mut select = self.connection.prepare_cached("SELECT stamp FROM version WHERE version = ?1")?;
        let stamp: Option<i64> = select.query_row([mark.version as i64], |row| row.get(0)).optional()?;
        if stamp != Some(mark.stamp as i64) && *mark != self.mark()? {
            return Ok(None);
        }
        let sql = "SELECT DISTINCT person FROM changed WHERE version > ?1 ORDER BY person";
        self.ids(sql, [mark.version as i64]).map(Some)
    }
}

impl RowsMut for Tx<'_> {
    fn set_meta(&mut self, name: &str, value: Option<&[u8]>) -> Result<()> {
        self.written = true;
        match value {
            Some(value) => self
                .connection
                .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?
                .execute(params![name, value])?,
            None => self.connection.execute("DELETE FROM meta WHERE name = ?1", [name])?,
        };
        Ok(())
    }

    fn next_id(&mut self, kind: Kind) -> Result<u64> {
        self.written = true;
        let next = self.last(kind as u8)?.checked_add(1).filter(|next| *next > 0);
        let next = next.ok_or_else(|| GalleryError::damaged("the counter of ids"))?;
        self.counters.borrow_mut().insert(kind as u8, next);
        self.unused.entry(kind).or_insert(next as u64);
        Ok(next as u64)
    }

    fn put(&mut self, kind: Kind, id: u64, row: &Row) -> Result<()> {
        self.written = true;
        // Most rows are new, under an id that this transaction has given, and need not be looked for.
        let given = self.counters.borrow().get(&(kind as u8)).map_or(0, |last| *last as u64);
        let unused = self.unused.get_mut(&kind).filter(|unused| (**unused..=given).contains(&id));
        let old = match unused {
            Some(unused) => {
                *unused = id + 1;
                None
            }
            None => self.head(kind, id)?,
        };
        if let Some(old) = &old {
            self.untag(kind, id, &old.tags)?;
            self.touch(kind, id, Some(old));
        }
        let sql = if old.is_some() { statements(kind).put } else { statements(kind).add };
        let mut put = self.connection.prepare_cached(sql)?;
        put.execute(params![id as i64, row.owner as i64, row.tags.as_flattened(), row.body])?;
        self.tags.extend(row.tags.iter().map(|tag| (*tag, kind as u8, id)));
        if self.tags.len() > MOST_TAGS {
            self.write_tags(false)?;
        }
        self.touch(kind, id, Some(row));
        Ok(())
    }

    fn delete(&mut self, kind: Kind, id: u64) -> Result<bool> {
        let Some(old) = self.get(kind, id)? else { return Ok(false) };
        self.written = true;
        self.untag(kind, id, &old.tags)?;
        self.connection.prepare_cached(statements(kind).delete)?.execute([id as i64])?;
        self.touch(kind, id, Some(&old));
        Ok(true)
    }

    fn cut_log(&mut self) -> Result<()> {
        (self.written, self.cut) = (true, true);
        Ok(())
    }
}
