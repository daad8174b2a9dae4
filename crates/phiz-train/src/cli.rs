//! `phiz train`: the command's words and what each does.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use phiz_net::form::Form;
use phiz_net::graph::Architecture;
use phiz_net::onnx::Weights;

use crate::backend::Backend;
use crate::card;
use crate::dashboard::Dashboard;
use crate::detect::DetectTask;
use crate::embed::{self, EmbedTask};
use crate::error::TrainError;
use crate::even;
use crate::export;
use crate::flex::Flex;
use crate::held_out;
use crate::model::Model;
use crate::random::Random;
use crate::recipe::Recipe;
use crate::report;
use crate::run::{self, Ending, RunOptions, Task};
use crate::run_folder::Run;
use crate::scenes::Scenes;
use crate::second::SecondTask;
use crate::select::{self, BackendChoice, DeviceChoice, Job, Precision, Wish};
use crate::shards::{CROP, Faces};
use crate::teacher::Teacher;
use crate::transfer;
use crate::tune;
use crate::watch::{Figures, Lines, Watch, listed};
use crate::weights::write_atomically;

/// Train face detectors and embedders from recipes.
#[derive(Debug, Args)]
pub struct Train {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train an embedder on shards that `phiz data prepare` made
    Embedder(RunArgs),
    /// Train a detector, or its refinement stage, on scenes that `phiz data scenes` made
    Detector(RunArgs),
    /// Teach an embedder your own people from 2 to 30 photos each, and judge it before and after
    Tune {
        /// A folder of prepared shards: `train` contains the people to learn, `tune` others to judge by
        #[arg(long)]
        data: PathBuf,
        /// The folder for the result
        #[arg(long)]
        run: PathBuf,
        /// The embedder to begin from: `bundled`, or a .onnx or .safetensors file of a network that `phiz model info` lists
        #[arg(long, default_value = "bundled")]
        from: String,
        /// Keep the result even if it is worse than before
        #[arg(long)]
        force: bool,
        /// The back end that computes
        #[arg(long, value_enum, default_value_t)]
        backend: BackendChoice,
    },
    /// Compare runs in a table of their last figures, and their curves on one page
    Compare {
        /// The folders of the runs
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// Write the curves to this HTML file
        #[arg(long)]
        html: Option<PathBuf>,
    },
    /// Take out of an embedder's templates what makes whole groups of people alike, such as small children
    ///
    /// Two children resemble each other for an embedder because both are children. What the members of a group have in common
    /// tells no two of them apart: this command measures the mean template of each group and takes the strongest directions of
    /// these means out of the embedder's last layer. Prepare the photos with `phiz data prepare`, with the name of a group (such as
    /// `3-6 asian`) in place of each person's name; a group needs at least 8 faces. The command prints how many pairs within
    /// each group match before and after, at the similarity that 1 in 1,000 pairs of different people of `--data` reaches.
    Even {
        /// The weights of a run (its model.safetensors)
        weights: PathBuf,
        /// The name of their network (`phiz model info` lists all)
        #[arg(long)]
        network: String,
        /// A folder of prepared shards in which `person` names the group of a face, such as groups/train
        #[arg(long)]
        groups: PathBuf,
        /// A folder of prepared data, on whose `tune` part the similarity is measured that counts as a match
        #[arg(long)]
        data: PathBuf,
        /// How many directions to take out
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
        directions: u16,
        /// The file to write, .safetensors
        #[arg(long)]
        out: PathBuf,
    },
    /// Take the mean of the weights of several runs of one network, one of which went on from another
    ///
    /// The mean of weights that lie near each other is often as good as the best of them on the photos that each of them is good
    /// at (Wortsman et al. 2022, "Model soups"). Normalisations are folded into the weights first.
    Mean {
        /// The weights of the runs (their model.safetensors, or .onnx)
        #[arg(required = true, num_args = 2..)]
        weights: Vec<PathBuf>,
        /// The name of their network (`phiz model info` lists all)
        #[arg(long)]
        network: String,
        /// How much each counts, in the order of the files, such as 2,3; equally much unless it is given
        #[arg(long, value_delimiter = ',', value_parser = share)]
        shares: Vec<f64>,
        /// The file to write, .safetensors
        #[arg(long)]
        out: PathBuf,
    },
    /// Write trained weights as ONNX or in fewer bits, and compare the result with the trained weights
    Export {
        /// The weights of a run (its model.safetensors)
        weights: PathBuf,
        /// The name of their network (`phiz model info` lists all)
        #[arg(long)]
        network: String,
        /// The file to write: .onnx or .safetensors
        #[arg(long)]
        out: PathBuf,
        /// The numbers in which the weights are written
        #[arg(long, value_name = "FORM", default_value = Form::NAMES[0], value_parser = forms())]
        form: Form,
        /// Prepared data, on whose `tune` part the held-out figures are computed and compared
        #[arg(long)]
        data: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The recipe, a TOML file (docs/guide/training.md)
    recipe: PathBuf,
    /// A folder of prepared data that contains `train` and `tune`
    #[arg(long)]
    data: PathBuf,
    /// The folder of the run, which is continued if the folder contains a checkpoint
    #[arg(long)]
    run: PathBuf,
    /// Weights to begin from, .safetensors or .onnx
    #[arg(long)]
    from: Option<PathBuf>,
    /// The model card of an embedder that describes blends of faces during the run (`embed.blend` in the recipe)
    #[arg(long, value_name = "CARD")]
    teacher: Option<PathBuf>,
    /// The back end that computes
    #[arg(long, value_enum, default_value_t)]
    backend: BackendChoice,
    /// The device that computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    /// The precision of convolutions
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// Steps between held-out figures
    #[arg(long, default_value_t = 1000)]
    evaluate_every: u64,
    /// Steps between checkpoints
    #[arg(long, default_value_t = 500)]
    save_every: u64,
    /// Go on with a run although its recipe or data have changed since it stopped; the record says so
    #[arg(long)]
    amend: bool,
    /// Print plain lines even on a terminal
    #[arg(long)]
    plain: bool,
}

/// Does what the command says, on so many threads (0 for all cores).
///
/// # Errors
/// Whatever goes wrong, with what to do about it.
pub fn main(train: Train, threads: usize) -> Result<(), TrainError> {
    match train.command {
        Command::Embedder(args) => start(&args, Kind::Embedder, threads),
        Command::Detector(args) => start(&args, Kind::Detector, threads),
        Command::Tune { data, run, from, force, backend } => {
            for name in TUNED {
                unwritten(&run.join(name), "another folder with --run")?;
            }
            let wish = Wish { backend, precision: Precision::F32, threads, ..Wish::default() };
            let (chosen, why) = select::choose(wish)?;
            let (net, start) = embedder(&from)?;
            chosen.with(Tune { net, start, data, run, force, why })
        }
        Command::Export { weights, network, out, form, data } => {
            new_weights(&out, &["onnx", "safetensors"])?;
            export(&weights, &known(&network)?, &out, form, data.as_deref(), threads)
        }
        Command::Mean { weights, network, shares, out } => {
            new_weights(&out, &["safetensors"])?;
            mean(&weights, &known(&network)?, &shares, &out)
        }
        Command::Even { weights, network, groups, data, directions, out } => {
            new_weights(&out, &["safetensors"])?;
            let directions = usize::from(directions);
            let wish = Wish { precision: Precision::F32, threads, ..Wish::default() };
            let (chosen, why) = select::choose(wish)?;
            let net = known(&network)?;
            if Kind::of(&net) != Kind::Embedder {
                return Err(TrainError::Recipe(format!(
                    "{network} is no embedder, and only templates have groups"
                )));
            }
            chosen.with(Even { net, weights, groups, data, directions, out, why })
        }
        Command::Compare { runs, html } => compare(&runs, html.as_deref()),
    }
}

/// Refuses a file that is there, before any work is done for it.
fn unwritten(path: &Path, other: &str) -> Result<(), TrainError> {
    if path.exists() {
        let reason = format!("is there already, and is not overwritten: name {other}");
        return Err(TrainError::file(path, &reason));
    }
    Ok(())
}

/// Refuses a name for weights that are to be written, before any work is done for them: one that is taken, or one with another
/// ending.
fn new_weights(out: &Path, endings: &[&str]) -> Result<(), TrainError> {
    unwritten(out, "another file with --out")?;
    if !endings.iter().any(|ending| out.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))) {
        return Err(TrainError::file(out, &format!("must be named .{}", endings.join(" or ."))));
    }
    Ok(())
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.trim().parse().map_err(|_| "is not a number")?;
    if share.is_finite() && share > 0.0 { Ok(share) } else { Err("must be above 0".into()) }
}

