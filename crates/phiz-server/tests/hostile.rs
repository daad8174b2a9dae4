//! Requests that mean harm, each refused as documented: nothing is leaked, and the server goes on serving.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use phiz_server::Scope;
use serde_json::json;

mod common;
use common::{ADA, Running, form};

/// A PNG that states a size and holds next to nothing.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let mut crc = !0u32;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        !crc
    };
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        file.extend((data.len() as u32).to_be_bytes());
        let body = [&kind[..], data].concat();
        file.extend(&body);
        file.extend(crc(&body).to_be_bytes());
    };
    let mut head = Vec::new();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([8, 2, 0, 0, 0]);
    chunk(b"IHDR", &head);
    chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]);
    chunk(b"IEND", &[]);
    file
}

/// A BMP whose header states this size.
fn bmp_bomb(width: i32, height: i32) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    file.extend(1000u32.to_le_bytes());
    file.extend([0; 4]);
    file.extend(54u32.to_le_bytes());
    file.extend(40u32.to_le_bytes());
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([1, 0, 24, 0]);
    file.extend([0; 24]);
    file.resize(1000, 0);
    file
}

/// A request: what it is, how it is sent, what must come back.
enum Way {
    /// Over the client, with the admin's key: method, path, headers beside it, body.
    Client(&'static str, String, Vec<(&'static str, String)>, Vec<u8>),
    /// The same without a key.
    Nobody(&'static str, String, Vec<(&'static str, String)>, Vec<u8>),
    /// Bytes as they are.
    Raw(Vec<u8>),
}

struct Case {
    name: &'static str,
    way: Way,
    /// Statuses that may come back; 0 stands for a connection that is closed without an answer.
    statuses: &'static [u16],
}

fn client(
    name: &'static str,
    method: &'static str,
    path: &str,
    kind: &str,
    body: &[u8],
    statuses: &'static [u16],
) -> Case {
    let headers = vec![("content-type", kind.to_owned())];
    Case { name, way: Way::Client(method, path.into(), headers, body.to_vec()), statuses }
}

