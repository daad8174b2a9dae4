//! Every store passes one suite, `phiz_gallery::store::contract`; what only SQLite's store must do is tested here too.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

use phiz_eval::random::Random;
use phiz_gallery::ErrorKind;
use phiz_gallery::store::{
    Kind, Maintenance as _, MemoryStore, Row, Rows, RowsMut, SqliteStore, Store, contract,
};

const TAGS: [[u8; 16]; 3] = [[1; 16], [2; 16], [3; 16]];

#[test]
fn all_stores_keep_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    contract::check(&|| Ok(Box::new(SqliteStore::open(&folder.path().join("rows"), true)?))).unwrap();
    let memory = MemoryStore::default();
    contract::check(&|| Ok(Box::new(memory.clone()))).unwrap();
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
    assert!(error.to_string().contains("99") && error.to_string().contains("up to 4"), "{error}");
}

/// Enough to pass through every place where a store may keep tags: what a transaction has put, what came lately, all.
#[test]
fn tags_of_large_transactions_are_found() {
    const EACH: u64 = 9_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let tag = |number: u64| [number.to_le_bytes(), (number * 0x9e37_79b9).to_le_bytes()].concat();
    let tag = |number: u64| <[u8; 16]>::try_from(tag(number)).unwrap();
    let row = |tags: &[u64]| Row { tags: tags.iter().map(|n| tag(*n)).collect(), ..Row::default() };
    // What some tags find, asked in the middle of a transaction and after it.
    let found = |rows: &dyn Rows| -> Vec<Vec<u64>> {
        (0..2_000).step_by(50).map(|number| rows.tagged(Kind::Person, &tag(number)).unwrap()).collect()
    };
    let mut seen = [Vec::new(), Vec::new()];
    let stores: [Box<dyn Store>; 2] =
        [Box::new(SqliteStore::open(&path, true).unwrap()), Box::new(MemoryStore::default())];
    let mut young = Vec::new();
    for round in 0..8 {
        for (store, seen) in stores.iter().zip(&mut seen) {
            let mut random = Random::new(round);
            store
                .write(&mut |rows| {
                    for i in 0..EACH {
                        let id = rows.next_id(Kind::Person)?;
                        rows.put(Kind::Person, id, &row(&[id % 2_000, 10 * (i % 7), id]))?;
                    }
                    // Older rows lose their tags, and get others.
                    for _ in 0..100 {
                        let id = 1 + random.below((EACH * (round + 1)) as usize) as u64;
                        rows.delete(Kind::Person, id)?;
                        let id = 1 + random.below((EACH * (round + 1)) as usize) as u64;
                        rows.put(Kind::Person, id, &row(&[10, 2_000 - 10 * (id % 3)]))?;
                    }
                    seen.push(found(rows));
                    Ok(())
                })
                .unwrap();
            // A small one touches what lies in every place.
            store
                .write(&mut |rows| {
                    let id = 1 + random.below((EACH * (round + 1)) as usize) as u64;
                    rows.put(Kind::Person, id, &row(&[20]))?;
                    seen.push(found(rows));
                    rows.delete(Kind::Person, id - 1).map(|_| ())
                })
                .unwrap();
            store
                .read(&mut |rows| {
                    seen.push(found(rows));
                    Ok(())
                })
                .unwrap();
        }
        assert!(seen[0] == seen[1], "round {round}");
        let file = rusqlite::Connection::open(&path).unwrap();
        let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        young.push(count("SELECT count(*) FROM young_tag"));
        let twice = "SELECT count(*) FROM young_tag JOIN tag USING (tag, kind, id)";
        assert_eq!(count(twice), 0, "a tag lies in one place");
    }
    assert!(
        young[0] > 0 && young.contains(&0) && young[7] > 0,
        "was emptied once, and filled again: {young:?}"
    );
    drop(stores);
    assert_eq!(SqliteStore::open(&path, false).unwrap().faults().unwrap(), Vec::<String>::new());
}

/// More tags than may wait in memory.
#[test]
fn tags_of_one_huge_transaction_are_found() {
    const ROWS: u64 = 5_100;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let tag = |id: u64, number: u64| {
        <[u8; 16]>::try_from([id.to_be_bytes(), number.to_be_bytes()].concat()).unwrap()
    };
    let store = SqliteStore::open(&path, true).unwrap();
    store
        .write(&mut |rows| {
            for id in 1..=ROWS {
                assert_eq!(rows.next_id(Kind::Person)?, id);
                let tags = (0..100).map(|number| tag(id, number)).collect();
                rows.put(Kind::Person, id, &Row { tags, ..Row::default() })?;
            }
            // One that went to its table on the way, and one that still waits.
            rows.delete(Kind::Person, 7)?;
            rows.put(Kind::Person, ROWS, &Row { tags: vec![tag(8, 8)], ..Row::default() })?;
            assert_eq!(rows.tagged(Kind::Person, &tag(8, 8))?, [8, ROWS]);
            Ok(())
        })
        .unwrap();
    store
        .read(&mut |rows| {
            for (wanted, ids) in [((1, 0), &[1][..]), ((7, 3), &[]), ((8, 8), &[8, ROWS]), ((ROWS, 4), &[])] {
                assert_eq!(rows.tagged(Kind::Person, &tag(wanted.0, wanted.1))?, ids, "{wanted:?}");
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_older_file_is_brought_to_the_newest_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let put =
        |rows: &mut dyn RowsMut| rows.put(Kind::Person, 1, &Row { tags: vec![TAGS[0]], ..Row::default() });
    SqliteStore::open(&path, true).unwrap().write(&mut |rows| put(rows)).unwrap();
    let file = rusqlite::Connection::open(&path).unwrap();
    for table in
        ["young_tag", "photo", "sighting", "sighting_group", "spare", "spare_negative", "sighting_crop"]
    {
        file.execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    file.pragma_update(None, "user_version", 1).unwrap();
    drop(file);
    let error = SqliteStore::open_read_only(&path).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherVersion, "{error}");
    let store = SqliteStore::open(&path, false).unwrap();
    let mut found = Vec::new();
    store
        .read(&mut |rows| {
            found = rows.tagged(Kind::Person, &TAGS[0])?;
            Ok(())
        })
        .unwrap();
    assert_eq!(found, [1]);
}

#[test]
fn a_damaged_counter_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let store = SqliteStore::open(&path, true).unwrap();
    for (last, works) in [(i64::MAX, false), (i64::MIN, false), (-1, false), (41, true)] {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute("INSERT OR REPLACE INTO counter VALUES (1, ?1)", [last]).unwrap();
        let done = store.write(&mut |rows| rows.next_id(Kind::Person).map(|_| ()));
        assert_eq!(
            done.map_err(|e| e.kind()),
            if works { Ok(()) } else { Err(ErrorKind::Damaged) },
            "{last}"
        );
    }
}