fn forms() -> impl TypedValueParser<Value = Form> {
    PossibleValuesParser::new(Form::NAMES).try_map(|name| name.parse::<Form>())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Embedder,
    Detector,
    SecondLook,
}

impl Kind {
    fn of(net: &Architecture) -> Kind {
        match net.outputs.len() {
            1 => Kind::Embedder,
            3 => Kind::SecondLook,
            _ => Kind::Detector,
        }
    }
}

fn known(name: &str) -> Result<Architecture, TrainError> {
    phiz_net::zoo::by_name(name).ok_or_else(|| {
        let known = phiz_net::zoo::NAMES.join(", ");
        TrainError::Recipe(format!("no network is called {name:?}; known are {known}"))
    })
}

struct Start<'a> {
    kind: Kind,
    args: &'a RunArgs,
    net: Architecture,
    recipe: Recipe,
    options: RunOptions,
    why: String,
}

fn start(args: &RunArgs, kind: Kind, threads: usize) -> Result<(), TrainError> {
    let recipe = Recipe::open(&args.recipe)?;
    let net = known(&recipe.network)?;
    if (Kind::of(&net) == Kind::Embedder) != (kind == Kind::Embedder) {
        let right = if kind == Kind::Embedder { "detector" } else { "embedder" };
        return Err(TrainError::Recipe(format!("{} is a network for `phiz train {right}`", net.name)));
    }
    let wish = Wish { backend: args.backend, device: args.device, precision: args.precision, threads };
    let (chosen, why) = select::choose(wish)?;
    #[cfg(all(feature = "libtorch", target_os = "linux", target_env = "gnu"))]
    let why = match select::begin_anew(&chosen) {
        Ok(()) => why,
        Err(error) => format!("{why}; slower than it could be, as memory cannot be kept ({error})"),
    };
    let mut options = RunOptions::new(args.run.clone());
    options.amend = args.amend;
    options.save_every = args.save_every.max(1);
    options.evaluate_every = args.evaluate_every.max(1);
    options.from = args.from.as_deref().map(|path| transfer::Start::open(path, &net)).transpose()?;
    listen(&options)?;
    chosen.with(Start { kind, args, net, recipe, options, why })
}

