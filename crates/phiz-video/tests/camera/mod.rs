//! A camera for tests: motion JPEG over HTTP, for whoever knows its password.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests, each of which uses a part of it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::clips::{Actor, actor, picture};

/// A camera that shows person 1 while somebody is wanted, and nobody else.
pub(crate) struct Camera {
    pub(crate) port: u16,
    pub(crate) shows: Arc<AtomicBool>,
    pub(crate) served: Arc<AtomicU64>,
}

impl Camera {
    pub(crate) fn start() -> Camera {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shows, served) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (shown, counted) = (Arc::clone(&shows), Arc::clone(&served));
        let somebody = [actor(1, 1, |_| Some([200.0, 135.0, 190.0]))];
        let jpeg = |actors: &[Actor]| picture(actors, 0.0).0.encode_jpeg(92).unwrap();
        let pictures = Arc::new([jpeg(&[]), jpeg(&somebody)]);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (shown, counted, pictures) = (shown.clone(), counted.clone(), pictures.clone());
                std::thread::spawn(move || serve(connection.unwrap(), &shown, &counted, &pictures));
            }
        });
        Camera { port, shows, served }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://ana:s3cret-word@127.0.0.1:{}/video.mjpg?token=t0ken-text", self.port)
    }
}

fn serve(mut socket: TcpStream, shows: &AtomicBool, served: &AtomicU64, pictures: &[Vec<u8>; 2]) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let (mut line, mut allowed) = (String::new(), false);
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) && !line.trim().is_empty() {
        // ana:s3cret-word
        allowed |= line.trim() == "Authorization: Basic YW5hOnMzY3JldC13b3Jk";
        line.clear();
    }
    if !allowed {
        let no = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"camera\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        _ = socket.write_all(no.as_bytes());
        return;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n";
    let mut sent = socket.write_all(head.as_bytes());
    while sent.is_ok() {
        let jpeg = &pictures[usize::from(shows.load(Ordering::Relaxed))];
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        sent = socket.write_all(&[head.as_bytes(), jpeg, b"\r\n"].concat());
        served.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(100));
    }
}