fn nobody(
    name: &'static str,
    method: &'static str,
    path: &str,
    headers: &[(&'static str, &str)],
    statuses: &'static [u16],
) -> Case {
    let headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
    Case { name, way: Way::Nobody(method, path.into(), headers, b"{}".to_vec()), statuses }
}

fn raw(name: &'static str, text: &str, statuses: &'static [u16]) -> Case {
    Case { name, way: Way::Raw(text.replace('\n', "\r\n").into_bytes()), statuses }
}

/// The status of an answer as it came, 0 if there was none.
fn status_of(bytes: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).into_owned();
    text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn cases(key: &str, person: &str) -> Vec<Case> {
    const JSON: &str = "application/json";
    const BYTES: &str = "application/octet-stream";
    let faces = format!("/v1/people/{person}/faces");
    let (kind, one) = form(&[("photo", "a.jpg", &ADA[0])]);
    let mut cases = vec![
        // Pictures that are none, or would become too large.
        client("png bomb", "POST", "/v1/detect", BYTES, &png_bomb(60_000, 60_000), &[422]),
        client(
            "png of the largest size",
            "POST",
            "/v1/detect",
            BYTES,
            &png_bomb(u32::MAX >> 1, u32::MAX >> 1),
            &[422],
        ),
        client("png without a pixel", "POST", "/v1/detect", BYTES, &png_bomb(0, 0), &[422]),
        client("png one pixel high", "POST", "/v1/detect", BYTES, &png_bomb(40_000_000, 1), &[422]),
        client("bmp bomb", "POST", "/v1/identify", BYTES, &bmp_bomb(50_000, 50_000), &[422]),
        client("bmp of a negative size", "POST", "/v1/identify", BYTES, &bmp_bomb(-5, i32::MIN), &[422]),
        client("half a photo", "POST", "/v1/detect", BYTES, &ADA[0][..ADA[0].len() / 2], &[422]),
        client("a photo's head", "POST", "/v1/detect", BYTES, &ADA[0][..20], &[422]),
        client("zeros", "POST", "/v1/detect", BYTES, &[0; 5000], &[422]),
        client("svg with script", "POST", "/v1/detect", "image/svg+xml", b"<svg onload=alert(1)>", &[422]),
        client("html as jpeg", "POST", "/v1/detect", "image/jpeg", b"<script>alert(1)</script>", &[422]),
        client("zip as jpeg", "POST", "/v1/detect", "image/jpeg", b"PK\x03\x04aaaaaaaaaaaaaaaa", &[422]),
        client("nothing", "POST", "/v1/detect", BYTES, b"", &[400]),
        // Bodies that are not what they say.
        client("no json", "POST", "/v1/people", JSON, b"{", &[400]),
        client("json of another kind", "POST", "/v1/people", JSON, b"[]", &[400]),
        client("deep json", "POST", "/v1/people", JSON, "[".repeat(100_000).as_bytes(), &[400]),
        client("json of a wrong field", "POST", "/v1/people", JSON, br#"{"name":"A","admin":true}"#, &[400]),
        client("json twice the field", "POST", "/v1/people", JSON, br#"{"name":"A","name":"B"}"#, &[400]),
        client("a number as name", "POST", "/v1/people", JSON, br#"{"name":7}"#, &[400]),
        client("json without utf-8", "POST", "/v1/people", JSON, b"{\"name\":\"\xff\"}", &[400]),
        client(
            "form as json",
            "POST",
            "/v1/people",
            "application/x-www-form-urlencoded",
            b"name=Ada",
            &[415],
        ),
        client("json as text", "POST", "/v1/people", "text/plain", br#"{"name":"Ada"}"#, &[415]),
        client("no multipart", "POST", &faces, "multipart/form-data; boundary=x", b"garbage", &[400]),
        client("multipart without boundary", "POST", &faces, "multipart/form-data", &one, &[400]),
        client("multipart cut off", "POST", &faces, &kind, &one[..one.len() / 2], &[400]),
        client("another boundary", "POST", &faces, "multipart/form-data; boundary=other", &one, &[400]),
        client("no photo in it", "POST", &faces, &kind, &form(&[("other", "a.jpg", &ADA[0])]).1, &[400]),
        client(
            "two where one is meant",
            "POST",
            "/v1/detect",
            &kind,
            &form(&[("photo", "a", &ADA[0]), ("photo", "b", &ADA[0])]).1,
            &[400],
        ),
        client(
            "too many photos",
            "POST",
            &faces,
            &kind,
            &form(&vec![("photo", "a", &b"x"[..]); 65]).1,
            &[413],
        ),
        client(
            "large json",
            "POST",
            "/v1/people",
            JSON,
            format!("{{\"name\":\"{}\"}}", "a".repeat(2_000_000)).as_bytes(),
            &[413],
        ),
        client("base64 that is none", "POST", "/v1/detect", JSON, br#"{"photo":"%%%%"}"#, &[422]),
        client("a url to fetch", "POST", "/v1/detect", JSON, br#"{"photo":"http://127.0.0.1:22/"}"#, &[422]),
        client("a file to read", "POST", "/v1/detect", JSON, br#"{"photo":"file:///etc/passwd"}"#, &[422]),
        // Names that could act elsewhere.
        client(
            "name with a line break",
            "POST",
            "/v1/people",
            JSON,
            br#"{"name":"Ada\r\nSet-Cookie: x"}"#,
            &[422],
        ),
        client(
            "name that turns text around",
            "POST",
            "/v1/people",
            JSON,
            "{\"name\":\"Ada\u{202e}gpj\"}".as_bytes(),
            &[422],
        ),
        client("blank name", "POST", "/v1/people", JSON, br#"{"name":" \u200b "}"#, &[422]),
        client("name like an id", "POST", "/v1/people", JSON, br#"{"name":"p1"}"#, &[422]),
        client(
            "name without an end",
            "POST",
            "/v1/people",
            JSON,
            format!("{{\"name\":\"{}\"}}", "a".repeat(5000)).as_bytes(),
            &[422],
        ),
        client(
            "attribute with escapes",
            "POST",
            "/v1/people",
            JSON,
            br#"{"name":"A","attributes":{"a":"\u001b[2J"}}"#,
            &[422],
        ),
        client(
            "many attributes",
            "POST",
            "/v1/people",
            JSON,
            format!(
                "{{\"name\":\"A\",\"lists\":{}}}",
                json!((0..200).map(|i| i.to_string()).collect::<Vec<_>>())
            )
            .as_bytes(),
            &[422],
        ),
        client(
            "consent without an end",
            "POST",
            &format!("{faces}?consent={}", "a".repeat(2000)),
            &kind,
            &one,
            &[422],
        ),
        // Ids and parameters.
        client("sql in an id", "GET", "/v1/people/p1'%20OR%20'1'='1", JSON, b"", &[400]),
        client("id of another kind", "GET", "/v1/people/f1", JSON, b"", &[400]),
        client("id out of range", "GET", "/v1/people/p99999999999999999999", JSON, b"", &[400]),
        client("negative id", "GET", "/v1/people/p-1", JSON, b"", &[400]),
        client("zero in an id", "GET", "/v1/faces/f1%00", JSON, b"", &[400]),
        client("limit out of range", "GET", "/v1/people?limit=100000000", JSON, b"", &[422]),
        client("limit that is no number", "GET", "/v1/people?limit=1e9", JSON, b"", &[400]),
        client("forged cursor", "GET", "/v1/people?cursor=AAAAAAAAAAAAAAAAAAAAAA", JSON, b"", &[400]),
        client("rate of 1", "POST", "/v1/identify?fpir=1", &kind, &one, &[422]),
        client("rate that is no number", "POST", "/v1/identify?fpir=NaN", &kind, &one, &[422]),
        client("both rates", "POST", "/v1/identify?fpir=0.1&fmr=0.1", &kind, &one, &[422]),
        client("smallest face of nothing", "POST", "/v1/detect?min_face=0", &kind, &one, &[422]),
        client("smallest face endless", "POST", "/v1/detect?min_face=inf", &kind, &one, &[422]),
        client("gallery by path", "GET", "/v1/people?gallery=..%2F..%2Fetc", JSON, b"", &[422]),
        client(
            "merge with oneself",
            "POST",
            &format!("/v1/people/{person}/merge"),
            JSON,
            format!("{{\"from\":[\"{person}\"]}}").as_bytes(),
            &[409, 422],
        ),
        client(
            "merge with nobody",
            "POST",
            &format!("/v1/people/{person}/merge"),
            JSON,
            br#"{"from":[]}"#,
            &[422],
        ),
        client(
            "split of nothing",
            "POST",
            &format!("/v1/people/{person}/split"),
            JSON,
            br#"{"faces":[]}"#,
            &[422],
        ),
        // What was seen.
        client("scan of everything", "POST", "/v1/scan", JSON, br#"{"folder":"/"}"#, &[403]),
        client("scan of a password file", "POST", "/v1/scan", JSON, br#"{"folder":"/etc/passwd"}"#, &[403]),
        client("scan that climbs", "POST", "/v1/scan", JSON, br#"{"folder":"../../etc"}"#, &[403]),
        client("scan of a name with a zero", "POST", "/v1/scan", JSON, br#"{"folder":"/\u0000"}"#, &[403]),
        client("scan of nothing", "POST", "/v1/scan", JSON, b"", &[403]),
        client("photo by path", "GET", "/v1/photos/..%2F..%2Fetc%2Fpasswd/picture", JSON, b"", &[400]),
        client("photo that is none", "GET", "/v1/photos/i999/picture", JSON, b"", &[404]),
        client("picture of a kilometre", "GET", "/v1/photos/i1/picture?side=4000000000", JSON, b"", &[422]),
        client("picture of nothing", "GET", "/v1/photos/i1/picture?side=0", JSON, b"", &[422]),
        client("sighting of another kind", "GET", "/v1/sightings/f1/crop", JSON, b"", &[400]),
        client("sighting that is none", "GET", "/v1/sightings/s999999999/crop", JSON, b"", &[404]),
        client("sighting out of range", "GET", "/v1/sightings/s18446744073709551615/crop", JSON, b"", &[400]),
        client("sql among people", "GET", "/v1/photos?person=p1'%20OR%201=1", JSON, b"", &[422]),
        client(
            "ten thousand people",
            "GET",
            &format!("/v1/photos?person={}", "p1,".repeat(9000)),
            JSON,
            b"",
            &[422, 431],
        ),
        client("stranger that is none", "GET", "/v1/strangers/999", JSON, b"", &[404]),
        client("stranger below zero", "GET", "/v1/strangers/-1", JSON, b"", &[400]),
        client(
            "stranger without an end",
            "POST",
            "/v1/strangers/99999999999999999999/ignore",
            JSON,
            b"",
            &[400],
        ),
        client("all faces of all", "GET", "/v1/strangers?faces=999999999", JSON, b"", &[422]),
        client(
            "stranger named with escapes",
            "POST",
            "/v1/strangers/1/name",
            JSON,
            br#"{"name":"\u001b[2J"}"#,
            &[422],
        ),
        client(
            "stranger named twice",
            "POST",
            "/v1/strangers/1/name",
            JSON,
            br#"{"name":"A","person":"p1"}"#,
            &[400],
        ),
        client("join with nobody", "POST", "/v1/strangers/1/join", JSON, br#"{"from":[]}"#, &[422]),
        client(
            "join of a crowd",
            "POST",
            "/v1/strangers/1/join",
            JSON,
            json!({ "from": vec![2; 5000] }).to_string().as_bytes(),
            &[422],
        ),
        client(
            "split of another kind",
            "POST",
            "/v1/strangers/1/split",
            JSON,
            br#"{"faces":["p1"]}"#,
            &[400],
        ),
        client(
            "answer to nothing",
            "POST",
            "/v1/review",
            JSON,
            br#"{"key":"who g1 or 1=1","answer":"never"}"#,
            &[409],
        ),
        client(
            "answer of another kind",
            "POST",
            "/v1/review",
            JSON,
            br#"{"key":"x","answer":"drop"}"#,
            &[400],
        ),
        client(
            "answer undone that never was",
            "POST",
            "/v1/review/undo",
            JSON,
            br#"{"key":"x","operations":["o999"]}"#,
            &[404],
        ),
        client("questions without an end", "GET", "/v1/review?limit=100000000", JSON, b"", &[422]),
        client(
            "search with a bomb",
            "POST",
            "/v1/sightings/search",
            BYTES,
            &png_bomb(60_000, 60_000),
            &[422],
        ),
        client("keep a bomb", "POST", "/v1/identify?keep=true", BYTES, &bmp_bomb(50_000, 50_000), &[422]),
        client("judge a bomb", "POST", "/v1/enrol/check", BYTES, &png_bomb(60_000, 60_000), &[200]),
        nobody("no key for photos", "GET", "/v1/photos", &[], &[401]),
        nobody("no key for a stranger's face", "GET", "/v1/sightings/s1/crop", &[], &[401]),
        nobody("no key to answer", "POST", "/v1/review", &[("content-type", JSON)], &[401]),
        nobody("no key to scan", "POST", "/v1/scan", &[("content-type", JSON)], &[401]),
        client("undo of what was never done", "POST", "/v1/undo", JSON, br#"{"operation":"o999"}"#, &[404]),
        client(
            "templates that are too short",
            "POST",
            "/v1/compare",
            JSON,
            br#"{"model":"x","a":"","b":""}"#,
            &[422],
        ),
        client("a harmless one", "POST", "/v1/people", JSON, br#"{"name":"A"}"#, &[201]),
        // Methods and routes.
        client("unknown method", "BREW", "/v1/people", JSON, b"", &[405]),
        client("trace", "TRACE", "/v1/people", JSON, b"", &[405]),
        client("unknown route", "GET", "/v1/admin", JSON, b"", &[404]),
        client("route with a slash more", "GET", "/v1//people", JSON, b"", &[404]),
        // Nobody, or somebody else.
        nobody("no key", "GET", "/v1/people", &[], &[401]),
        nobody("no key to change", "POST", "/v1/people", &[("content-type", JSON)], &[401]),
        nobody("no key to read the audit", "GET", "/v1/audit", &[], &[401]),
        nobody("no key for events", "GET", "/v1/jobs/j1/events", &[], &[401]),
        nobody("another scheme", "GET", "/v1/people", &[("authorization", "Basic YWRtaW46YWRtaW4=")], &[401]),
        nobody("an empty key", "GET", "/v1/people", &[("authorization", "Bearer ")], &[401]),
        nobody(
            "a key cut off",
            "GET",
            "/v1/people",
            &[("authorization", &format!("Bearer {}", &key[..key.len() - 1]))],
            &[401],
        ),
        nobody("a key in the query", "GET", &format!("/v1/people?key={key}&api_key={key}"), &[], &[401]),
        nobody("a key as cookie", "GET", "/v1/people", &[("cookie", &format!("phiz={key}"))], &[401]),
        nobody(
            "a session that never was",
            "GET",
            "/v1/session",
            &[("cookie", "phiz=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")],
            &[401],
        ),
        nobody("setup once more", "POST", "/v1/setup", &[("content-type", JSON)], &[400]),
        nobody(
            "preflight from another site",
            "OPTIONS",
            "/v1/people",
            &[("origin", "http://evil.example"), ("access-control-request-method", "POST")],
            &[401, 405],
        ),
        // Paths of files.
        nobody("traversal", "GET", "/../../../etc/passwd", &[], &[404, 200]),
        nobody("encoded traversal", "GET", "/%2e%2e/%2e%2e/etc/passwd", &[], &[404, 200]),
        nobody("traversal behind a file", "GET", "/assets/..%2f..%2f..%2fCargo.toml", &[], &[404]),
        nobody("backslashes", "GET", "/..%5c..%5cserver.db", &[], &[404]),
        nobody("the server's own file", "GET", "/server.db", &[], &[404]),
        nobody("the gallery's key", "GET", "/gallery.key", &[], &[404]),
        // Hosts.
        raw("another host", "GET /v1/status HTTP/1.1\nHost: evil.example\nConnection: close\n\n", &[421]),
        raw(
            "a host that begins like ours",
            "GET /v1/status HTTP/1.1\nHost: 127.0.0.1.evil.example\nConnection: close\n\n",
            &[421],
        ),
        raw(
            "a host that ends like ours",
            "GET / HTTP/1.1\nHost: evil-localhost\nConnection: close\n\n",
            &[421],
        ),
        raw(
            "two hosts",
            "GET /v1/status HTTP/1.1\nHost: localhost\nHost: evil.example\nConnection: close\n\n",
            &[400],
        ),
        raw("no host", "GET /v1/status HTTP/1.1\nConnection: close\n\n", &[400, 421]),
        raw(
            "a host in the request line",
            "GET http://evil.example/v1/status HTTP/1.1\nHost: localhost\nConnection: close\n\n",
            &[421],
        ),
        raw(
            "a proxy's request",
            "CONNECT evil.example:443 HTTP/1.1\nHost: localhost\nConnection: close\n\n",
            &[400, 404, 405, 421],
        ),
        // Lengths and smuggling.
        raw(
            "two lengths",
            "POST /v1/people HTTP/1.1\nHost: localhost\nContent-Length: 5\nContent-Length: 6\nConnection: close\n\nhello",
            &[400],
        ),
        raw(
            "length and chunks",
            "POST /v1/people HTTP/1.1\nHost: localhost\nContent-Length: 5\nTransfer-Encoding: chunked\nConnection: close\n\n0\n\n",
            &[400, 401],
        ),
        raw(
            "chunks and length",
            "POST /v1/people HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\nContent-Length: 5\nConnection: close\n\n0\n\n",
            &[400, 401],
        ),
        raw(
            "chunks twice",
            "POST /v1/people HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked, chunked\nConnection: close\n\n0\n\n",
            &[400, 401],
        ),
        raw(
            "an encoding that is none",
            "POST /v1/people HTTP/1.1\nHost: localhost\nTransfer-Encoding: cow\nConnection: close\n\n0\n\n",
            &[400],
        ),
        raw(
            "a negative length",
            "POST /v1/people HTTP/1.1\nHost: localhost\nContent-Length: -1\nConnection: close\n\n",
            &[400],
        ),
        raw(
            "a length beyond numbers",
            "POST /v1/people HTTP/1.1\nHost: localhost\nContent-Length: 99999999999999999999\nConnection: close\n\n",
            &[400],
        ),
        raw(
            "a chunk beyond numbers",
            &format!(
                "POST /v1/people HTTP/1.1\nHost: localhost\nAuthorization: Bearer {key}\nContent-Type: application/json\nTransfer-Encoding: chunked\nConnection: close\n\nFFFFFFFFFFFFFFFFF\nx\n"
            ),
            &[400],
        ),
        raw(
            "a body larger than allowed",
            &format!(
                "POST /v1/detect HTTP/1.1\nHost: localhost\nAuthorization: Bearer {key}\nContent-Type: image/jpeg\nContent-Length: 999999999\nConnection: close\n\n"
            ),
            &[413],
        ),
        raw(
            "a header folded",
            "GET /v1/status HTTP/1.1\nHost: localhost\nX-A: b\n c\nConnection: close\n\n",
            &[400],
        ),
        raw(
            "a header with a space before its colon",
            "GET /v1/status HTTP/1.1\nHost : evil\nConnection: close\n\n",
            &[400],
        ),
        raw(
            "a zero in a header",
            "GET /v1/status HTTP/1.1\nHost: localhost\nX-A: a\0b\nConnection: close\n\n",
            &[400],
        ),
        raw("no http", "\u{1}\u{2}\u{3}\u{4}\n\n\n", &[400, 0]),
        raw("tls where none is spoken", "\u{16}\u{3}\u{1}\u{0}\u{5}hello\n\n", &[400, 0]),
        raw("http of another version", "GET / HTTP/3.0\nHost: localhost\n\n", &[400, 0, 505]),
    ];
    let flood: String = (0..200).map(|i| format!("X-{i}: a\n")).collect();
    cases.push(raw(
        "a flood of headers",
        &format!("GET /v1/status HTTP/1.1\nHost: localhost\n{flood}Connection: close\n\n"),
        &[431],
    ));
    let long = "a".repeat(100_000);
    cases.push(raw(
        "a header without an end",
        &format!("GET /v1/status HTTP/1.1\nHost: localhost\nX-A: {long}\nConnection: close\n\n"),
        &[431],
    ));
    cases.push(raw(
        "a path without an end",
        &format!("GET /{long} HTTP/1.1\nHost: localhost\nConnection: close\n\n"),
        &[414, 431, 400],
    ));
    cases
}

#[test]
fn harm_is_refused_as_documented() {
    // Guessing keys is another test; here each wrong one is to be told apart.
    let server = Running::with(|settings| settings.attempts_per_minute = 10_000.0);
    let person = server.person("Zyxomma", &ADA[..1]);
    let key = server.key(Scope::Admin, None);
    let all = cases(&key, &person);
    assert!(all.len() >= 80, "only {} requests", all.len());
    let bearer = format!("Bearer {key}");
    let mut bad = Vec::new();
    for case in &all {
        let since = Instant::now();
        let (status, body) = match &case.way {
            Way::Client(method, path, headers, body) => {
                let mut all: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
                all.push(("authorization", &bearer));
                let got = server.send(method, path, &all, body);
                (got.status, got.body)
            }
            Way::Nobody(method, path, headers, body) => {
                let all: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
                let body = if *method == "GET" || *method == "OPTIONS" { &[][..] } else { body };
                let got = server.send(method, path, &all, body);
                (got.status, got.body)
            }
            Way::Raw(bytes) => {
                let got = server.raw(bytes);
                (status_of(&got), got)
            }
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        if !case.statuses.contains(&status) {
            bad.push(format!(
                "{}: answered {status}, not {:?}: {}",
                case.name,
                case.statuses,
                &text[..text.len().min(200)]
            ));
        }
        for secret in [key.as_str(), "Zyxomma", "root:", "panicked", "/home/", "src/"] {
            if text.contains(secret) {
                bad.push(format!("{}: the answer holds {secret:?}: {text}", case.name));
            }
        }
        if since.elapsed() > Duration::from_secs(20) {
            bad.push(format!("{}: took {:?}", case.name, since.elapsed()));
        }
        if status >= 400 && !matches!(case.way, Way::Raw(_)) && !text.contains("\"request_id\"") {
            bad.push(format!("{}: is no error in the one form: {text}", case.name));
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
    // Still there, and none of it has changed anybody.
    assert_eq!(server.send("GET", "/healthz", &[], b"").status, 200);
    let people = server.get("/v1/people").expect(200);
    assert_eq!(people["items"].as_array().unwrap().len(), 2, "{people}");
    let found = server.form("/v1/identify", &[("photo", "x.jpg", &ADA[1])]).expect(200);
    assert_eq!(found["faces"][0]["person"], "Zyxomma");
}

#[test]
fn names_that_are_markup_are_data() {
    let server = common::shared();
    let name = "<script>alert(1)</script>\"';--";
    let made = server.post("/v1/people", &json!({ "name": name })).expect(201);
    assert_eq!(made["name"], name);
    let id = made["id"].as_str().unwrap();
    let file = "<img src=x onerror=alert(1)>.jpg";
    let done = server.form(&format!("/v1/people/{id}/faces"), &[("photo", file, &ADA[2])]).expect(200);
    assert_eq!(done["photos"][0]["source"], file);
    let got = server.get(&format!("/v1/people/{id}"));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
    assert!(got.header("content-security-policy").unwrap().contains("sandbox"));
}

#[test]
fn guessing_is_slowed_down() {
    let server = Running::with(|settings| settings.attempts_per_minute = 5.0);
    let try_key =
        |key: &str| server.send("GET", "/v1/people", &[("authorization", &format!("Bearer {key}"))], b"");
    let statuses: Vec<u16> = (0..12).map(|i| try_key(&format!("phiz_{i}")).status).collect();
    assert_eq!(statuses.iter().filter(|s| **s == 401).count(), 5, "{statuses:?}");
    let last = try_key("phiz_x");
    let wait: u64 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=13).contains(&wait), "{wait}");
    last.error("too_many_attempts");
    // Who has a key is not locked out by somebody who has none.
    server.get("/v1/people").expect(200);
    let session = |words: &str| {
        let body = json!({ "passphrase": words }).to_string();
        server.send("POST", "/v1/session", &[("content-type", "application/json")], body.as_bytes())
    };
    session("any words at all").error("too_many_attempts");
}

#[test]
fn slow_bodies_are_given_up() {
    let server = Running::with(|settings| {
        settings.body_seconds = 1;
        settings.header_seconds = 1;
    });
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!(
        "POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n",
        server.admin
    );
    slow.write_all(head.as_bytes()).unwrap();
    let since = Instant::now();
    let mut answer = [0; 512];
    let read = slow.read(&mut answer).unwrap();
    assert_eq!(status_of(&answer[..read]), 408, "{}", String::from_utf8_lossy(&answer[..read]));
    assert!(since.elapsed() < Duration::from_secs(8));
    // Headers that do not end.
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
    let mut rest = Vec::new();
    _ = slow.read_to_end(&mut rest);
    assert!(matches!(status_of(&rest), 0 | 408), "{}", String::from_utf8_lossy(&rest));
    server.get("/v1/people").expect(200);
}

#[test]
fn more_than_is_allowed_is_refused_at_once() {
    let server = Running::with(|settings| {
        settings.workers = 1;
        settings.queue = 1;
        settings.requests_per_second = 100_000.0;
    });
    let photo = common::scene(&[1, 2, 3], 7).image.encode_jpeg(90).unwrap();
    let (kind, body) = form(&[("photo", "a.jpg", &photo)]);
    let bearer = format!("Bearer {}", server.admin);
    let results: Vec<(u16, Option<String>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|_| {
                scope.spawn(|| {
                    let got = server.send(
                        "POST",
                        "/v1/detect?min_face=10&rotate=true",
                        &[("authorization", &bearer), ("content-type", &kind)],
                        &body,
                    );
                    (got.status, got.header("retry-after").map(str::to_owned))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let refused: Vec<_> = results.iter().filter(|(status, _)| *status == 503).collect();
    assert!(results.iter().all(|(status, _)| [200, 503].contains(status)), "{results:?}");
    assert!(!refused.is_empty() && refused.len() < 12, "{results:?}");
    assert!(refused.iter().all(|(_, after)| after.is_some()), "{results:?}");
    server.form("/v1/detect", &[("photo", "a.jpg", &ADA[0])]).expect(200);

    let server = Running::with(|settings| settings.requests_per_second = 2.0);
    let statuses: Vec<u16> = (0..10).map(|_| server.get("/v1/people").status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    let photos = tempfile::tempdir().unwrap();
    let folder = std::fs::canonicalize(photos.path()).unwrap();
    let allowed = folder.clone();
    let server = Running::with(move |settings| {
        settings.scan_folders = vec![allowed];
        settings.max_faces = 1;
        settings.max_megapixels = 1;
        settings.max_body_mb = 1;
    });
    server.form("/v1/detect", &[("photo", "a.jpg", &vec![0; 1_000_001])]).error("too_large_body");
    let large = phiz_image::Image::from_rgb(1200, 1000, vec![0; 3_600_000]).unwrap().encode_png().unwrap();
    server.form("/v1/detect", &[("photo", "a.png", &large)]).error("too_large");
    let two = common::scene(&[1, 2], 5);
    let two = two.image.encode_jpeg(80).unwrap();
    for path in ["/v1/detect", "/v1/identify", "/v1/identify?keep=true", "/v1/embed"] {
        let error = server.form(path, &[("photo", "a.jpg", &two)]).error("too_large");
        assert!(error.to_string().contains("shows 2 faces, more than 1"), "{path}: {error}");
    }
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("phiz_batched_total 0"), "no face was described: {metrics}");
    // An own folder may hold photos of crowds.
    std::fs::write(folder.join("two.jpg"), &two).unwrap();
    let job = server.finished(&server.post("/v1/scan", &serde_json::json!({})).expect(202));
    assert_eq!(
        (job["result"]["new"].as_u64(), job["result"]["refused"].as_u64()),
        (Some(1), Some(0)),
        "{job}"
    );
}

#[test]
fn nothing_of_a_request_is_in_the_server_s_file() {
    let mut server = Running::start();
    let person = server.person("Zyxomma", &ADA[..1]);
    let bearer = format!("Bearer {}", server.admin);
    let headers = [
        ("authorization", &*bearer),
        ("content-type", "application/json"),
        ("idempotency-key", "a-key-of-one"),
    ];
    server.send("POST", "/v1/people", &headers, br#"{"name":"Quagga Quux"}"#).expect(201);
    server.get(&format!("/v1/people/{person}")).expect(200);
    server.stop();
    for name in ["server.db", "server.db-wal"] {
        let Ok(bytes) = std::fs::read(server.home.path().join(name)) else { continue };
        for text in ["Zyxomma", "Quagga", server.admin.as_str(), "a-key-of-one"] {
            assert!(!bytes.windows(text.len()).any(|w| w == text.as_bytes()), "{name} holds {text}");
        }
    }
}