impl Job for Start<'_> {
    type Output = Result<(), TrainError>;

    fn run<B: Backend>(self, b: &B) -> Self::Output {
        let (train, tune) = (self.args.data.join("train"), self.args.data.join("tune"));
        let dashboard = if self.args.plain { None } else { Dashboard::open() };
        let mut watch: Box<dyn Watch> = dashboard.map_or_else(|| Box::new(Lines) as _, |d| Box::new(d) as _);
        watch.note(&self.why);
        let ending = if self.kind == Kind::Embedder {
            let (train, tune) = (Faces::open(&train, "train")?, Faces::open(&tune, "tune")?);
            watch.note(&format!(
                "{} faces of {} people; {} held out",
                train.len(),
                train.names().len(),
                tune.len()
            ));
            let teacher = self.args.teacher.as_deref().map(|card| Teacher::open(b, card)).transpose()?;
            let warnings = [ends_small(&self.recipe), shows_nothing(&tune)];
            warnings.into_iter().flatten().for_each(|warning| watch.note(&warning));
            let mut options = self.options;
            options.data = Some(format!("{}; held out {}", train.fingerprint(), tune.fingerprint()));
            options.teacher = teacher.as_ref().map(|teacher| teacher.fingerprint().to_owned());
            let task = EmbedTask::new(&train, &tune, &self.recipe, &self.net, teacher)?;
            run::run(b, &self.net, &self.recipe, &task, &options, watch.as_mut())
        } else {
            let (train, tune) = (Scenes::open(&train, "train")?, Scenes::open(&tune, "tune")?);
            watch.note(&format!("{} scenes; {} held out", train.len(), tune.len()));
            let (net, recipe) = (&self.net, &self.recipe);
            let data = Some(format!("{}; held out {}", train.fingerprint(), tune.fingerprint()));
            let options = &RunOptions { data, ..self.options };
            if Kind::of(net) == Kind::SecondLook {
                let task = SecondTask::new(&train, &tune, recipe);
                run::run(b, net, recipe, &task, options, watch.as_mut())
            } else {
                run::run(b, net, recipe, &DetectTask::new(&train, &tune, recipe), options, watch.as_mut())
            }
        }?;
        drop(watch);
        let folder = self.args.run.display();
        match ending {
            Ending::Complete => println!("done: {folder}/model.onnx, {folder}/report.html"),
            Ending::Early { step } => {
                println!("ended at step {step}, no better for a while: {folder}/model.onnx holds the best");
            }
            Ending::Interrupted { step } => return Err(TrainError::Interrupted(step)),
        }
        Ok(())
    }
}

