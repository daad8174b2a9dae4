//! How fast, how exact and how large galleries are. `benches/peers.py` runs this beside other programs.
//!
//! ```console
//! $ cargo run --release -p phiz-gallery --example measure -- fill FOLDER PEOPLE [DIM]   # makes and times a gallery
//! $ cargo run --release -p phiz-gallery --example measure -- search FOLDER              # times searches in it
//! $ cargo run --release -p phiz-gallery --example measure -- beside FOLDER              # searches beside other work
//! $ cargo run --release -p phiz-gallery --example measure -- serve FOLDER               # answers peers.py
//! $ cargo run --release -p phiz-gallery --example measure -- kernels                    # times each kernel
//! ```
//!
//! `fill` writes the templates beside the gallery as `templates.npy`, and probes as `probes.npy`: half are faces of
//! enrolled people, half strangers. Times are processor time of one thread unless said otherwise.

use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use phiz_eval::random::Random;
use phiz_gallery::{
    Decision, Details, EnrollRules, Gallery, Key, Model, ModelId, NewFace, PersonId, Rate, Search, Target,
    Template, Thresholds, scan,
};

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

const PROBES: usize = 1000;

fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match text[..] {
        ["fill", folder, people] => fill(Path::new(folder), people.parse()?, 512),
        ["fill", folder, people, dim] => fill(Path::new(folder), people.parse()?, dim.parse()?),
        ["search", folder] => search(Path::new(folder)),
        ["beside", folder] => beside(Path::new(folder)),
        ["serve", folder] => serve(Path::new(folder)),
        ["kernels"] => {
            kernels();
            Ok(())
        }
        _ => {
            Err("say fill FOLDER PEOPLE [DIM], search FOLDER, beside FOLDER, serve FOLDER or kernels".into())
        }
    }
}

/// A template near `center` (or anywhere, of zeros): what is added is normal, as in real templates.
fn near(random: &mut Random, center: &[f32], noise: f32) -> Vec<f32> {
    let each = noise / (center.len() as f32).sqrt();
    let mut v: Vec<f32> = center.iter().map(|c| c + each * random.normal() as f32).collect();
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    v.iter_mut().for_each(|x| *x /= length);
    v
}

fn model_id() -> ModelId {
    ModelId::new("synthetic").expect("is visible")
}

/// As a template of the galleries that this program makes.
fn bound(vector: &[f32]) -> Template {
    Template::new(model_id(), vector.to_vec()).expect("is of unit length")
}

fn write_npy(path: &Path, rows: usize, dim: usize) -> Anything<std::io::BufWriter<std::fs::File>> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    file.write_all(b"\x93NUMPY\x01\x00\x76\x00")?;
    writeln!(file, "{head:<117}")?;
    Ok(file)
}

