//! A real server on a port of its own, a client, and photos of people who do not exist.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use phiz_server::{Book, Scope, Server, Settings};
use phiz_service::{Place, Service};
use phiz_synth::{FaceModel, Scene, SceneOptions};
use serde_json::Value;
use tempfile::TempDir;

/// A photo of one person, by the seeds of person and scene, as JPEG.
pub(crate) fn photo(person: u64, seed: u64) -> Vec<u8> {
    scene(&[person], seed).image.encode_jpeg(90).unwrap()
}

pub(crate) fn scene(people: &[u64], seed: u64) -> Scene {
    let options = SceneOptions {
        people: people.to_vec(),
        face_height: (110.0, 150.0),
        roll: 5.0,
        ..SceneOptions::default()
    };
    Scene::compose(FaceModel::bundled(), &options, seed).unwrap()
}

/// Photos that many tests share, made once.
pub(crate) static ADA: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| [photo(1, 11), photo(1, 12), photo(1, 13)]);
pub(crate) static BEN: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [photo(2, 21), photo(2, 22)]);

pub(crate) struct Running {
    pub(crate) home: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) admin: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Fails unless it is an error of this code, in the one form.
    #[track_caller]
    pub(crate) fn error(self, code: &str) -> Value {
        let json = self.json();
        let error = &json["error"];
        assert_eq!(error["code"], code, "{json}");
        for field in ["message", "remedy", "request_id"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        }
        assert_eq!(error["request_id"].as_str(), self.header("x-request-id"), "{json}");
        let known = phiz_server::Code::ALL.iter().find(|known| known.as_str() == code);
        assert_eq!(known.map(|known| known.status().as_u16()), Some(self.status));
        json
    }
}

/// A multipart body: field, file name, bytes.
pub(crate) fn form(parts: &[(&str, &str, &[u8])]) -> (String, Vec<u8>) {
    form_with("a-boundary-of-its-own", parts)
}

/// The same with a boundary that is named.
pub(crate) fn form_with(boundary: &str, parts: &[(&str, &str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (field, name, bytes) in parts {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: image/jpeg\r\n\r\n"
        );
        body.extend(head.as_bytes());
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

impl Running {
    pub(crate) fn start() -> Running {
        Running::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Running {
        Running::started(change, true)
    }

    /// A server that nobody has set up.
    pub(crate) fn untouched() -> Running {
        Running::started(|_| {}, false)
    }

    fn started(change: impl FnOnce(&mut Settings), with_key: bool) -> Running {
        Running::at(tempfile::tempdir().unwrap(), change, with_key)
    }

    /// A server over a home that exists.
    pub(crate) fn at(home: TempDir, change: impl FnOnce(&mut Settings), with_key: bool) -> Running {
        let mut settings = Settings::default();
        settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.workers = 2;
        change(&mut settings);
        let admin = match with_key {
            true => Book::open(home.path()).unwrap().new_key("tests", Scope::Admin, None).unwrap().1,
            false => String::new(),
        };
        let place = Place { home: Some(home.path().into()), ..Place::default() };
        let server = Server::prepare(settings, home.path(), &place, Service::new().unwrap()).unwrap();
        let listening = server.listening().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            server
                .run(async move {
                    _ = stopped.await;
                })
                .unwrap();
        });
        let address = listening.address;
        Running { home, address, url: listening.url, admin, stop: Some(stop), thread: Some(thread) }
    }

    /// The same server, stopped and started again.
    pub(crate) fn again(mut self) -> Running {
        self.stop();
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        let admin = std::mem::take(&mut self.admin);
        let mut running = Running::at(home, |_| {}, false);
        running.admin = admin;
        running
    }

    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }

    pub(crate) fn key(&self, scope: Scope, galleries: Option<&[String]>) -> String {
        Book::open(self.home.path()).unwrap().new_key("", scope, galleries).unwrap().1
    }

    /// Sends a request.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
        let agent = AGENT.get_or_init(|| {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .timeout_global(Some(Duration::from_secs(120)));
            config.build().new_agent()
        });
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_vec()).unwrap();
        let mut response = agent.run(request).unwrap();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Got { status, headers, body }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.admin)
    }

    pub(crate) fn get(&self, path: &str) -> Got {
        self.send("GET", path, &[("authorization", &self.bearer())], b"")
    }

    pub(crate) fn delete(&self, path: &str) -> Got {
        self.send("DELETE", path, &[("authorization", &self.bearer())], b"")
    }

    pub(crate) fn json(&self, method: &str, path: &str, body: &Value) -> Got {
        let headers = [("authorization", &*self.bearer()), ("content-type", "application/json")];
        self.send(method, path, &headers, body.to_string().as_bytes())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Got {
        self.json("POST", path, body)
    }

    pub(crate) fn form(&self, path: &str, parts: &[(&str, &str, &[u8])]) -> Got {
        let (kind, body) = form(parts);
        self.send("POST", path, &[("authorization", &self.bearer()), ("content-type", &kind)], &body)
    }

    /// A person with these photos; the id.
    pub(crate) fn person(&self, name: &str, photos: &[Vec<u8>]) -> String {
        let made = self.post("/v1/people", &serde_json::json!({ "name": name })).expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        if !photos.is_empty() {
            let parts: Vec<(&str, &str, &[u8])> =
                photos.iter().map(|p| ("photo", "p.jpg", p.as_slice())).collect();
            let done = self.form(&format!("/v1/people/{id}/faces"), &parts).expect(200);
            for photo in done["photos"].as_array().unwrap() {
                assert!(photo["face"].is_string(), "{photo}");
            }
        }
        id
    }

    /// Sends bytes as they are, and reads what comes until the other side closes or is silent for a while.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
        _ = stream.write_all(bytes);
        let mut all = Vec::new();
        let mut part = [0; 65536];
        loop {
            match stream.read(&mut part) {
                Ok(0) | Err(_) => return all,
                Ok(read) => all.extend(&part[..read]),
            }
        }
    }

    /// Waits until a job is over.
    pub(crate) fn finished(&self, job: &Value) -> Value {
        let id = job["id"].as_str().unwrap();
        for _ in 0..600 {
            let now = self.get(&format!("/v1/jobs/{id}")).expect(200);
            if !["waiting", "running"].contains(&now["state"].as_str().unwrap()) {
                return now;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("job {id} does not end");
    }
}

/// One server for all tests of a file that only look, or use people of their own.
pub(crate) fn shared() -> Arc<Running> {
    static SHARED: OnceLock<Arc<Running>> = OnceLock::new();
    SHARED.get_or_init(|| Arc::new(Running::start())).clone()
}
