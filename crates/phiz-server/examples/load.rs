//! What a server bears: its rate beside that of the engine alone, refusals under ten times the load and recovery from it,
//! memory over many requests, time to be ready with many people. It starts `phiz serve` itself, on a port of the loopback
//! interface, with photos of 640 pixels that show one face each.
//!
//! ```console
//! $ cargo run --release -p phiz-server --example load -- target/release/phiz rate 10
//! $ cargo run --release -p phiz-server --example load -- target/release/phiz overload 10
//! $ cargo run --release -p phiz-server --example load -- target/release/phiz memory 24000
//! $ cargo run --release -p phiz-server --example load -- target/release/phiz ready 100000
//! $ cargo run --release -p phiz-server --example load -- batch 10
//! ```
//!
//! The number is the seconds of each round, the requests, or the people. Rates of server and engine are measured in turn, in
//! short rounds, so that their ratio holds on a machine that does other work, too.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phiz_gallery::{Details, EnrollRules, Gallery, NewFace, Target, Template};
use phiz_image::{DecodeOptions, Image};
use phiz_service::{EnrolOptions, IdentifyOptions, Photo, Place, Service};
use phiz_synth::{FaceModel, Scene, SceneOptions};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Processors that compute, in the server and beside it.
const WORKERS: usize = 2;
const CLIENTS: usize = 16;
const ROUNDS: usize = 5;
const PEOPLE: u64 = 8;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["batch", seconds] => batch(seconds.parse()?),
        [phiz, "rate", seconds] => rate(phiz, seconds.parse()?),
        [phiz, "overload", seconds] => overload(phiz, seconds.parse()?),
        [phiz, "memory", requests] => memory(phiz, requests.parse()?),
        [phiz, "ready", people] => ready(phiz, people.parse()?),
        _ => Err("give the program, what to measure (rate, overload, memory, ready) and a number; or batch and seconds".into()),
    }
}

/// A photo of 640×480 pixels with one face.
fn photo(person: u64, seed: u64) -> Result<Vec<u8>> {
    let options = SceneOptions {
        width: 640,
        height: 480,
        people: vec![person],
        face_height: (120.0, 170.0),
        ..SceneOptions::default()
    };
    Ok(Scene::compose(FaceModel::bundled(), &options, seed)?.image.encode_jpeg(90)?)
}

fn photos() -> Result<Vec<Vec<u8>>> {
    (0..16).map(|seed| photo(seed % (PEOPLE + 4), 100 + seed)).collect()
}

/// Enrols the people who are searched.
fn enrol(service: &Service, gallery: &Gallery) -> Result<()> {
    for person in 0..PEOPLE {
        let options = EnrolOptions { force: true, ..EnrolOptions::default() };
        let photo = Photo::from_bytes("p.jpg", photo(person, person)?);
        service.enrol(gallery, &format!("Person {person}"), &[photo], &options)?;
    }
    Ok(())
}

/// A server in a process of its own, which ends with this value.
struct Served {
    child: Child,
    url: String,
    key: String,
    ready: Duration,
    _home: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn home(service: &Service, fill: impl FnOnce(&Gallery) -> Result<()>) -> Result<tempfile::TempDir> {
    let home = tempfile::tempdir()?;
    let place = Place { home: Some(home.path().into()), ..Place::default() };
    let (gallery, _) = place.open_or_create(service)?;
    fill(&gallery)?;
    Ok(home)
}

fn serve(phiz: &str, home: tempfile::TempDir) -> Result<Served> {
    let made =
        Command::new(phiz).args(["key", "new", "--scope", "admin", "--home"]).arg(home.path()).output()?;
    let key = String::from_utf8(made.stdout)?.trim().to_owned();
    let key = key.lines().last().unwrap_or_default().to_owned();
    let since = Instant::now();
    let mut child = Command::new(phiz)
        .args(["serve", "--listen", "127.0.0.1:0", "--json", "--home"])
        .arg(home.path())
        .args(["--set", "requests_per_second=1000000", "--set", "log=error"])
        .args(["--set", &format!("workers={WORKERS}")])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().ok_or("no standard output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let started: serde_json::Value = serde_json::from_str(&line)?;
    let address = started["address"].as_str().ok_or("the server tells no address")?;
    let url = format!("http://{address}");
    while ureq::get(format!("{url}/readyz")).call().is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Served { child, url, key, ready: since.elapsed(), _home: home })
}

/// Times in milliseconds, and what they say.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, since: Instant) {
        self.0.push(since.elapsed().as_secs_f64() * 1000.0);
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
        sorted.get(place).copied().unwrap_or(f64::NAN)
    }

    fn said(&self) -> String {
        let [half, most, last] = [0.5, 0.99, 1.0].map(|share| self.at(share));
        format!("{} of them, median {half:.1} ms, p99 {most:.1} ms, longest {last:.1} ms", self.0.len())
    }
}

/// One client: sends photos in turn over one connection until it is told to stop.
struct Client {
    agent: ureq::Agent,
    url: String,
    bearer: String,
}

