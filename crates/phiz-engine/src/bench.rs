//! How fast networks run on this machine: what `phiz bench` prints.
//!
//! Timings on a machine that does other things are compared only if all subjects run in turn, so that what disturbs one
//! disturbs all: [`Bench::run`] does that, with ONNX Runtime among them if there is one ([`OnnxRuntime`]). The least time
//! tells what the code can do, the median what to expect.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use crate::kernels::{self, Isa};
use crate::native::NativeNetwork;
use crate::{
    EngineError, Input, Instructions, LoadOptions, Network, Precision, Runtime, Tensor, Workspace, load,
};

/// How long one step of a network takes.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTime {
    /// What it computes, and the shapes that go in and come out.
    pub name: String,
    /// Multiplications with addition.
    pub macs: usize,
    /// The least time of all rounds.
    pub milliseconds: f64,
}

/// Measures each step of a network in our own engine, on one picture.
///
/// # Errors
/// As [`crate::load`] with [`Runtime::Native`], and as [`Network::run`].
pub fn steps(
    onnx: &[u8],
    options: &LoadOptions,
    input: &Tensor,
    rounds: usize,
) -> Result<Vec<StepTime>, EngineError> {
    NativeNetwork::load(onnx, options)?.profile(input, rounds)
}

/// The multiplications with addition that one core does in a second if nothing keeps it waiting, in thousand millions;
/// none if there are no kernels for that precision on this processor. Takes a few milliseconds.
#[must_use]
pub fn peak(precision: Precision) -> Option<f64> {
    let once = || kernels::peak(Isa::choose(Instructions::Auto, precision)?, precision);
    (0..8).filter_map(|_| once()).reduce(f64::max)
}

/// One of the things that are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// The runtime and the precision, or the other program.
    pub name: String,
    /// What the instructions that multiply are called; none where the runtime does not tell.
    pub instructions: Option<&'static str>,
    /// From the file's bytes to a network that is ready, in milliseconds; none for another program.
    pub load: Option<f64>,
    /// The least time of a run, in milliseconds.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The largest difference of any output from the first subject's; none for another program.
    pub difference: Option<f32>,
}

struct Subject {
    name: String,
    network: Box<dyn Network>,
    load: f64,
    times: Vec<f64>,
    outputs: Vec<Tensor>,
}

/// Networks that are measured in turn on one input.
pub struct Bench {
    input: Tensor,
    subjects: Vec<Subject>,
    peer: Option<(OnnxRuntime, Vec<f64>)>,
}

impl Bench {
    /// Begins without anything to measure.
    #[must_use]
    pub fn new(input: Tensor) -> Bench {
        Bench { input, subjects: Vec::new(), peer: None }
    }

    /// Adds a network under a runtime and a precision.
    ///
    /// # Errors
    /// As [`load`]; what the processor lacks is [`EngineError::Unsupported`].
    pub fn subject(&mut self, onnx: &[u8], options: &LoadOptions) -> Result<(), EngineError> {
        let began = Instant::now();
        let network = load(onnx, options)?;
        let load = began.elapsed().as_secs_f64() * 1e3;
        let name = match network.runtime() {
            Runtime::Rten => "rten".to_string(),
            _ => network.precision().to_string(),
        };
        self.subjects.push(Subject { name, network, load, times: Vec::new(), outputs: Vec::new() });
        Ok(())
    }

    /// Adds ONNX Runtime.
    pub fn peer(&mut self, peer: OnnxRuntime) {
        self.peer = Some((peer, Vec::new()));
    }

