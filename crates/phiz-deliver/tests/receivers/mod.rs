//! Those who get events, shared by tests: an HTTP server that answers as it is told, and mosquitto with a subscriber.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests, each of which uses a part of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request as it came: headers in lower case, and the body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

/// A server that answers the n-th request by what `status` says; 0 closes the connection without an answer.
pub(crate) fn server(status: impl Fn(usize) -> u16 + Send + 'static) -> (u16, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let all: Arc<Mutex<Vec<Request>>> = Arc::default();
    let kept = Arc::clone(&all);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection: TcpStream = connection.unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let (mut headers, mut line) = (Vec::new(), String::new());
            loop {
                line.clear();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                    break;
                }
                if let Some((name, value)) = line.trim().split_once(": ") {
                    headers.push((name.to_lowercase(), value.to_owned()));
                }
            }
            let length =
                headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
            let mut body = vec![0; length];
            // Whoever sends may be killed in the middle of it.
            if reader.read_exact(&mut body).is_err() {
                continue;
            }
            let number = {
                let mut all = kept.lock().unwrap();
                all.push(Request { headers, body: String::from_utf8(body).unwrap() });
                all.len() - 1
            };
            let status = status(number);
            if status != 0 {
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                _ = connection.write_all(answer.as_bytes());
            }
        }
    });
    (port, all)
}

/// A broker on a port; none, which is said, where it is not installed.
pub(crate) fn mosquitto(folder: &Path, port: u16) -> Option<Child> {
    let config = folder.join("mosquitto.conf");
    std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
    let program = ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find(|program| {
        Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    });
    let Some(program) = program else {
        assert!(std::env::var_os("PHIZ_NEED_MOSQUITTO").is_none(), "mosquitto is missing");
        eprintln!("skipped: mosquitto is missing");
        return None;
    };
    let child = Command::new(program).arg("-c").arg(&config).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(child)
}

/// Reads what is published to all topics, retained and new, for a while: a subscriber of its own, byte by byte.
pub(crate) fn subscribe(port: u16) -> Arc<Mutex<Vec<(String, String)>>> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b's']).unwrap();
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).unwrap();
    socket.write_all(&[0x82, 6, 0, 1, 0, 1, b'#', 0]).unwrap();
    let all: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let kept = Arc::clone(&all);
    std::thread::spawn(move || {
        let mut byte = [0];
        while socket.read_exact(&mut byte).is_ok() {
            let kind = byte[0];
            let (mut length, mut shift) = (0usize, 0);
            loop {
                socket.read_exact(&mut byte).unwrap();
                length |= usize::from(byte[0] & 0x7f) << shift;
                shift += 7;
                if byte[0] & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; length];
            socket.read_exact(&mut body).unwrap();
            if kind >> 4 == 3 {
                let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                kept.lock().unwrap().push((text(&body[2..end]), text(&body[end..])));
            }
        }
    });
    all
}

/// Waits until something has happened.
pub(crate) fn until(what: &str, found: impl Fn() -> bool) {
    let begun = Instant::now();
    while !found() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what} does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}