impl Client {
    fn new(served: &Served) -> Client {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Client {
            agent: config.build().new_agent(),
            url: served.url.clone(),
            bearer: format!("Bearer {}", served.key),
        }
    }

    /// The status; 0 if the connection failed.
    fn identify(&self, photo: &[u8]) -> u16 {
        self.post("/v1/identify", photo)
    }

    fn post(&self, path: &str, photo: &[u8]) -> u16 {
        let request = self.agent.post(format!("{}{path}", self.url)).header("authorization", &self.bearer);
        match request.header("content-type", "image/jpeg").send(photo) {
            Ok(mut answer) => {
                _ = answer.body_mut().read_to_vec();
                answer.status().as_u16()
            }
            Err(_) => 0,
        }
    }

    fn get(&self, path: &str) -> u16 {
        match self.agent.get(format!("{}{path}", self.url)).header("authorization", &self.bearer).call() {
            Ok(mut answer) => {
                _ = answer.body_mut().read_to_vec();
                answer.status().as_u16()
            }
            Err(_) => 0,
        }
    }
}

/// So many clients for so many seconds: times of answers, times of refusals, what else came, and answers a second.
fn load(served: &Served, photos: &[Vec<u8>], clients: usize, seconds: u64) -> (Times, Times, u64, f64) {
    let since = Instant::now();
    let until = Instant::now() + Duration::from_secs(seconds);
    let all = Mutex::new((Times::default(), Times::default(), 0));
    std::thread::scope(|scope| {
        for number in 0..clients {
            let all = &all;
            scope.spawn(move || {
                let client = Client::new(served);
                let mut own = (Times::default(), Times::default(), 0);
                for turn in number.. {
                    if Instant::now() >= until {
                        break;
                    }
                    let since = Instant::now();
                    match client.identify(&photos[turn % photos.len()]) {
                        200 => own.0.add(since),
                        503 => {
                            own.1.add(since);
                            // A tenth of what Retry-After asks for.
                            std::thread::sleep(Duration::from_millis(100));
                        }
                        _ => own.2 += 1,
                    }
                }
                let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                all.0.0.append(&mut own.0.0);
                all.1.0.append(&mut own.1.0);
                all.2 += own.2;
            });
        }
    });
    let (answers, refused, other) = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Until the last answer has come: what was begun is finished.
    let rate = answers.0.len() as f64 / since.elapsed().as_secs_f64();
    (answers, refused, other, rate)
}

/// Photos a second that the service identifies by itself, with as many threads as the server has workers.
fn alone(service: &Service, gallery: &Gallery, photos: &[Vec<u8>], seconds: u64) -> f64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let since = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                for turn in number.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let photo = Photo::from_bytes("p.jpg", photos[turn % photos.len()].clone());
                    if service.identify(gallery, &photo, &IdentifyOptions::default()).is_ok() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / since.elapsed().as_secs_f64()
}

fn rate(phiz: &str, seconds: u64) -> Result<()> {
    let service = Service::new()?;
    let photos = photos()?;
    let gallery = service.gallery_in_memory()?;
    enrol(&service, &gallery)?;
    let served = serve(phiz, home(&service, |gallery| enrol(&service, gallery))?)?;
    let before = resident(&served)?;
    let (mut engine, mut server, mut times, mut others) = (0.0, 0.0, Times::default(), 0);
    load(&served, &photos, CLIENTS, 1);
    for round in 0..ROUNDS {
        let own = alone(&service, &gallery, &photos, seconds);
        let (answers, refused, other, rate) = load(&served, &photos, CLIENTS, seconds);
        println!(
            "round {}: engine alone {own:.2} photos a second, server {rate:.2}: {:.2}",
            round + 1,
            rate / own
        );
        (engine, server) = (engine + own, server + rate);
        times.0.extend(answers.0);
        others += other + refused.0.len() as u64;
    }
    println!("server over engine, {WORKERS} workers, {CLIENTS} clients: {:.3}", server / engine);
    println!(
        "answers: {}; p99 over median {:.2}; not answered: {others}",
        times.said(),
        times.at(0.99) / times.at(0.5)
    );
    println!("memory: {} MB before, {} MB after", before / 1_000_000, resident(&served)? / 1_000_000);
    Ok(())
}

fn overload(phiz: &str, seconds: u64) -> Result<()> {
    let service = Service::new()?;
    let photos = photos()?;
    let served = serve(phiz, home(&service, |gallery| enrol(&service, gallery))?)?;
    let (quiet, ..) = load(&served, &photos, 1, seconds);
    let (normal, _, _, normal_rate) = load(&served, &photos, CLIENTS, seconds);
    println!("one client: {}", quiet.said());
    println!("{CLIENTS} clients: {:.2} a second, {}", normal_rate, normal.said());
    let (answers, refused, other, rate) = load(&served, &photos, CLIENTS * 10, seconds);
    println!("{} clients: answered {:.2} a second, {}", CLIENTS * 10, rate, answers.said());
    let soon = refused.0.iter().filter(|time| **time <= 10.0).count() as f64 / refused.0.len().max(1) as f64;
    println!("refused with 503: {}; within 10 ms {:.1} %; neither: {other}", refused.said(), soon * 100.0);
    // A bare connection's time tells how long the machine takes for nothing at the same load.
    let since = Instant::now();
    let client = Client::new(&served);
    while client.identify(&photos[0]) != 200 {}
    println!("first answer after the load: {:.0} ms", since.elapsed().as_secs_f64() * 1000.0);
    let (again, ..) = load(&served, &photos, 1, seconds);
    println!("one client afterwards: {}", again.said());
    Ok(())
}