/// What to know of a recipe that ends at another size than that at which Phiz uses the network.
fn ends_small(recipe: &Recipe) -> Option<String> {
    let size = recipe.stages.last().map(|stage| stage.size).filter(|size| *size != CROP)?;
    Some(format!(
        "warning: the recipe ends at {size} px, but Phiz embeds faces of {CROP} px, and what was learnt at another size \
         is worth much less there. Held-out figures are measured at {CROP} px; let the last stage have size = {CROP}"
    ))
}

/// What to know of held-out people by whom nothing can be judged.
fn shows_nothing(held_out: &Faces) -> Option<String> {
    let mut photos = vec![0; held_out.names().len()];
    (0..held_out.len()).filter_map(|face| held_out.person(face)).for_each(|person| photos[person] += 1);
    let enough = photos.len() >= 2 && photos.iter().any(|count| *count >= 2);
    (!enough).then(|| {
        "warning: nothing can be judged by the held-out people: it takes two, one of them with two photos. `phiz data split` \
         with a larger --tune keeps more apart"
            .into()
    })
}

/// Lets a signal to end the program end the run with a checkpoint instead.
fn listen(options: &RunOptions) -> Result<(), TrainError> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let flag = options.stop.clone();
        signal_hook::flag::register(signal, flag).map_err(|e| TrainError::Device(format!("signals: {e}")))?;
    }
    Ok(())
}

/// The network of which a file (or the bundled embedder) holds the weights, and these.
fn embedder(from: &str) -> Result<(Architecture, transfer::Start), TrainError> {
    let bundled = from == "bundled";
    let path = Path::new(if bundled { "the bundled embedder" } else { from });
    let known = phiz_net::zoo::NAMES.iter().filter_map(|name| phiz_net::zoo::by_name(name));
    for net in known.filter(|net| Kind::of(net) == Kind::Embedder) {
        let start = if bundled {
            transfer::Start::from_onnx(phiz_net::bundled::EMBEDDER.1, &net, path)
        } else {
            transfer::Start::open(path, &net)
        };
        match start {
            Ok(start) if start.complete(&net)? => return Ok((net, start)),
            Err(error) if !bundled && !path.exists() => return Err(error),
            _ => {}
        }
    }
    let known = phiz_net::zoo::NAMES.join(", ");
    Err(TrainError::file(path, &format!("is none of our networks, which are {known}")))
}

/// What [`Tune`] writes: weights for training on, the result, and its card.
const TUNED: [&str; 3] = ["model.safetensors", "tuned.onnx", "tuned.toml"];

struct Tune {
    net: Architecture,
    start: transfer::Start,
    data: PathBuf,
    run: PathBuf,
    force: bool,
    why: String,
}

impl Job for Tune {
    type Output = Result<(), TrainError>;

    fn run<B: Backend>(self, b: &B) -> Self::Output {
        println!("{}", self.why);
        let faces = Faces::open(&self.data.join("train"), "train")?;
        let others = Faces::open(&self.data.join("tune"), "tune")?;
        let trained = trained(self.start, &self.net)?;
        let outcome = tune::tune(b, &self.net, trained, &faces, &others, &mut Lines)?;
        if let Some(fault) = outcome.after.fault(&outcome.before) {
            if !self.force {
                return Err(TrainError::Worse(fault));
            }
            println!("warning: {fault}; kept, as --force says");
        }
        std::fs::create_dir_all(&self.run).map_err(|e| TrainError::file(&self.run, &e))?;
        let [weights, out, card] = TUNED.map(|name| self.run.join(name));
        export::write(&weights, &self.net, &outcome.weights, Form::F32)?;
        export::write(&out, &self.net, &outcome.weights, Form::F32)?;
        let (net, model) = (&self.net, Model::from_weights(b, &self.net, &outcome.weights));
        let (name, dim) = (format!("{}.tuned", net.name), net.channels()?[net.outputs[0].node]);
        let text = b.without_gradients(|| embed::card(b, &model, &name, TUNED[1], &others, dim));
        card::write(&card, &text)?;
        println!("done: {}, {}", out.display(), card.display());
        Ok(())
    }
}

struct Even {
    net: Architecture,
    weights: PathBuf,
    groups: PathBuf,
    data: PathBuf,
    directions: usize,
    out: PathBuf,
    why: String,
}

