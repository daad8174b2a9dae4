//! The trait behind which networks run, and how one is loaded.

use std::fmt;
use std::str::FromStr;

use crate::kernels::Isa;
use crate::native::NativeNetwork;
use crate::{EngineError, Input, Normalisation, Port, Tensor, Workspace};

/// A network that is ready to run. Implementations hold everything that they need: no file is read and
/// nothing is fetched after loading.
pub trait Network: Send + Sync {
    /// The input.
    fn input(&self) -> &Port;

    /// The outputs in the order of the file.
    fn outputs(&self) -> &[Port];

    /// The runtime that computes; never [`Runtime::Auto`].
    fn runtime(&self) -> Runtime;

    /// The precision of its arithmetic; never [`Precision::Auto`].
    fn precision(&self) -> Precision;

    /// What the instructions that multiply are called; none where the runtime does not tell.
    fn instructions(&self) -> Option<&'static str> {
        None
    }

    /// Computes all outputs for one input (which may be a batch) in the caller's workspace.
    ///
    /// Requires: the input's shape fits [`Network::input`]. Ensures: one tensor for each of [`Network::outputs`], in
    /// that order; equal inputs give equal outputs, whatever the number of threads. Safe to call from many threads at
    /// once, each with its own workspace.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for an input that does not fit, [`EngineError::Run`] when the runtime
    /// fails or an output is not `f32`.
    fn run_into<'w>(
        &self,
        input: Input<'_>,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [Tensor], EngineError>;

    /// Computes all outputs for one tensor in a workspace of its own: for a single run.
    ///
    /// # Errors
    /// The same errors as [`Network::run_into`].
    fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, EngineError> {
        let mut workspace = Workspace::default();
        self.run_into(Input::Tensor(input), &mut workspace)?;
        Ok(workspace.take_outputs())
    }
}

/// The runtime that computes a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runtime {
    /// The fastest that can run the network: our own engine where it has every operator, else rten.
    #[default]
    Auto,
    /// Our own engine.
    Native,
    /// rten, which has more operators.
    Rten,
}

/// The precision in which a network computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// Single precision: whoever knows what a faster one costs a network asks for that.
    #[default]
    Auto,
    /// Single precision.
    F32,
    /// Products of 16 bits, sums of single precision.
    Bf16,
    /// Products of eight bits, integer sums.
    Int8,
}

/// The instructions that our own engine multiplies with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instructions {
    /// The best that the processor has for the precision, whether or not anybody has measured their speed.
    #[default]
    Auto,
    /// The best whose speed was measured: for whoever chooses a precision that nobody asked for. Refuses bf16 where that is
    /// slower than single precision.
    Measured,
    /// AVX2 and FMA; in eight bits AVX-VNNI.
    Avx2,
    /// AVX-512; in bf16 AVX-512 BF16, in eight bits AVX-512 VNNI.
    Avx512,
    /// AMX in bf16 and in eight bits, AVX-512 otherwise.
    Amx,
}

/// Display and parsing by a table of names, which help texts list as well.
macro_rules! named {
    ($kind:ident, $what:literal, $($variant:ident = $name:literal),+) => {
        impl $kind {
            /// All names, as they are parsed.
            pub const NAMES: &[&str] = &[$($name),+];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($kind::$variant => $name),+
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $kind {
            type Err = String;

            fn from_str(name: &str) -> Result<$kind, String> {
                match name {
                    $($name => Ok($kind::$variant),)+
                    _ => Err(format!(concat!("{:?} is no ", $what, "; known are {}"), name, Self::NAMES.join(", "))),
                }
            }
        }
    };
}

named!(Runtime, "runtime", Auto = "auto", Native = "native", Rten = "rten");
named!(
    Instructions,
    "set of instructions",
    Auto = "auto",
    Measured = "measured",
    Avx2 = "avx2",
    Avx512 = "avx512",
    Amx = "amx"
);
named!(Precision, "precision", Auto = "auto", F32 = "f32", Bf16 = "bf16", Int8 = "int8");

/// How to load a network. Made from its default and changed by its methods.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The runtime. Default: [`Runtime::Auto`].
    pub runtime: Runtime,
    /// The precision. Default: [`Precision::Auto`].
    pub precision: Precision,
    /// The instructions. Default: [`Instructions::Auto`].
    pub instructions: Instructions,
    /// Threads that one run computes on. Default 1.
    pub threads: usize,
    /// How pictures of eight bits are normalised. Default: not at all.
    pub normalisation: Normalisation,
    /// Values inside the network that are given as further outputs, behind its own. Only our own engine does that.
    pub shown: Vec<String>,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            runtime: Runtime::Auto,
            precision: Precision::Auto,
            instructions: Instructions::Auto,
            threads: 1,
            normalisation: Normalisation::default(),
            shown: Vec::new(),
        }
    }
}

impl LoadOptions {
    /// Sets the runtime.
    #[must_use]
    pub fn runtime(mut self, runtime: Runtime) -> LoadOptions {
        self.runtime = runtime;
        self
    }

    /// Sets the precision.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> LoadOptions {
        self.precision = precision;
        self
    }

    /// Sets the instructions.
    #[must_use]
    pub fn instructions(mut self, instructions: Instructions) -> LoadOptions {
        self.instructions = instructions;
        self
    }

    /// Sets the threads that one run computes on.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> LoadOptions {
        self.threads = threads;
        self
    }

    /// Sets how pictures of eight bits are normalised.
    #[must_use]
    pub fn normalisation(mut self, normalisation: Normalisation) -> LoadOptions {
        self.normalisation = normalisation;
        self
    }

    /// Shows values inside the network, by their names in the file, as further outputs.
    #[must_use]
    pub fn shown(mut self, names: Vec<String>) -> LoadOptions {
        self.shown = names;
        self
    }
}

/// Reads an ONNX model from `onnx` (the bytes of the file) and prepares it to run.
///
/// # Errors
/// [`EngineError::Load`] when the bytes are not an ONNX model, use an operator that no runtime has, or describe a
/// network without exactly one input and at least one output; [`EngineError::Unsupported`] when the runtime that was
/// asked for lacks what the network or the precision needs; [`EngineError::Threads`] for a thread count of 0.
pub fn load(onnx: &[u8], options: &LoadOptions) -> Result<Box<dyn Network>, EngineError> {
    if options.threads == 0 {
        return Err(EngineError::Threads);
    }
    // Without vector instructions that our own engine has kernels for, rten is faster. Those for ARM were never measured.
    let native = match options.runtime {
        Runtime::Rten => false,
        Runtime::Native => true,
        Runtime::Auto => Isa::best().is_vector() && cfg!(target_arch = "x86_64"),
    };
    if native {
        match NativeNetwork::load(onnx, options) {
            Ok(network) => return Ok(Box::new(network)),
            Err(error) if options.runtime == Runtime::Native => return Err(error),
            Err(_) => {}
        }
    }
    if !matches!(options.precision, Precision::Auto | Precision::F32) {
        let reason = format!("it does not compute in {}", options.precision);
        return Err(EngineError::Unsupported { runtime: Runtime::Rten.name(), reason });
    }
    if !options.shown.is_empty() {
        let reason = "it does not show values inside a network".to_string();
        return Err(EngineError::Unsupported { runtime: Runtime::Rten.name(), reason });
    }
    Ok(Box::new(crate::rten_network::RtenNetwork::load(onnx, options)?))
}
