//! Which back end and device a run takes, and why. What was asked for and cannot be had is an error, never a
//! silent substitute.

use clap::ValueEnum;

use crate::backend::Backend;
use crate::error::TrainError;
use crate::flex::Flex;
#[cfg(feature = "libtorch")]
use crate::torch::Torch;
#[cfg(feature = "vulkan")]
use crate::vulkan::Vulkan;

/// A back end by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BackendChoice {
    /// LibTorch where it was built in, else a GPU through Vulkan where that was built in and there is one, else pure Rust
    #[default]
    Auto,
    /// Pure Rust, always there, repeatable to the bit
    Flex,
    /// An installed LibTorch: the fastest on a processor, and the way to a GPU
    Libtorch,
    /// A GPU of any maker, through Vulkan
    Vulkan,
}

/// A device by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceChoice {
    /// A GPU where the back end finds one, else the processor
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// The first NVIDIA GPU
    Cuda,
}

/// In which numbers convolutions are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// bf16 where it is faster, else f32
    #[default]
    Auto,
    /// Single precision
    F32,
    /// Convolutions in bf16, all else in single precision
    Bf16,
}

/// What a user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Back end.
    pub backend: BackendChoice,
    /// Device.
    pub device: DeviceChoice,
    /// Precision.
    pub precision: Precision,
    /// Threads; 0 for all cores.
    pub threads: usize,
}

/// Something to do with whichever back end was chosen.
pub trait Job {
    /// What comes of it.
    type Output;
    /// Does it.
    fn run<B: Backend>(self, b: &B) -> Self::Output;
}

/// A back end that was chosen.
#[derive(Debug)]
pub enum Chosen {
    /// Pure Rust.
    Flex(Flex),
    /// LibTorch.
    #[cfg(feature = "libtorch")]
    Torch(Torch),
    /// Vulkan.
    #[cfg(feature = "vulkan")]
    Vulkan(Vulkan),
}

impl Chosen {
    /// Does a job with the back end.
    pub fn with<J: Job>(&self, job: J) -> J::Output {
        match self {
            Chosen::Flex(b) => job.run(b),
            #[cfg(feature = "libtorch")]
            Chosen::Torch(b) => job.run(b),
            #[cfg(feature = "vulkan")]
            Chosen::Vulkan(b) => job.run(b),
        }
    }
}

/// Begins the program anew, once, with an environment in which glibc keeps memory that was freed and LibTorch's threads wait as is best here. Comes back
/// where that is not needed, or with the error that prevented it: the run is then only slower. LibTorch asks for the memory of each activation anew, and by
/// default glibc gives such large pieces back to the system, which clears them before it lends them again: a third of the time of a step. And its threads
/// spin for long while they wait, on processors that loaders and other programs need.
#[cfg(all(feature = "libtorch", target_os = "linux", target_env = "gnu"))]
pub(crate) fn begin_anew(chosen: &Chosen) -> std::io::Result<()> {
    use std::os::unix::process::CommandExt;
    // Large pieces come from the heap, the heap does not shrink, and its pages are large where the system allows it.
    const KEPT: [(&str, &str); 3] = [
        ("MALLOC_MMAP_THRESHOLD_", "17179869184"),
        ("MALLOC_TRIM_THRESHOLD_", "68719476736"),
        ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
    ];
    // Chosen by measurement: docs/decisions/0115-training-begins-itself-anew.md.
    const SPINS: (&str, &str) = ("GOMP_SPINCOUNT", "10000");
    let given = |name: &str| std::env::var_os(name).is_some();
    let on_processor = matches!(chosen, Chosen::Torch(torch) if torch.on_processor());
    if !on_processor || KEPT.iter().any(|(name, _)| given(name)) {
        return Ok(());
    }
    let mut again = std::process::Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1)).envs(KEPT);
    if !given(SPINS.0) && !given("OMP_WAIT_POLICY") {
        again.env(SPINS.0, SPINS.1);
    }
    Err(again.exec())
}

/// So many threads, or as many as there are cores for 0.
#[must_use]
pub fn threads(wanted: usize) -> usize {
    if wanted > 0 { wanted } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
}

/// The back end for a wish, and a sentence that says why this one.
///
/// # Errors
/// Something that was asked for is not there.
pub fn choose(wish: Wish) -> Result<(Chosen, String), TrainError> {
    let threads = threads(wish.threads);
    match wish.backend {
        BackendChoice::Flex => flex(wish, threads, "as asked"),
        BackendChoice::Libtorch => torch(wish, threads, "as asked"),
        BackendChoice::Vulkan => vulkan(wish),
        BackendChoice::Auto if cfg!(feature = "libtorch") => {
            torch(wish, threads, "it was built in and is the fastest")
        }
        BackendChoice::Auto => match gpu(wish) {
            Ok(chosen) => Ok(chosen),
            Err(why) => flex(wish, threads, &why),
        },
    }
}