    /// Runs all in turn, so many rounds, after one that does not count.
    ///
    /// # Errors
    /// A network that fails, or the other program.
    pub fn run(mut self, rounds: usize) -> Result<Vec<Timing>, EngineError> {
        let mut workspace = Workspace::default();
        for round in 0..=rounds.max(1) {
            for subject in &mut self.subjects {
                // The run before it brings its weights into the cache, as a stream of pictures would.
                subject.network.run_into(Input::Tensor(&self.input), &mut workspace)?;
                let began = Instant::now();
                subject.network.run_into(Input::Tensor(&self.input), &mut workspace)?;
                let time = began.elapsed().as_secs_f64() * 1e3;
                if round > 0 {
                    subject.times.push(time);
                } else {
                    subject.outputs = workspace.outputs().to_vec();
                }
            }
            if let Some((peer, times)) = &mut self.peer {
                let time = peer.run().map_err(|reason| EngineError::Run { reason })?;
                if round > 0 {
                    times.push(time);
                }
            }
        }
        let first = self.subjects.first().map(|s| s.outputs.clone()).unwrap_or_default();
        let mut timings = Vec::new();
        for mut subject in self.subjects {
            let (least, median) = least_and_median(&mut subject.times);
            let pairs = subject.outputs.iter().zip(&first).flat_map(|(a, b)| a.data.iter().zip(&b.data));
            let difference = Some(pairs.fold(0f32, |most, (a, b)| most.max((a - b).abs())));
            timings.push(Timing {
                name: subject.name,
                instructions: subject.network.instructions(),
                load: Some(subject.load),
                least,
                median,
                difference,
            });
        }
        if let Some((_, mut times)) = self.peer {
            let (least, median) = least_and_median(&mut times);
            timings.push(Timing {
                name: "onnxruntime".into(),
                instructions: None,
                load: None,
                least,
                median,
                difference: None,
            });
        }
        Ok(timings)
    }
}

fn least_and_median(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |index: usize| times.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(times.len() / 2))
}

/// ONNX Runtime in a Python process, which runs a network once for each line that it is sent.
pub struct OnnxRuntime {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

const SCRIPT: &str = "\
import sys, time, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[1])
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=['CPUExecutionProvider'])
shape = [int(n) for n in sys.argv[3:]]
count = int(numpy.prod(shape))
image = ((numpy.arange(count) * 7919 % 511) / 255.0 - 1.0).astype(numpy.float32).reshape(shape)
fed = {session.get_inputs()[0].name: image}
print('ready', onnxruntime.__version__, flush=True)
for line in sys.stdin:
    session.run(None, fed)
    began = time.perf_counter()
    session.run(None, fed)
    print((time.perf_counter() - began) * 1e3, flush=True)
";

impl OnnxRuntime {
    /// Starts a Python that has the packages `onnxruntime` and `numpy`, on a network's file and a shape of input.
    ///
    /// # Errors
    /// It cannot be started, or says something else than that it is ready.
    pub fn start(
        python: &OsStr,
        file: &Path,
        shape: &[usize],
        threads: usize,
    ) -> Result<OnnxRuntime, EngineError> {
        let fail = |reason: String| EngineError::Run { reason: format!("ONNX Runtime: {reason}") };
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).arg(threads.to_string()).arg(file);
        command.args(shape.iter().map(ToString::to_string));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| fail(format!("{} ({e})", python.display())))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(fail("its input and output are not there".into()));
        };
        let mut started = OnnxRuntime { child, to, from: BufReader::new(from) };
        let line = started.line().map_err(fail)?;
        if line.starts_with("ready") {
            Ok(started)
        } else {
            Err(fail("it did not start; has that Python the packages onnxruntime and numpy?".into()))
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(|e| e.to_string())?;
        Ok(line)
    }

    /// The milliseconds of a run.
    fn run(&mut self) -> Result<f64, String> {
        writeln!(self.to, "run").map_err(|e| e.to_string())?;
        let line = self.line()?;
        line.trim().parse().map_err(|_| format!("ONNX Runtime said {line:?}"))
    }
}

impl Drop for OnnxRuntime {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The input on which networks are measured: numbers from −1 to 1 that repeat late.
///
/// # Errors
/// A shape of too many elements.
pub fn picture(shape: Vec<usize>) -> Result<Tensor, EngineError> {
    let mut tensor = Tensor::zeros(shape)?;
    for (i, v) in tensor.data.iter_mut().enumerate() {
        *v = (i * 7919 % 511) as f32 / 255.0 - 1.0;
    }
    Ok(tensor)
}