impl Job for Even {
    type Output = Result<(), TrainError>;

    fn run<B: Backend>(self, b: &B) -> Self::Output {
        println!("{}", self.why);
        let weights = trained(transfer::Start::open(&self.weights, &self.net)?, &self.net)?;
        let groups = Faces::open(&self.groups, "train")?;
        let others = Faces::open(&self.data.join("tune"), "tune")?;
        let dim = self.net.channels()?[self.net.outputs[0].node];
        let group_of: Vec<Option<usize>> = (0..groups.len()).map(|face| groups.person(face)).collect();
        let look = |weights: &Weights, faces: &Faces| {
            let model = Model::from_weights(b, &self.net, weights);
            b.without_gradients(|| embed::templates(b, &model, faces))
        };
        let before = look(&weights, &groups);
        let means = even::means(&before, dim, &group_of, groups.names().len());
        let found = even::directions(&means, self.directions)?;
        let values: Vec<String> = found.iter().map(|(value, _)| format!("{value:.2}")).collect();
        println!(
            "{} means of {} groups; strength of the directions: {}",
            means.len(),
            groups.names().len(),
            values.join(", ")
        );
        let out: Vec<Vec<f64>> = found.into_iter().map(|(_, direction)| direction).collect();
        let changed = even::without(&self.net, &weights, &out)?;
        let after = look(&changed, &groups);
        let mut thresholds = Vec::new();
        for (name, weights) in [("before", &weights), ("after", &changed)] {
            let curve = held_out::curve(&others, &look(weights, &others), dim).ok_or_else(|| {
                TrainError::Recipe("--data: the tune part shows no two people of two photos each".into())
            })?;
            // The rarest rate that these pairs can show.
            let pairs = curve.impostors() as f64;
            let rate = [1e-3, 1e-2, 1e-1].into_iter().find(|rate| rate * pairs >= 3.0);
            let quantile = rate.and_then(|rate| curve.impostor_quantiles(&[rate]).ok()?.first().copied());
            thresholds.push(quantile.ok_or_else(|| {
                TrainError::Recipe(
                    "--data: the tune part needs thirty pairs of different people or more".into(),
                )
            })?);
            println!("held out, {name}: {}", listed(&held_out::figures(&curve)));
        }
        let every = 1.0 / thresholds[0].0;
        println!(
            "pairs within a group that match, where 1 in {every:.0} pairs of different held-out people does:"
        );
        for (group, name) in groups.names().iter().enumerate() {
            let members: Vec<usize> =
                (0..groups.len()).filter(|face| group_of[*face] == Some(group)).collect();
            let share = |templates: &[f32], similarity: f64| {
                let share = even::matches(templates, dim, &members, similarity);
                share.map_or_else(|| "-".into(), |share| format!("{:.2} %", 100.0 * share))
            };
            let (before, after) = (share(&before, thresholds[0].1), share(&after, thresholds[1].1));
            println!("{:<24} {:>6} faces {:>9} {:>9}", name, members.len(), before, after);
        }
        export::write(&self.out, &self.net, &changed, Form::F32)?;
        println!("{}", self.out.display());
        Ok(())
    }
}

/// Weights in their trained form, with normalisations that do nothing where they were folded away.
fn trained(start: transfer::Start, net: &Architecture) -> Result<Weights, TrainError> {
    match start {
        transfer::Start::Trained(weights) => Ok(weights),
        transfer::Start::Folded(folded) => transfer::unfolded(net, &folded),
    }
}

/// Writes the mean of the weights of some files.
fn mean(paths: &[PathBuf], net: &Architecture, shares: &[f64], out: &Path) -> Result<(), TrainError> {
    let shares = if shares.is_empty() { vec![1.0; paths.len()] } else { shares.to_vec() };
    if shares.len() != paths.len() {
        return Err(TrainError::Recipe(format!(
            "--shares: {} numbers for {} files: give one for each",
            shares.len(),
            paths.len()
        )));
    }
    let whole: f64 = shares.iter().sum();
    if !whole.is_finite() {
        return Err(TrainError::Recipe("--shares: the numbers are too large to be added".into()));
    }
    let mut parts = Vec::with_capacity(paths.len());
    for (path, share) in paths.iter().zip(shares) {
        let weights = trained(transfer::Start::open(path, net)?, net)?;
        parts.push((share / whole, export::held(net, &weights, Form::F32)?));
        println!("{:.1} % of {}", 100.0 * share / whole, path.display());
    }
    export::write(out, net, &transfer::unfolded(net, &transfer::mean(&parts)?)?, Form::F32)?;
    println!("{}", out.display());
    Ok(())
}

