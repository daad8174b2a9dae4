//! Kernels in vectors over channels, for each kind of instructions, and what they share.
#![allow(unsafe_code, reason = "speed: everything that the compiler cannot check lies in this module")]

use std::marker::PhantomData;
use std::ops::Range;

/// Defines a function that calls a kernel with the vectors of a [`Level`].
macro_rules! with_vectors {
    ($name:ident $(<$number:ident>)? => $kernel:ident($($argument:ident: $kind:ty),* $(,)?)) => {
        /// # Safety
        /// As the kernel that it calls.
        unsafe fn $name$(<$number: Number>)?(level: Level, $($argument: $kind),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
            unsafe fn avx512$(<$number: Number>)?($($argument: $kind),*) {
                // SAFETY: passed on.
                unsafe { $kernel::<super::vector::Avx512, $($number,)? 2>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
            unsafe fn avx512_wide$(<$number: Number>)?($($argument: $kind),*) {
                // SAFETY: passed on.
                unsafe { $kernel::<super::vector::Avx512, $($number,)? 4>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2$(<$number: Number>)?($($argument: $kind),*) {
                // SAFETY: passed on.
                unsafe { $kernel::<super::vector::Avx2, $($number,)? 2>($($argument),*) }
            }
            match level {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: passed on; the processor has these instructions, else there was no such `Level`.
                Level::Avx512Wide => unsafe { avx512_wide($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Level::Avx512 => unsafe { avx512($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Level::Avx2 => unsafe { avx2($($argument),*) },
            }
        }
    };
}

pub(crate) mod norm;
mod tile;
pub(crate) mod vector;
pub(crate) mod winograd;

/// Instructions that kernels are written for, and how many vectors wide a panel is: the channels of the output that are computed
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512Wide,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Level {
    /// All that this processor has, the fastest first.
    pub(crate) fn all() -> Vec<Level> {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw");
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let levels = [(Level::Avx512Wide, avx512), (Level::Avx512, avx512), (Level::Avx2, avx2)];
            levels.into_iter().filter_map(|(level, there)| there.then_some(level)).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        Vec::new()
    }

    /// The fastest whose panels fill so many channels on both sides.
    pub(crate) fn fitting(channels: [usize; 2]) -> Option<Level> {
        let fills = |level: &Level| channels.iter().all(|c| *c > 0 && c.is_multiple_of(level.panel()));
        Level::all().into_iter().find(fills)
    }

    /// Channels of a panel.
    pub(crate) fn panel(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Wide => 64,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => 32,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => 16,
        }
    }
}

/// So many things in equal shares for so many threads, or fewer.
fn shares(things: usize, threads: usize) -> Vec<Range<usize>> {
    let parts = threads.min(things);
    (0..parts).map(|part| things * part / parts..things * (part + 1) / parts).collect()
}

/// Calls `work` once for each part, each on a thread of its own; the first on the caller's.
fn on_threads<T: Send>(parts: Vec<T>, work: &(dyn Fn(T) + Sync)) {
    std::thread::scope(|scope| {
        let mut parts = parts.into_iter();
        let first = parts.next();
        for part in parts {
            scope.spawn(move || work(part));
        }
        if let Some(part) = first {
            work(part);
        }
    });
}

/// Memory into which several threads write, each its own part.
struct Shared<'a, N = f32>(*mut N, PhantomData<&'a mut [N]>);

impl<N> Clone for Shared<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Shared<'_, N> {}

impl<'a, N> Shared<'a, N> {
    fn of(memory: &'a mut [N]) -> Shared<'a, N> {
        Shared(memory.as_mut_ptr(), PhantomData)
    }
}

// SAFETY: who writes through it says why nobody else writes there.
unsafe impl<N: Send> Send for Shared<'_, N> {}
// SAFETY: as above.
unsafe impl<N: Send> Sync for Shared<'_, N> {}