fn read_npy(path: &Path) -> Anything<(Vec<f32>, usize)> {
    let mut file = std::fs::File::open(path)?;
    let mut head = [0; 128];
    file.read_exact(&mut head)?;
    let text = String::from_utf8_lossy(&head).into_owned();
    let dim = text.split(", ").find_map(|part| part.trim_end().strip_suffix(')')?.parse().ok());
    let dim: usize = dim.ok_or("not written by this program")?;
    file.seek(SeekFrom::Start(128))?;
    let mut values = Vec::with_capacity((file.metadata()?.len() as usize - 128) / 4);
    let mut block = vec![0; 1 << 20];
    loop {
        let got = file.read(&mut block)?;
        if got == 0 {
            return Ok((values, dim));
        }
        // Reads of a regular file end within a value only at its end.
        values.extend(block[..got].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn fill(folder: &Path, people: usize, dim: usize) -> Anything<()> {
    std::fs::create_dir_all(folder)?;
    let mut random = Random::new(1);
    let mut templates = write_npy(&folder.join("templates.npy"), people, dim)?;
    let mut probes = write_npy(&folder.join("probes.npy"), PROBES, dim)?;
    let quantiles = vec![[0.1, 0.06], [1e-3, 0.14], [1e-6, 0.21]];
    let thresholds = Thresholds::new(quantiles, "random directions").expect("are in order");
    let model = Model { id: model_id(), dim, thresholds };
    let gallery = Gallery::create(&folder.join("g.phiz"), &model, &Key::File(folder.join("g.key")))?;
    let rules = EnrollRules { report_similar: None, ..EnrollRules::default() };
    let (zero, mut spent, mut busy) = (vec![0.0; dim], Duration::ZERO, 0.0);
    let mut done = 0;
    while done < people {
        let now = 20_000.min(people - done);
        let mut batch = Vec::with_capacity(now);
        for i in 0..now {
            let template = near(&mut random, &zero, 1.0);
            for v in &template {
                templates.write_all(&v.to_le_bytes())?;
            }
            // The first half of the probes are faces of people spread over the gallery.
            let of = done + i;
            if of.is_multiple_of((people * 2 / PROBES).max(1))
                && of / (people * 2 / PROBES).max(1) < PROBES / 2
            {
                near(&mut random, &template, 0.8)
                    .iter()
                    .try_for_each(|v| probes.write_all(&v.to_le_bytes()))?;
            }
            let face = NewFace { photo: Some(hash(of)), ..NewFace::new(bound(&template), 0.8) };
            batch.push((Target::New(Details::named(format!("person {of}"))), vec![face]));
        }
        let start = Instant::now();
        let (enrolled, time) = timed(|| gallery.enroll_all(batch, &rules, |_| {}));
        enrolled?;
        spent += start.elapsed();
        busy += time / 1e3;
        done += now;
    }
    for _ in PROBES / 2..PROBES {
        near(&mut random, &zero, 1.0).iter().try_for_each(|v| probes.write_all(&v.to_le_bytes()))?;
    }
    println!(
        "{people} × {dim}: enrolled {:.0} templates a second, sealed and synced; {:.0} a second of processor time",
        people as f64 / spent.as_secs_f64(),
        people as f64 / busy
    );
    let start = Instant::now();
    let before = cpu_of_all();
    gallery.identify(&bound(&near(&mut random, &zero, 1.0)), &Search::default())?;
    let (wall, busy) = (start.elapsed().as_secs_f64(), cpu_of_all() - before);
    println!("index built and written in {wall:.2} s, {busy:.2} s of processor time");
    drop(gallery);
    for name in ["g.phiz", "g.phiz.index"] {
        println!("{name}: {:.0} MB", megabytes(std::fs::metadata(folder.join(name))?.len()));
    }
    Ok(())
}

fn hash(number: usize) -> [u8; 32] {
    std::array::from_fn(|i| (number >> (i % 8 * 8)) as u8 ^ i as u8)
}

/// Memory that this process holds and no other can take from it, in MB (Linux).
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(f64::NAN) / 1000.0
}

fn open(folder: &Path) -> Anything<Gallery> {
    Ok(Gallery::open(&folder.join("g.phiz"), &Key::File(folder.join("g.key")))?)
}

/// The person that a search takes for the most similar, whatever the threshold.
fn first(decision: &Decision) -> u64 {
    match decision {
        Decision::Match(c) | Decision::Unknown { best: Some(c) } => c.person.0,
        Decision::Ambiguous { candidates } => candidates.first().map_or(0, |c| c.person.0),
        Decision::Unknown { best: None } => 0,
    }
}

/// The definition of a search: all products in f32, one after the other.
fn plain(templates: &[f32], probe: &[f32]) -> usize {
    let mut best = (f32::NEG_INFINITY, 0);
    for (row, template) in templates.chunks_exact(probe.len()).enumerate() {
        let similarity = template.iter().zip(probe).map(|(a, b)| a * b).sum::<f32>();
        if similarity > best.0 {
            best = (similarity, row);
        }
    }
    best.1
}

/// The same with vector instructions.
fn plain_vectorised(templates: &[f32], probe: &[f32]) -> usize {
    best_of_all(templates, &[probe])[0]
}

/// [`plain_vectorised`] for many probes, each template read once.
fn best_of_all(templates: &[f32], probes: &[&[f32]]) -> Vec<usize> {
    let mut best = vec![(f32::NEG_INFINITY, 0); probes.len()];
    for (row, template) in templates.chunks_exact(probes[0].len()).enumerate() {
        for (best, probe) in best.iter_mut().zip(probes) {
            let similarity = dot(template, probe);
            if similarity > best.0 {
                *best = (similarity, row);
            }
        }
    }
    best.into_iter().map(|(_, row)| row).collect()
}

/// As a compiler can turn it into vector instructions: sixteen sums side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Milliseconds of processor time that this thread has had. (`/proc/thread-self/schedstat` lags by up to a tick, which
/// charges a search to the change that follows it.)
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Seconds of processor time that all threads of this process have had, in hundredths (Linux).
fn cpu_of_all() -> f64 {
    let told = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = told.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Processor time, so that a busy machine does not matter much.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = cpu();
    let done = work();
    (done, cpu() - start)
}

fn search(folder: &Path) -> Anything<()> {
    let (probes, dim) = read_npy(&folder.join("probes.npy"))?;
    let probes: Vec<&[f32]> = probes.chunks_exact(dim).collect();
    let (start, before) = (Instant::now(), cpu_of_all());
    let gallery = open(folder)?;
    gallery.identify(&bound(probes[0]), &Search::default())?;
    println!(
        "opened and first searched in {:.2} s, {:.2} s of processor time on all cores; resident {:.0} MB",
        start.elapsed().as_secs_f64(),
        cpu_of_all() - before,
        resident()
    );
    println!("kernels: {}", scan::kernels().iter().map(|k| k.name).collect::<Vec<_>>().join(", "));
    let one = |probe: &[f32]| gallery.identify(&bound(probe), &Search::default());

    // Changes, seen by the next search.
    let mut random = Random::new(9);
    let (mut added, mut removed, mut seen_add, mut seen_remove) = (vec![], vec![], vec![], vec![]);
    let (mut waited_add, mut waited_remove) = (vec![], vec![]);
    let rules = EnrollRules { report_similar: None, ..EnrollRules::default() };
    let steady = median((0..9).map(|i| timed(|| one(probes[i])).1).collect());
    for _ in 0..31 {
        let template = near(&mut random, &vec![0.0; dim], 1.0);
        let face = NewFace::new(bound(&template), 0.8);
        let start = Instant::now();
        let (done, time) = timed(|| gallery.enroll(&Target::New(Details::default()), &[face], &rules));
        added.push(time);
        waited_add.push(start.elapsed().as_secs_f64() * 1e3);
        let person = done?.person.ok_or("not enrolled")?;
        let (found, time) = timed(|| one(&template));
        seen_add.push(time - steady);
        assert_eq!(first(&found?.decision), person.0);
        let start = Instant::now();
        let (done, time) = timed(|| gallery.remove_person(person));
        done?;
        removed.push(time);
        waited_remove.push(start.elapsed().as_secs_f64() * 1e3);
        let (found, time) = timed(|| one(&template));
        seen_remove.push(time - steady);
        assert_ne!(first(&found?.decision), person.0);
    }
    println!(
        "add {:.2} ms ({:.2} until it lasts), then {:.2} ms more in the next search; remove {:.2} ({:.2}) and {:.2} ms",
        median(added),
        median(waited_add),
        median(seen_add),
        median(removed),
        median(waited_remove),
        median(seen_remove)
    );

    // Speed, interleaved with the plain scan.
    let (templates, _) = read_npy(&folder.join("templates.npy"))?;
    println!("with the f32 templates in memory: resident {:.0} MB", resident());
    let bound_probes: Vec<Template> = probes.iter().map(|probe| bound(probe)).collect();
    let (mut scalar, mut vector, mut batch) = (vec![], vec![], vec![]);
    let (mut single, mut stranger) = (vec![], vec![]);
    for round in 0..7 {
        let probe = probes[round * 70 + 3];
        let (truth, time) = timed(|| plain(&templates, probe));
        scalar.push(time);
        let (again, time) = timed(|| plain_vectorised(&templates, probe));
        vector.push(time);
        assert_eq!(truth, again);
        // Faces of the enrolled and of strangers.
        for (from, times) in [(0, &mut single), (PROBES / 2, &mut stranger)] {
            let eight = &probes[from + round * 60..][..8];
            let (found, time) = timed(|| eight.iter().try_for_each(|p| one(p).map(|_| ())));
            found?;
            times.push(time / 8.0);
        }
        let (found, time) =
            timed(|| gallery.identify_all(&bound_probes[round * 64..][..64], &Search::default()));
        assert_eq!(found?.len(), 64);
        batch.push(time / 64.0);
    }
    let (scalar, vector, batch) = (median(scalar), median(vector), median(batch));
    println!("plain f32 {scalar:.1} ms, vectorised {vector:.1} ms");
    for (whose, time) in [("somebody enrolled", median(single)), ("a stranger", median(stranger))] {
        println!(
            "one probe, {whose}: {time:.2} ms: 1/{:.1} of plain, 1/{:.1} of vectorised",
            scalar / time,
            vector / time
        );
    }
    println!("in batches of 64 {batch:.2} ms a probe: 1/{:.1}, 1/{:.1}", scalar / batch, vector / batch);

    // Recall of the most similar person.
    let found =
        gallery.identify_all(&bound_probes, &Search { rate: Rate::Fmr(1e-9), ..Search::default() })?;
    let truth = best_of_all(&templates, &probes);
    let right = found.iter().zip(truth).filter(|(found, row)| first(&found.decision) == *row as u64 + 1);
    println!("recall@1 {:.4} on {} probes", right.count() as f64 / probes.len() as f64, probes.len());
    Ok(())
}

/// What runs beside searches: done again and again until told to stop.
type Beside<'a> = Box<dyn Fn(&AtomicBool) -> Anything<()> + Sync + 'a>;

/// Times single searches while another thread exports, checks, or removes and renames people, each in turn with an idle
/// gallery. The last two people of the gallery are changed.
fn beside(folder: &Path) -> Anything<()> {
    let (probes, dim) = read_npy(&folder.join("probes.npy"))?;
    let probes: Vec<Template> = probes.chunks_exact(dim).map(bound).collect();
    let gallery = open(folder)?;
    gallery.identify(&probes[0], &Search::default())?;
    println!("{} people", gallery.len()?);
    let out = folder.join("beside");
    let people = gallery.len()? as u64;
    let export: Beside<'_> = Box::new(|stop| {
        while !stop.load(Ordering::Relaxed) {
            let _ = std::fs::remove_dir_all(&out);
            gallery.export(&out)?;
        }
        Ok(std::fs::remove_dir_all(&out)?)
    });
    let check: Beside<'_> = Box::new(|stop| {
        while !stop.load(Ordering::Relaxed) {
            if let Some(fault) = gallery.check()?.first() {
                return Err(fault.to_string().into());
            }
        }
        Ok(())
    });
    let changes: Beside<'_> = Box::new(|stop| {
        while !stop.load(Ordering::Relaxed) {
            gallery.rename(PersonId(people), "somebody else")?;
            let removed = gallery.remove_person(PersonId(people - 1))?;
            gallery.undo(Some(removed))?;
        }
        Ok(())
    });
    let mut failed = 0;
    let mut search = |many: usize| {
        let mut times = Vec::new();
        for probe in probes.iter().cycle().take(many) {
            let start = Instant::now();
            failed += usize::from(gallery.identify(probe, &Search::default()).is_err());
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times
    };
    for (name, work) in [("an export", export), ("a check", check), ("changes", changes)] {
        let (mut idle, mut busy) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            idle.extend(search(150));
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| -> Anything<()> {
                let other = scope.spawn(|| work(&stop).map_err(|e| e.to_string()));
                std::thread::sleep(Duration::from_millis(50));
                busy.extend(search(150));
                stop.store(true, Ordering::Relaxed);
                Ok(other.join().map_err(|_| "it panicked")??)
            })?;
        }
        let (idle, busy) = (median(idle), median(busy));
        println!("beside {name}: {busy:.2} ms a search, idle {idle:.2} ms: {:.2} times", busy / idle);
    }
    println!("{failed} searches failed");
    Ok(())
}