fn flex(wish: Wish, threads: usize, why: &str) -> Result<(Chosen, String), TrainError> {
    let refuse = |what: &str| {
        Err(TrainError::Device(format!(
            "{what} is not had with the pure Rust back end: build with `--features libtorch` and ask for \
             `--backend libtorch`, or leave it out"
        )))
    };
    if wish.device == DeviceChoice::Cuda {
        return refuse("--device cuda");
    }
    if wish.precision == Precision::Bf16 {
        return refuse("--precision bf16");
    }
    let device = if wish.device == DeviceChoice::Auto {
        "the processor, the only device that it knows"
    } else {
        "the processor, as asked"
    };
    // What Burn computes outside of our own operations follows the same number; if a pool is already there, it stays.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    Ok((Chosen::Flex(Flex::new(threads)?), format!("back end flex: {why}; on {device}")))
}

/// What `auto` takes before pure Rust, or why there is nothing.
#[cfg(not(feature = "vulkan"))]
fn gpu(_: Wish) -> Result<(Chosen, String), String> {
    Err("this build has no other".into())
}

/// What `auto` takes before pure Rust, or why there is nothing: a GPU, but no driver that computes on the processor.
#[cfg(feature = "vulkan")]
fn gpu(wish: Wish) -> Result<(Chosen, String), String> {
    if wish.device != DeviceChoice::Auto || wish.precision == Precision::Bf16 {
        return Err("Vulkan is for GPUs, in single precision".into());
    }
    match Vulkan::new() {
        Ok(vulkan) if vulkan.is_software() => Err(format!("there is no GPU, only {}", vulkan.describe())),
        Ok(vulkan) => {
            let sentence = format!("back end vulkan: there is a GPU; on {}", vulkan.describe());
            Ok((Chosen::Vulkan(vulkan), sentence))
        }
        Err(_) if Vulkan::is_offered() => Err("the GPU does not start, as `--backend vulkan` tells".into()),
        Err(_) => Err("Vulkan finds no GPU".into()),
    }
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(_: Wish) -> Result<(Chosen, String), TrainError> {
    Err(TrainError::Device(
        "this build has no Vulkan: build with `--features vulkan` (docs/guide/training.md), or ask for `--backend flex`"
            .into(),
    ))
}

#[cfg(feature = "vulkan")]
fn vulkan(wish: Wish) -> Result<(Chosen, String), TrainError> {
    let refuse = |what: &str, instead: &str| {
        Err(TrainError::Device(format!(
            "{what} is not had with `--backend vulkan`: leave it out, or {instead}"
        )))
    };
    match wish {
        Wish { device: DeviceChoice::Cpu, .. } => return refuse("--device cpu", "ask for `--backend flex`"),
        Wish { device: DeviceChoice::Cuda, .. } => {
            return refuse(
                "--device cuda",
                "build with `--features libtorch` and ask for `--backend libtorch`",
            );
        }
        Wish { precision: Precision::Bf16, .. } => {
            return refuse(
                "--precision bf16",
                "build with `--features libtorch` and ask for `--backend libtorch`",
            );
        }
        _ => {}
    }
    let vulkan = Vulkan::new()?;
    let slow = if vulkan.is_software() { "; `--backend flex` is faster here" } else { "" };
    let sentence = format!("back end vulkan: as asked; on {}{slow}", vulkan.describe());
    Ok((Chosen::Vulkan(vulkan), sentence))
}

#[cfg(not(feature = "libtorch"))]
fn torch(_: Wish, _: usize, _: &str) -> Result<(Chosen, String), TrainError> {
    Err(TrainError::Device(
        "this build has no LibTorch: build with `--features libtorch` (docs/guide/training.md), or ask for \
         `--backend flex`"
            .into(),
    ))
}

#[cfg(feature = "libtorch")]
fn torch(wish: Wish, threads: usize, why: &str) -> Result<(Chosen, String), TrainError> {
    let cuda = || Torch::cuda(wish.precision != Precision::F32);
    let cpu = || {
        let bf16 = match wish.precision {
            Precision::Auto => gains_from_bf16(),
            Precision::F32 => false,
            Precision::Bf16 => true,
        };
        Torch::cpu(threads, bf16)
    };
    let (torch, device) = match wish.device {
        DeviceChoice::Cpu => (cpu(), "the processor, as asked"),
        DeviceChoice::Cuda => match cuda() {
            Some(torch) => (torch, "the first CUDA device, as asked"),
            None => {
                return Err(TrainError::Device(
                    "LibTorch finds no CUDA device: is the driver there, and was the wheel one with CUDA? \
                     Nothing was begun on the processor instead; ask for `--device cpu` if you want that"
                        .into(),
                ));
            }
        },
        DeviceChoice::Auto => match cuda() {
            Some(torch) => (torch, "the first CUDA device, since there is one"),
            None => (cpu(), "the processor, since LibTorch finds no CUDA device"),
        },
    };
    Ok((Chosen::Torch(torch), format!("back end libtorch: {why}; on {device}")))
}

/// Whether the processor computes faster in bf16. Where it cannot, LibTorch converts back and forth, at a third of f32's speed; Intel's
/// processors multiply bf16 by AVX-512 half as fast as single precision, and gain from it by AMX only.
#[cfg(feature = "libtorch")]
fn gains_from_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        let by_amd = __cpuid(0).ebx == u32::from_le_bytes(*b"Auth");
        // AMX-BF16 is bit 22 of what leaf 7 puts into EDX.
        let has_amx = || __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx >> 22 & 1 == 1;
        is_x86_feature_detected!("avx512bf16") && (by_amd || has_amx())
    };
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_an_error_that_says_what_to_do() {
        let flex = Wish { backend: BackendChoice::Flex, threads: 1, ..Wish::default() };
        assert!(choose(flex).is_ok_and(|(_, why)| why.contains("as asked")));
        for wish in [Wish { device: DeviceChoice::Cuda, ..flex }, Wish { precision: Precision::Bf16, ..flex }]
        {
            let error = choose(wish).expect_err("refused").to_string();
            assert!(error.contains("--features libtorch"), "{error}");
        }
    }

    #[cfg(not(feature = "vulkan"))]
    #[test]
    fn without_vulkan_asking_for_it_is_an_error() {
        let asked = Wish { backend: BackendChoice::Vulkan, ..Wish::default() };
        assert!(choose(asked).expect_err("refused").to_string().contains("--features vulkan"));
    }

    #[cfg(feature = "vulkan")]
    #[test]
    fn vulkan_refuses_what_it_cannot() {
        let vulkan = Wish { backend: BackendChoice::Vulkan, ..Wish::default() };
        for wish in [
            Wish { device: DeviceChoice::Cpu, ..vulkan },
            Wish { device: DeviceChoice::Cuda, ..vulkan },
            Wish { precision: Precision::Bf16, ..vulkan },
        ] {
            assert!(choose(wish).expect_err("refused").to_string().contains("leave it out"));
        }
    }

    #[cfg(feature = "vulkan")]
    #[test]
    fn vulkan_by_name_is_what_there_is_and_says_what() {
        let asked = choose(Wish { backend: BackendChoice::Vulkan, ..Wish::default() });
        match Vulkan::new() {
            Ok(vulkan) => {
                let (chosen, why) = asked.expect("a device");
                assert!(matches!(chosen, Chosen::Vulkan(_)));
                assert!(why.contains("as asked") && why.contains(&vulkan.describe()), "{why}");
                assert_eq!(why.contains("no GPU"), vulkan.is_software(), "{why}");
            }
            Err(_) => {
                let error = asked.expect_err("refused").to_string();
                assert!(error.contains("vulkaninfo") && error.contains("--backend flex"), "{error}");
            }
        }
    }

    #[cfg(all(feature = "vulkan", not(feature = "libtorch")))]
    #[test]
    fn auto_takes_a_gpu_but_no_program_that_stands_for_one() {
        let gpu = Vulkan::new().is_ok_and(|vulkan| !vulkan.is_software());
        let auto = Wish { threads: 2, ..Wish::default() };
        let (chosen, why) = choose(auto).expect("a back end");
        assert_eq!(matches!(chosen, Chosen::Vulkan(_)), gpu, "{why}");
        assert!(gpu || why.starts_with("back end flex:") && why.contains("no GPU"), "{why}");
        let (chosen, why) = choose(Wish { device: DeviceChoice::Cpu, ..auto }).expect("flex");
        assert!(matches!(chosen, Chosen::Flex(_)), "{why}");
        let error = choose(Wish { device: DeviceChoice::Cuda, ..auto }).expect_err("refused").to_string();
        assert!(error.contains("--features libtorch"), "{error}");
    }

    #[cfg(feature = "libtorch")]
    #[test]
    fn on_a_processor_bf16_is_taken_where_it_is_asked_for_or_fast() {
        let cpu = Wish {
            backend: BackendChoice::Libtorch,
            device: DeviceChoice::Cpu,
            threads: 1,
            ..Wish::default()
        };
        for (precision, bf16) in
            [(Precision::Auto, gains_from_bf16()), (Precision::Bf16, true), (Precision::F32, false)]
        {
            let Ok((Chosen::Torch(torch), _)) = choose(Wish { precision, ..cpu }) else {
                panic!("LibTorch was built in")
            };
            assert_eq!(torch.describe().ends_with("bf16"), bf16, "{precision:?}");
        }
    }

    #[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
    #[test]
    fn without_libtorch_auto_is_flex_and_says_so() {
        let (chosen, why) = choose(Wish { threads: 2, ..Wish::default() }).expect("flex");
        assert!(matches!(chosen, Chosen::Flex(_)));
        assert!(why.contains("no other"), "{why}");
        let asked = Wish { backend: BackendChoice::Libtorch, ..Wish::default() };
        assert!(choose(asked).expect_err("refused").to_string().contains("no LibTorch"));
    }
}
