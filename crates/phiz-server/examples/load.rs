//! Load on a running server: how many photos a second, how long each takes, what is refused.
//!
//! ```console
//! $ PHIZ_KEY=$(phiz key new --scope read) cargo run --release -p phiz-server --example load -- http://127.0.0.1:7449 16 30
//! ```
//!
//! Arguments: the server, clients at a time, seconds. Each client sends one photo of 640 pixels with one face again and again,
//! over one connection.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use phiz_synth::{FaceModel, Scene, SceneOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, server, clients, seconds] = arguments.as_slice() else {
        return Err("give the server, the number of clients and the seconds".into());
    };
    let (clients, seconds): (usize, u64) = (clients.parse()?, seconds.parse()?);
    let key = std::env::var("PHIZ_KEY")?;
    let options = SceneOptions { people: vec![1], face_height: (120.0, 160.0), ..SceneOptions::default() };
    let scene = Scene::compose(FaceModel::bundled(), &options, 7)?;
    let photo = scene.image.encode_jpeg(90)?;
    println!("photo: {}×{}, {} kB", scene.image.width(), scene.image.height(), photo.len() / 1000);
    let url = format!("{server}/v1/detect");
    let until = Instant::now() + Duration::from_secs(seconds);
    let all: Mutex<BTreeMap<u16, Vec<f64>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
                let mut own: BTreeMap<u16, Vec<f64>> = BTreeMap::new();
                while Instant::now() < until {
                    let since = Instant::now();
                    let answer = agent
                        .post(&url)
                        .header("authorization", format!("Bearer {key}"))
                        .header("content-type", "image/jpeg")
                        .send(&photo[..]);
                    let status = match answer {
                        Ok(mut answer) => {
                            _ = answer.body_mut().read_to_vec();
                            answer.status().as_u16()
                        }
                        Err(_) => 0,
                    };
                    own.entry(status).or_default().push(since.elapsed().as_secs_f64() * 1000.0);
                }
                let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                own.into_iter()
                    .for_each(|(status, mut times)| all.entry(status).or_default().append(&mut times));
            });
        }
    });
    for (status, mut times) in all.into_inner()? {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "{status}: {} answers, {:.1} a second, median {:.1} ms, p99 {:.1} ms",
            times.len(),
            times.len() as f64 / seconds as f64,
            at(0.5),
            at(0.99)
        );
    }
    Ok(())
}