/// The products alone, of a million rows of 512 codes, by every kernel that this machine can run.
fn kernels() {
    let (rows, dim) = (1_000_000, 512);
    let blocks = vec![0x5a; rows * dim / 2];
    for kernel in scan::kernels() {
        for probes in [1, 64] {
            let codes: Vec<i8> = (0..probes * dim).map(|i| (i * 37 % 255) as i8).collect();
            let tile = 512;
            let mut out = vec![0; tile * probes];
            let pass = |out: &mut [i32]| {
                blocks.chunks_exact(tile * dim / 2).for_each(|tile| kernel.products(tile, &codes, dim, out));
            };
            let times = (0..5).map(|_| timed(|| pass(&mut out)).1 / probes as f64).collect();
            println!("{} × {probes}: {:.2} ms a probe", kernel.name, median(times));
        }
    }
}

/// For each line `FIRST COUNT`: searches with these probes together and says the milliseconds, then who was found.
fn serve(folder: &Path) -> Anything<()> {
    let gallery = open(folder)?;
    let (probes, dim) = read_npy(&folder.join("probes.npy"))?;
    let probes: Vec<Template> = probes.chunks_exact(dim).map(bound).collect();
    gallery.identify(&probes[0], &Search::default())?;
    println!("ready {:.0}", resident());
    for line in std::io::stdin().lock().lines() {
        let numbers: Vec<usize> = line?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [first_probe, count] = numbers[..] else { return Err("say FIRST COUNT".into()) };
        let (found, time) =
            timed(|| gallery.identify_all(&probes[first_probe..][..count], &Search::default()));
        let found = found?;
        let people: Vec<String> = found.iter().map(|f| (first(&f.decision) - 1).to_string()).collect();
        println!("{time:.4} {}", people.join(" "));
        std::io::stdout().flush()?;
    }
    Ok(())
}
