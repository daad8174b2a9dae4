//! `phiz watch`: who is in a video or before a camera, and when.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Args;
use phiz_gallery::{Filter, Gallery, Rate};
use phiz_service::{IdentifyOptions, Service};
use phiz_video::{
    Cooldown, Event, EventKind, Frames, Notice, ReadOptions, Source, StrangersOfGallery, VideoError, Visit,
    WRITTEN, WatchOptions, Watcher, Work, is_picture, marked, rewrite, timeline,
};
use serde::Serialize;

use super::deliver::{self, Delivery, Post, Sent};
use super::live::{self, Live};
use super::out::{self, note, say};
use super::output::{self, Target};
use super::verify::{check_rate, one_in};
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz watch`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz watch party.mp4                              tell who comes and goes
  phiz watch --json rtsp://ana:word@camera/stream   print one JSON object per event, one per line
  phiz watch party.mp4 --summary                    print a table of who was there, and for how long
  phiz watch --live /dev/video0                     show the picture and the names in this terminal")]
pub(crate) struct Arguments {
    /// Video files, animated GIFs, folders or numbered patterns of pictures, cameras such as /dev/video0, rtsp:// or http://
    /// addresses, or `-` for standard input. Several pictures are frames of one sequence
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<OsString>,
    /// Print one JSON object per event, one per line
    #[arg(long)]
    json: bool,
    /// Print who was there, when and for how long at the end, instead of each event
    #[arg(long)]
    summary: bool,
    /// With --summary: write the best picture of each visit to this folder
    #[arg(long, value_name = "FOLDER", requires = "summary")]
    pictures: Option<PathBuf>,
    /// Show the picture with its faces in the terminal, who is there now, and what happened last
    #[arg(long, conflicts_with_all = ["json", "annotate"])]
    live: bool,
    /// Also write who was there as a page with a timeline and the best picture of each visit
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write a copy of the video file with its faces marked and named, and its sound: .mp4, .mov, .mkv or .webm
    #[arg(long, value_name = "FILE")]
    annotate: Option<PathBuf>,
    /// Let --html, --annotate and --pictures overwrite files that exist (but never the video that is being read)
    #[arg(long)]
    force: bool,
    /// The share of people who are not enrolled that may be given a name (false positive identification rate)
    #[arg(long, value_name = "RATE", default_value_t = 0.01, help_heading = "Who is it?")]
    fpir: f64,
    /// Instead of --fpir: the share of comparisons of two different people that may match (false match rate)
    #[arg(long, value_name = "RATE", conflicts_with = "fpir", help_heading = "Who is it?")]
    fmr: Option<f64>,
    /// Compare only with the people on this watch list
    #[arg(long, value_name = "LIST", help_heading = "Who is it?")]
    list: Option<String>,
    /// Smallest face worth finding, in pixels of the video [default: a 45th of its longer side, at least 20]
    #[arg(long, value_name = "PIXELS", value_parser = positive, help_heading = "Finding faces")]
    min_face: Option<f64>,
    /// Lowest detection score that counts as a face, from 0 to 1 [default: the detector's own]
    #[arg(long, value_name = "SCORE", value_parser = share, help_heading = "Finding faces")]
    score: Option<f64>,
    /// Seconds between two looks at the whole picture; 0 looks at every frame
    #[arg(long, value_name = "SECONDS", default_value_t = 0.12, value_parser = not_negative, help_heading = "Finding faces")]
    interval: f64,
    /// Seconds without a face after which it has left
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5, value_parser = positive, help_heading = "Time")]
    leave_after: f64,
    /// Seconds for which somebody may be away and still be on the same visit
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = not_negative, help_heading = "Time")]
    visit_gap: f64,
    /// Stop after so many seconds of the video
    #[arg(long = "for", value_name = "SECONDS", value_parser = positive, help_heading = "Time")]
    seconds: Option<f64>,
    /// Read a file at its own speed, and leave out frames that come too fast, as with a camera
    #[arg(long, help_heading = "Reading the source")]
    paced: bool,
    /// Pictures a second in a sequence of pictures
    #[arg(long, value_name = "RATE", default_value_t = 25.0, value_parser = positive, help_heading = "Reading the source")]
    rate: f64,
    /// Seconds without a picture after which a source counts as stalled: a camera is opened again, a file is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = positive, help_heading = "Reading the source")]
    stall: f64,
    #[command(flatten)]
    deliver: deliver::Arguments,
    /// After an event, hold back those of the same kind and person for so many seconds; visits are always told
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = not_negative, help_heading = "Telling others")]
    cooldown: f64,
    /// Keep strangers in the gallery, so that they keep their numbers and `phiz strangers` lists them
    #[arg(long, help_heading = "Who is it?")]
    remember: bool,
    /// Forget strangers' faces that --remember has kept for so many days
    #[arg(long, value_name = "DAYS", requires = "remember", value_parser = not_negative, help_heading = "Who is it?")]
    keep_days: Option<f64>,
    /// Say at the end how many frames a second were watched, and how long each stage took
    #[arg(long, help_heading = "Reading the source")]
    stages: bool,
    /// Give up a camera that was away for so many seconds [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = positive, help_heading = "Reading the source")]
    give_up: Option<f64>,
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|v: &f64| *v > 0.0 && *v <= 1e6).ok_or("give a positive number".into())
}

fn not_negative(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|v: &f64| *v >= 0.0 && *v <= 1e6).ok_or("give 0 or a positive number".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|v| (0.0..=1.0).contains(v)).ok_or("give a number from 0 to 1".into())
}

impl From<VideoError> for Failure {
    fn from(error: VideoError) -> Failure {
        match error {
            VideoError::Service(error) => error.into(),
            error => Failure::new(&error).hint(error.hint()),
        }
    }
}

impl Arguments {
    fn watch(&self, file: bool) -> WatchOptions {
        WatchOptions {
            identify: IdentifyOptions {
                rate: self.fmr.map_or(Rate::Fpir(self.fpir), Rate::Fmr),
                among: self.list.as_ref().map_or_else(Filter::default, Filter::list),
                ..IdentifyOptions::default()
            },
            min_face: self.min_face.map(|v| v as f32),
            score: self.score.map(|v| v as f32),
            interval: self.interval,
            leave_after: self.leave_after,
            visit_gap: self.visit_gap,
            // A picture shows the moment at which an event is told.
            in_order: file && self.deliver.snapshots().is_none(),
            keep_paths: self.annotate.is_some(),
            keep_pictures: self.html.is_some() || self.pictures.is_some(),
            ..WatchOptions::default()
        }
    }

    fn read(&self) -> ReadOptions {
        ReadOptions {
            paced: self.paced,
            stall: self.stall,
            give_up: self.give_up,
            picture_rate: self.rate,
            ..ReadOptions::default()
        }
    }
}

/// The sources that are meant: several pictures are one.
pub(crate) fn sources(texts: &[OsString]) -> Result<Vec<Source>, Failure> {
    let pictures = texts.iter().all(|text| is_picture(Path::new(text)) && Path::new(text).is_file());
    if texts.len() > 1 && pictures {
        return Ok(vec![Source::Pictures(texts.iter().map(PathBuf::from).collect())]);
    }
    let sources: Vec<Source> = texts.iter().map(|text| Source::parse(text)).collect::<Result<_, _>>()?;
    if sources.iter().filter(|source| **source == Source::Stdin).count() > 1 {
        return Err(Failure::new("-: standard input can be read only once").hint("give one `-`"));
    }
    Ok(sources)
}

/// A flag that Ctrl-C and a polite request to end set. With `twice`, the second request ends the program at once.
pub(crate) fn stop_flag(twice: bool) -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Whoever asks twice means it: the first of the two handlers finds the flag set.
        let shutdown = match twice {
            true => {
                signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop)).map(|_| ())
            }
            false => Ok(()),
        };
        shutdown
            .and_then(|()| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::new(format!("signals cannot be handled ({error})")))?;
    }
    Ok(stop)
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fpir", arguments.fpir)?;
    arguments.fmr.map_or(Ok(()), |fmr| check_rate("--fmr", fmr))?;
    let sources = sources(&arguments.sources)?;
    if arguments.live {
        live::check()?;
        if sources.len() > 1 {
            return Err(Failure::new("--live: shows one source, and there are several")
                .hint("watch each source in a terminal of its own"));
        }
    }
    let outputs = Outputs::plan(arguments, &sources)?;
    let service = shared.service()?;
    let gallery = match arguments.remember {
        true => Some(shared.open_or_create_gallery(&service)?.0),
        false => shared.open_gallery_if_any(&service)?,
    };
    if gallery.is_none() && !shared.quiet {
        note!(
            "note: there is no gallery yet, so everybody is a stranger; learn people with: phiz enroll NAME PHOTO…"
        );
    }
    if let (Some(gallery), Some(list)) = (&gallery, &arguments.list) {
        super::identify::check_list(gallery, list)?;
    }
    let strangers = match &gallery {
        Some(gallery) if arguments.remember => {
            if let Some(days) = arguments.keep_days {
                StrangersOfGallery::forget_older(gallery, days)?;
            }
            let tell = |error: &phiz_gallery::GalleryError| note!("a stranger cannot be kept: {error}");
            Some(StrangersOfGallery::new(gallery, tell)?)
        }
        _ => None,
    };
    let delivery = Delivery::open(&arguments.deliver, shared, gallery.as_ref(), &sources)?;
    // The live view gives the terminal back before it ends.
    let stop = stop_flag(!arguments.live)?;
    let several = sources.len() > 1;
    let results: Vec<Result<Done, Failure>> = std::thread::scope(|scope| {
        let watch = |source: Source| {
            let camera = Camera {
                arguments,
                shared,
                service: &service,
                gallery: gallery.as_ref(),
                several,
                outputs: &outputs,
                strangers: strangers.as_ref(),
                delivery: delivery.as_ref(),
            };
            let stop = Arc::clone(&stop);
            scope.spawn(move || camera.watch(source, stop))
        };
        let threads: Vec<_> = sources.into_iter().map(watch).collect();
        let ended = |thread: std::thread::ScopedJoinHandle<'_, Result<Done, Failure>>| {
            thread.join().unwrap_or_else(|_| Err(Failure::new("watching a source ended unexpectedly")))
        };
        threads.into_iter().map(ended).collect()
    });
    let failed = results.iter().filter(|result| result.is_err()).count();
    if failed == results.len() {
        let first = results.into_iter().find_map(Result::err);
        return Err(first.unwrap_or_else(|| Failure::new("no source was named")));
    }
    let mut done = delivery.as_ref().map_or(Done::Well, Delivery::finish);
    for result in results {
        match result {
            Ok(Done::Well) => {}
            Ok(_) => done = Done::Partly,
            Err(failure) => {
                done = Done::Partly;
                note!("error: {}", failure.message);
                failure.hint.iter().for_each(|hint| note!("hint: {hint}"));
            }
        }
    }
    Ok(done)
}

/// One source, and how it is watched.
struct Camera<'a> {
    arguments: &'a Arguments,
    shared: &'a Shared,
    service: &'a Service,
    gallery: Option<&'a Gallery>,
    several: bool,
    outputs: &'a Outputs,
    strangers: Option<&'a StrangersOfGallery<'a>>,
    delivery: Option<&'a Delivery>,
}

/// Files that are written beside the answer.
struct Outputs {
    html: Option<Target>,
    annotate: Option<(Target, String)>,
}

impl Outputs {
    fn plan(arguments: &Arguments, sources: &[Source]) -> Result<Outputs, Failure> {
        let inputs: Vec<&Path> = sources.iter().filter_map(Source::path).collect();
        if sources.len() > 1 && (arguments.html.is_some() || arguments.annotate.is_some()) {
            let option = if arguments.html.is_some() { "--html" } else { "--annotate" };
            return Err(Failure::new(format!("{option}: can be written for one source only"))
                .hint("watch one source at a time, or leave it out"));
        }
        if let Some(folder) = &arguments.pictures {
            output::folder("--pictures", folder, arguments.force)?;
        }
        let html = arguments.html.as_deref();
        let html = html
            .map(|path| Target::new("--html", path, inputs.iter().copied(), arguments.force))
            .transpose()?;
        let annotate = match &arguments.annotate {
            None => None,
            Some(path) => {
                let format =
                    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
                if !WRITTEN.contains(&format.as_str()) {
                    return Err(Failure::new(format!("--annotate {}: is no video file", path.display()))
                        .hint("let it end in .mp4, .mov, .mkv or .webm"));
                }
                if inputs.len() != 1 || arguments.paced {
                    return Err(Failure::new("--annotate: needs a video file, which is read twice")
                        .hint("record the stream to a file first, for example with ffmpeg"));
                }
                Some((Target::new("--annotate", path, inputs.iter().copied(), arguments.force)?, format))
            }
        };
        Ok(Outputs { html, annotate })
    }
}

/// An event with the source that it comes from, where there are several.
#[derive(Serialize)]
struct At<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(flatten)]
    sent: Sent,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
}

impl Camera<'_> {
    fn watch(&self, source: Source, stop: Arc<AtomicBool>) -> Result<Done, Failure> {
        let name = source.name();
        let file = source.path().map(Path::to_path_buf);
        let kept = source.clone();
        let mut frames = Frames::open(source, self.arguments.read(), Arc::clone(&stop))?;
        let mut post = Post::new(self.delivery, &self.arguments.deliver, &kept, frames.is_live())?;
        self.recover(&post)?;
        let mut cooldown = Cooldown::new(self.arguments.cooldown);
        let mut tally = Tally::default();
        let mut live = self.arguments.live.then(|| Live::begin(&name, &stop)).transpose()?;
        let bar =
            if live.is_some() { indicatif::ProgressBar::hidden() } else { bar_of(self.shared, &frames) };
        let (named, shown) = (name.clone(), bar);
        let bar = shown.clone();
        frames.on_notice(move |known| shown.suspend(|| notice(&named, known)));
        let options = self.arguments.watch(!frames.is_live());
        let mut watcher = Watcher::new(self.service, self.gallery, options)?;
        if let Some(strangers) = self.strangers {
            let strangers = if frames.is_live() { strangers.before(&name) } else { strangers.in_file(&name) };
            watcher = watcher.with_strangers(Box::new(strangers));
        }
        // What is shown at the end is kept until then; a camera may go on for months.
        let keeps = self.arguments.summary || self.outputs.html.is_some();
        let mut done = Done::Well;
        let (begun, mut waited) = (Instant::now(), Duration::ZERO);
        let ended = loop {
            let asked = Instant::now();
            let next = frames.next_frame();
            waited += asked.elapsed();
            let frame = match next {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            if self.arguments.seconds.is_some_and(|most| frame.time > most) {
                break Ok(());
            }
            bar.set_position((frame.time * 10.0) as u64);
            post.frame(&frame);
            let events = watcher.frame(&frame)?;
            bar.suspend(|| {
                self.tell_all(&name, &events, &mut post, &mut cooldown, Some(&frame), live.as_ref())
            })?;
            if let Some(live) = &mut live {
                live.frame(&frame, watcher.present(), watcher.work().frames, frames.dropped());
            }
            if !keeps {
                watcher.take_visits().iter().for_each(|visit| tally.add(visit));
            }
            if out::nobody_reads() {
                return Ok(Done::Well);
            }
        };
        let took = begun.elapsed();
        drop(live);
        bar.finish_and_clear();
        if frames.notices().iter().any(|notice| matches!(notice, Notice::Damaged(_))) {
            done = Done::Partly;
        }
        self.tell_all(&name, &watcher.finish(), &mut post, &mut cooldown, None, None)?;
        watcher.visits().iter().for_each(|visit| tally.add(visit));
        if self.arguments.summary {
            self.summarise(&name, &watcher.visits())?;
        }
        if !self.arguments.json && !self.shared.quiet {
            summed_up(&name, &tally, watcher.work(), frames.dropped());
        }
        if self.arguments.stages {
            told_stages(&name, watcher.work(), took, waited);
        }
        if let Some(html) = &self.outputs.html {
            let page = timeline(&name, watcher.now(), &watcher.visits());
            html.write(page.as_bytes()).map_err(|error| Failure::writing(html.path(), &error))?;
        }
        if let (Some((target, format)), Some(file)) = (&self.outputs.annotate, file) {
            self.annotate(target, format, &file, &watcher, &stop)?;
        }
        ended?;
        Ok(done)
    }

    fn annotate(
        &self,
        target: &Target,
        format: &str,
        file: &Path,
        watcher: &Watcher<'_>,
        stop: &Arc<AtomicBool>,
    ) -> Result<(), Failure> {
        let unwritten = |error| Failure::writing(target.path(), &error);
        let workshop = target.workshop().map_err(unwritten)?;
        let growing = workshop.path().join("video");
        let paths = watcher.paths();
        let bar = self.shared.progress((watcher.now() * 10.0) as usize);
        let last = self.arguments.seconds.unwrap_or(f64::INFINITY);
        let mark = |frame: phiz_video::Frame| {
            Ok(if frame.time > last { frame.image } else { marked(frame, &paths) })
        };
        rewrite(file, &growing, format, stop, mark, |time| bar.set_position((time * 10.0) as u64))?;
        bar.finish_and_clear();
        target.take(&growing).map_err(unwritten)
    }

    /// Ends what an earlier run was in the middle of.
    fn recover(&self, post: &Post) -> Result<(), Failure> {
        let events = post.recover()?;
        if self.arguments.json && !self.arguments.summary {
            events.iter().for_each(out::json);
        } else if !events.is_empty() && !self.shared.quiet {
            let what = table::count(events.len(), "event", "events");
            note!("note: the last run was interrupted: {what} of its end told now");
        }
        Ok(())
    }

    fn tell_all(
        &self,
        name: &str,
        events: &[Event],
        post: &mut Post,
        cooldown: &mut Cooldown,
        frame: Option<&phiz_video::Frame>,
        live: Option<&Live>,
    ) -> Result<(), Failure> {
        for event in events {
            if cooldown.passes(event) {
                let sent = post.send(event, frame)?;
                self.tell(name, event, sent, live);
            } else {
                post.hold(event)?;
            }
        }
        Ok(())
    }

    fn tell(&self, name: &str, event: &Event, sent: Sent, live: Option<&Live>) {
        // What an earlier run has told of the same file is told once; the view shows what it showed then.
        if (self.arguments.summary || sent.known) && live.is_none() {
            return;
        }
        let source = self.several.then_some(name);
        if self.arguments.json {
            out::json(&At { event, sent, source });
            return;
        }
        let who = event.who.label();
        let what = match event.event {
            EventKind::Appeared => "a face appears".to_owned(),
            EventKind::Identified => match event.fpir {
                Some(fpir) => format!("is {who} (reached by {})", one_in(fpir, 0.0, "strangers")),
                None => format!("is {who}"),
            },
            EventKind::Changed => match &event.previous {
                Some(previous) => format!("is {who}, not {}", previous.label()),
                None => format!("is {who}"),
            },
            EventKind::Left => format!("{who} leaves"),
            EventKind::Visit => {
                let seen = event.seen.unwrap_or(0.0);
                format!("visit of {who} from {}, seen for {seen:.1} s", clock(event.from.unwrap_or(0.0)))
            }
            _ => return,
        };
        let before = source.map(|name| format!("{name}: ")).unwrap_or_default();
        let text = format!("{before}{:>9}  track {:<3} {what}", clock(event.time), event.track);
        match live {
            Some(live) => live.event(&text),
            // After the view only what it does not tell is printed.
            None if self.arguments.live => {}
            None => say!("{text}"),
        }
    }

    /// Writes the best picture of each visit, if that is wanted; their paths.
    fn pictures(&self, name: &str, visits: &[Visit]) -> Result<Vec<Option<String>>, Failure> {
        let Some(folder) = &self.arguments.pictures else { return Ok(vec![None; visits.len()]) };
        let write = |(number, visit): (usize, &Visit)| {
            let Some(picture) = &visit.picture else { return Ok(None) };
            let (source, who) = (phiz_deliver::slug(name), phiz_deliver::slug(&visit.who.label()));
            let stem = format!("{source}-{}-{who}", number + 1);
            // Sources may have names that differ in signs alone.
            let mut path = folder.join(format!("{stem}.jpg"));
            for other in 2..10_000 {
                if self.arguments.force || !path.exists() {
                    break;
                }
                path = folder.join(format!("{stem}-{other}.jpg"));
            }
            let target = Target::picture("--pictures", &path, [], self.arguments.force)?;
            target.write_picture(picture).map_err(|error| Failure::writing(&path, &error))?;
            Ok(Some(path.display().to_string()))
        };
        visits.iter().enumerate().map(write).collect()
    }

    fn summarise(&self, name: &str, visits: &[Visit]) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Row<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            source: Option<&'a str>,
            person: Option<&'a str>,
            stranger: Option<u64>,
            from: f64,
            until: f64,
            seen: f64,
            fpir: Option<f64>,
            tracks: &'a [u64],
            #[serde(skip_serializing_if = "Option::is_none")]
            picture: Option<&'a str>,
        }
        let pictures = self.pictures(name, visits)?;
        let milli = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        if self.arguments.json {
            for (visit, picture) in visits.iter().zip(&pictures) {
                out::json(&Row {
                    source: self.several.then_some(name),
                    person: visit.who.person.as_deref(),
                    stranger: visit.who.stranger,
                    from: milli(visit.from),
                    until: milli(visit.until),
                    seen: milli(visit.seen),
                    fpir: visit.fpir,
                    tracks: &visit.tracks,
                    picture: picture.as_deref(),
                });
            }
            return Ok(());
        }
        let pictured = self.arguments.pictures.is_some();
        let rows: Vec<Vec<String>> = visits
            .iter()
            .zip(pictures)
            .map(|(visit, picture)| {
                let rate = visit.fpir.map(|fpir| one_in(fpir, 0.0, "strangers")).unwrap_or_default();
                let mut row = vec![
                    visit.who.label(),
                    clock(visit.from),
                    clock(visit.until),
                    format!("{:.1} s", visit.seen),
                    rate,
                ];
                if pictured {
                    row.push(picture.unwrap_or_default());
                }
                row
            })
            .collect();
        if self.several {
            say!("{name}");
        }
        let mut head = vec!["who", "from", "until", "seen", "as clear by chance"];
        if pictured {
            head.push("best picture");
        }
        table::print(&head, &rows);
        Ok(())
    }
}

/// A progress bar for a file, of which the end is known; hidden for what has no end.
fn bar_of(shared: &Shared, frames: &Frames) -> indicatif::ProgressBar {
    match (frames.is_live(), frames.probe().duration) {
        (false, Some(seconds)) => shared.progress((seconds * 10.0) as usize),
        _ => indicatif::ProgressBar::hidden(),
    }
}

/// Says what became known about a source.
fn notice(name: &str, notice: &Notice) {
    match notice {
        Notice::Lost(why) => note!("{name}: the stream is gone ({why}); trying again"),
        Notice::Back(seconds) => note!("{name}: the stream is back after {seconds:.0} s"),
        Notice::Resumed(time) => {
            note!("{name}: ffmpeg failed in the middle of the file; going on from {}", clock(*time));
        }
        Notice::Damaged(said) if said.is_empty() => {
            note!("{name}: ffmpeg ended before the video did; what came before was looked at");
        }
        Notice::Damaged(said) => {
            note!("{name}: parts could not be decoded (ffmpeg says: {})", said.join("; "));
        }
        _ => {}
    }
}

/// Visits that were counted.
#[derive(Default)]
struct Tally {
    visits: usize,
    named: BTreeSet<String>,
    strangers: BTreeSet<u64>,
}

impl Tally {
    fn add(&mut self, visit: &Visit) {
        self.visits += 1;
        self.named.extend(visit.who.person.clone());
        self.strangers.extend(visit.who.stranger);
    }
}

/// What a source came to, for people.
fn summed_up(name: &str, tally: &Tally, work: Work, dropped: u64) {
    let left_out = match dropped {
        0 => String::new(),
        dropped => format!(" ({dropped} left out)"),
    };
    note!(
        "{name}: {}{left_out}, {}: {} known, {}",
        table::count(work.frames as usize, "frame", "frames"),
        table::count(tally.visits, "visit", "visits"),
        tally.named.len(),
        table::count(tally.strangers.len(), "stranger", "strangers")
    );
}

/// How long each stage took. Decoding is another process's work: what counts here is how long it was waited for.
fn told_stages(name: &str, work: Work, took: Duration, waited: Duration) {
    let (took, waited) = (took.as_secs_f64().max(1e-9), waited.as_secs_f64());
    let known = waited + work.detect_seconds + work.describe_seconds + work.search_seconds;
    let stages = [
        ("waiting for frames", waited),
        ("finding faces", work.detect_seconds),
        ("describing them", work.describe_seconds),
        ("searching the gallery", work.search_seconds),
        ("the rest", (took - known).max(0.0)),
    ];
    let shares: Vec<String> =
        stages.iter().map(|(what, seconds)| format!("{what} {:.1} %", 100.0 * seconds / took)).collect();
    note!(
        "{name}: {:.1} frames a second ({} in {took:.2} s): {}; {} looks, {} around faces, {} faces described, {} searches",
        work.frames as f64 / took,
        work.frames,
        shares.join(", "),
        work.looks,
        work.regions,
        work.described,
        work.searches
    );
}

/// Seconds as `1:02:03.4` or `2:03.4`.
pub(crate) fn clock(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let rest = format!("{:02}.{}", rest / 10, rest % 10);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest}") } else { format!("{minutes}:{rest}") }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn times_are_read_easily() {
        for (seconds, text) in [(0.0, "0:00.0"), (61.26, "1:01.3"), (3599.96, "1:00:00.0"), (-1.0, "0:00.0")]
        {
            assert_eq!(clock(seconds), text);
        }
    }
}