fn resident(served: &Served) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.child.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Requests of many kinds: one in forty identifies, the others look quickly, list, and are refused.
fn memory(phiz: &str, requests: u64) -> Result<()> {
    let service = Service::new()?;
    let photos = photos()?;
    let served = serve(phiz, home(&service, |gallery| enrol(&service, gallery))?)?;
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (warm, mut first) = (requests / 12, 0);
    let send = |until: u64| {
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let client = Client::new(&served);
                    loop {
                        let turn = next.fetch_add(1, Ordering::Relaxed);
                        if turn >= until {
                            return;
                        }
                        let photo = &photos[turn as usize % photos.len()];
                        let status = match turn % 40 {
                            0 => client.identify(photo),
                            10 | 20 | 30 => client.post("/v1/detect?quick=true", photo),
                            n if n % 4 == 1 => client.get("/v1/people"),
                            n if n % 4 == 2 => client.post("/v1/detect", &photo[..photo.len() / 2]),
                            n if n % 4 == 3 => client.get("/v1/review"),
                            _ => client.get("/v1/people/p999"),
                        };
                        failed.fetch_add(u64::from(status == 0 || status >= 500), Ordering::Relaxed);
                    }
                });
            }
        });
        next.store(until, Ordering::Relaxed);
    };
    for part in 1..=12 {
        send(warm * part);
        let now = resident(&served)?;
        if part == 1 {
            first = now;
        }
        println!("{} requests: {:.1} MB", warm * part, now as f64 / 1e6);
    }
    let grown = resident(&served)? as f64 / first as f64 - 1.0;
    println!(
        "grown by {:.1} % since the first {warm}; failed: {}",
        grown * 100.0,
        failed.load(Ordering::Relaxed)
    );
    Ok(())
}

/// Time from the start of the process to the first `ready`, with so many people of one template each.
fn ready(phiz: &str, people: u64) -> Result<()> {
    let service = Service::new()?;
    let (model, dim) = (service.analyzer().model_id().clone(), service.analyzer().dim());
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let home = home(&service, |gallery| {
        let rules = EnrollRules { report_similar: None, ..EnrollRules::default() };
        let all = (0..people).map(|number| {
            let values = (0..dim).map(|_| random()).collect();
            let face =
                Template::normalised(model.clone(), values).map(|template| NewFace::new(template, 0.8));
            (Target::New(Details::named(format!("Person {number}"))), face.into_iter().collect())
        });
        Ok(gallery.enroll_all(all, &rules, |_| {})?)
    })?;
    // The first start makes the index; later ones find it.
    let mut served = serve(phiz, home)?;
    println!("ready after {:.2} s (index made)", served.ready.as_secs_f64());
    Client::new(&served).identify(&photo(1, 1)?);
    for _ in 0..ROUNDS {
        let pid = served.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        served.child.wait()?;
        let home = std::mem::replace(&mut served._home, tempfile::tempdir()?);
        served = serve(phiz, home)?;
        println!("ready after {:.2} s", served.ready.as_secs_f64());
    }
    Ok(())
}

/// Whether faces that are described together take less time than each alone: what batches over requests could bring.
fn batch(seconds: u64) -> Result<()> {
    let service = Service::new()?;
    let analyzer = service.analyzer();
    let mut faces = Vec::new();
    for photo in photos()?.iter().take(8) {
        let image = Image::decode(photo, &DecodeOptions::default())?;
        let found = analyzer.detect(&image, &phiz_service::Looking::default().detect)?;
        faces.extend(found.first().map(|detection| analyzer.align(&image, detection)));
    }
    let embedder = analyzer.embedder();
    let (mut single, mut together) = (0.0, 0.0);
    for round in 0..ROUNDS {
        let mut took = [0.0, 0.0];
        let mut turns = 0.0;
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            let since = Instant::now();
            for face in &faces {
                embedder.embed_one(face)?;
            }
            took[0] += since.elapsed().as_secs_f64();
            let since = Instant::now();
            embedder.embed(&faces)?;
            took[1] += since.elapsed().as_secs_f64();
            turns += faces.len() as f64;
        }
        let [one, all] = took.map(|took| took * 1000.0 / turns);
        println!(
            "round {}: alone {one:.2} ms a face, {} together {all:.2} ms: {:.3}",
            round + 1,
            faces.len(),
            all / one
        );
        (single, together) = (single + one, together + all);
    }
    println!("together over alone: {:.3}", together / single);
    Ok(())
}