/// Writes the form and says what it costs: the largest difference of outputs, and held-out figures before and after.
fn export(
    path: &Path,
    net: &Architecture,
    out: &Path,
    form: Form,
    data: Option<&Path>,
    threads: usize,
) -> Result<(), TrainError> {
    let b = Flex::new(select::threads(threads))?;
    let size = match Kind::of(net) {
        Kind::Embedder => CROP,
        Kind::Detector => 320,
        Kind::SecondLook => phiz_net::zoo::SECOND_SIDE,
    };
    let weights = trained(transfer::Start::open(path, net)?, net)?;
    let other = transfer::unfolded(net, &export::held(net, &weights, form)?)?;
    let mut random = Random::new(1);
    let noise: Vec<u8> = (0..4 * size * size * 3).map(|_| random.bits() as u8).collect();
    let noise = b.pictures(&noise, 4, size, size, crate::card::MEAN, crate::card::STD);
    let d = export::difference(&b, net, &weights, form, &noise)?;
    if form == Form::F32 && d.largest > 1e-3 {
        return Err(TrainError::Form(format!("outputs differ by {:.1e}: not written", d.largest)));
    }
    println!("outputs differ by at most {:.1e} of the largest, cosine at least {:.6}", d.largest, d.cosine);
    if let Some(data) = data {
        let judge = |weights: &Weights| -> Result<Figures, TrainError> {
            let model = Model::from_weights(&b, net, weights);
            let tune = data.join("tune");
            let recipe = Recipe::plain(&net.name);
            b.without_gradients(|| {
                if Kind::of(net) == Kind::Embedder {
                    let faces = Faces::open(&tune, "tune")?;
                    return Ok(EmbedTask::new(&faces, &faces, &recipe, net, None)?.evaluate(&b, &model, size));
                }
                let scenes = Scenes::open(&tune, "tune")?;
                Ok(match Kind::of(net) {
                    Kind::SecondLook => SecondTask::new(&scenes, &scenes, &recipe).evaluate(&b, &model, size),
                    _ => DetectTask::new(&scenes, &scenes, &recipe).evaluate(&b, &model, size),
                })
            })
        };
        println!("held out, trained: {}", listed(&judge(&weights)?));
        println!("held out, written: {}", listed(&judge(&other)?));
    }
    export::write(out, net, &weights, form)?;
    println!("{}", out.display());
    if let Some(card) = exported_card(&b, path, net, out, &other, data)? {
        println!("{}", card.display());
    }
    Ok(())
}

/// Writes the card of an exported ONNX file beside it, unless a card is there: with thresholds measured on the data, where some is
/// given, else with those of the card beside the trained weights.
fn exported_card<B: Backend>(
    b: &B,
    from: &Path,
    net: &Architecture,
    out: &Path,
    weights: &Weights,
    data: Option<&Path>,
) -> Result<Option<PathBuf>, TrainError> {
    let path = out.with_extension("toml");
    let onnx = out.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    if !onnx || path.exists() || Kind::of(net) == Kind::SecondLook {
        return Ok(None);
    }
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (name, file) = (part(out.file_stem()), part(out.file_name()));
    let card = match data {
        Some(data) if Kind::of(net) == Kind::Embedder => {
            let faces = Faces::open(&data.join("tune"), "tune")?;
            let (model, dim) = (Model::from_weights(b, net, weights), net.channels()?[net.outputs[0].node]);
            b.without_gradients(|| embed::card(b, &model, &name, &file, &faces, dim))
        }
        _ => {
            let beside = from.with_extension("toml");
            let known = std::fs::read_to_string(beside).ok();
            let known = known.and_then(|text| phiz_net::card::Card::from_toml(&text).ok());
            card::of(net, &name, &file, known.and_then(|card| card.thresholds))
        }
    };
    card::write(&path, &card)?;
    Ok(Some(path))
}

fn compare(folders: &[PathBuf], html: Option<&Path>) -> Result<(), TrainError> {
    let runs = folders.iter().map(|f| Run::open(f)).collect::<Result<Vec<_>, _>>()?;
    print!("{}", report::table(&runs));
    if let Some(path) = html {
        write_atomically(path, report::html(&runs).as_bytes())?;
        println!("{}", path.display());
    }
    Ok(())
}
