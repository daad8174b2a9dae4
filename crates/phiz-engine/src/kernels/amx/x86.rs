//! What AMX itself does: products, its registers' configuration, and whether there is AMX.

use std::arch::asm;

use super::{Product, SIDE, Sums};

/// Bytes of a matrix row.
const ROW: usize = 64;

/// Products that ran, for tests.
#[cfg(test)]
static RAN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

#[cfg(test)]
pub(in super::super) fn ran() -> usize {
    RAN.load(std::sync::atomic::Ordering::Relaxed)
}

/// The form of the registers as the processor reads it.
#[repr(C, align(64))]
struct Form {
    palette: u8,
    start: u8,
    unused: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Registers 0 to 3 are sums, 4 and 5 pixels, 6 and 7 weights.
///
/// # Safety
/// The processor has AMX and the system has granted it.
pub(super) unsafe fn configure(rows: usize) {
    let mut form = Form { palette: 1, start: 0, unused: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    for register in 0..8 {
        form.row_bytes[register] = ROW as u16;
        form.rows[register] = if register < 6 { rows.min(SIDE) as u8 } else { SIDE as u8 };
    }
    // SAFETY: reads the form. The compiler knows nothing of these registers and never uses them, so that what they hold
    // lasts from one piece of assembly to the next; the system keeps them for each thread.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const form, options(nostack, readonly, preserves_flags)) };
}

/// # Safety
/// The processor has AMX.
pub(super) unsafe fn release() {
    // SAFETY: changes nothing but registers that the compiler does not know.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
}

/// Lines of assembly where there is a second matrix.
macro_rules! piece {
    (1, $($text:expr),+) => { concat!($($text),+) };
    (0, $($text:expr),+) => { "" };
}

/// A product of `1 + $tall` times `1 + $wide` matrices; `$both` where both are 1.
macro_rules! product {
    ($name:ident, $dot:literal, $tall:tt, $wide:tt, $both:tt) => {
        /// # Safety
        /// As [`Product::run`].
        unsafe fn $name(product: &Product<'_>, sums: &mut Sums) {
            // SAFETY: reads pixels and weights as the caller promises, and distances, of which there is one at least
            // (asked by who calls); writes sums, which are 32 rows of 128 bytes; the registers are configured. All that it
            // changes is named.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    piece!($wide, "tilezero tmm1"),
                    piece!($tall, "tilezero tmm2"),
                    piece!($both, "tilezero tmm3"),
                    "2:",
                    "mov {at}, [{distances}]",
                    "add {at}, {pixels}",
                    "tileloadd tmm4, [{at} + {apart}*1]",
                    "tileloadd tmm6, [{weights} + {row}*1]",
                    concat!($dot, " tmm0, tmm4, tmm6"),
                    piece!($wide, "tileloadd tmm7, [{weights} + {row}*1 + 1024]\n", "add {weights}, 1024\n"),
                    piece!($wide, $dot, " tmm1, tmm4, tmm7"),
                    "add {at}, {matrix}",
                    piece!($tall, "tileloadd tmm5, [{at} + {apart}*1]"),
                    piece!($tall, $dot, " tmm2, tmm5, tmm6"),
                    piece!($both, $dot, " tmm3, tmm5, tmm7"),
                    "add {distances}, 8",
                    "add {weights}, 1024",
                    "dec {count}",
                    "jnz 2b",
                    // From here on bytes of a row of sums.
                    "add {row}, {row}",
                    "tilestored [{sums} + {row}*1], tmm0",
                    piece!($wide, "tilestored [{sums} + {row}*1 + 64], tmm1"),
                    piece!($tall, "tilestored [{sums} + {row}*1 + 2048], tmm2"),
                    piece!($both, "tilestored [{sums} + {row}*1 + 2112], tmm3"),
                    at = out(reg) _,
                    matrix = in(reg) SIDE * product.apart,
                    distances = inout(reg) product.distances.as_ptr() => _,
                    pixels = in(reg) product.pixels,
                    apart = in(reg) product.apart,
                    weights = inout(reg) product.weights => _,
                    row = inout(reg) ROW => _,
                    count = inout(reg) product.distances.len() => _,
                    sums = in(reg) sums.0.as_mut_ptr(),
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

product!(bf16_1x1, "tdpbf16ps", 0, 0, 0);
product!(bf16_1x2, "tdpbf16ps", 0, 1, 0);
product!(bf16_2x1, "tdpbf16ps", 1, 0, 0);
product!(bf16_2x2, "tdpbf16ps", 1, 1, 1);
product!(int8_1x1, "tdpbusd", 0, 0, 0);
product!(int8_1x2, "tdpbusd", 0, 1, 0);
product!(int8_2x1, "tdpbusd", 1, 0, 0);
product!(int8_2x2, "tdpbusd", 1, 1, 1);

impl Product<'_> {
    /// # Safety
    /// As [`Product::run`].
    pub(super) unsafe fn amx(&self, sums: &mut Sums) {
        assert!(!self.distances.is_empty(), "a kernel of one place at least");
        #[cfg(test)]
        RAN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe {
            match (self.bytes, self.tall, self.wide) {
                (false, 1, 1) => bf16_1x1(self, sums),
                (false, 1, _) => bf16_1x2(self, sums),
                (false, _, 1) => bf16_2x1(self, sums),
                (false, ..) => bf16_2x2(self, sums),
                (true, 1, 1) => int8_1x1(self, sums),
                (true, 1, _) => int8_1x2(self, sums),
                (true, _, 1) => int8_2x1(self, sums),
                (true, ..) => int8_2x2(self, sums),
            }
        }
    }
}

/// Whether the processor has AMX for bf16 and bytes, its registers are as large as the kernels expect, and the system
/// lets this process use them. Tests on another processor do by hand what they do. Asked once: what the system grants lasts as long as the process.
pub(in super::super) fn is_granted() -> bool {
    static GRANTED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *GRANTED.get_or_init(|| {
        if is_there() && grant() {
            return true;
        }
        #[cfg(all(test, target_os = "linux"))]
        return std::env::var_os("PHIZ_DEMANDS_AMX").is_none() && super::emulated::install();
        #[cfg(not(all(test, target_os = "linux")))]
        false
    })
}

fn is_there() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    /// AMX-BF16, AMX-TILE and AMX-INT8.
    const NEEDED: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    /// Form and data of the registers, which the system keeps for each thread.
    const STATE: u32 = 3 << 17;
    if __cpuid(0).eax < 0x1d || __cpuid_count(7, 0).edx & NEEDED != NEEDED {
        return false;
    }
    // Without this bit there is no `xgetbv`.
    if __cpuid(1).ecx & 1 << 27 == 0 {
        return false;
    }
    let state: u32;
    // SAFETY: reads a register that tells what the system keeps.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") state, out("edx") _, options(nostack, nomem, preserves_flags));
    }
    let form = __cpuid_count(0x1d, 1);
    // Bytes of a register; bytes of a row and registers; rows.
    let known = (form.eax >> 16, form.ebx, form.ecx & 0xffff) == (1024, 8 << 16 | 64, 16);
    state & STATE == STATE && known
}

/// Asks Linux, which keeps so many registers only for processes that say that they use them.
#[cfg(target_os = "linux")]
fn grant() -> bool {
    const ARCH_PRCTL: u64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let result: i64;
    // SAFETY: a call of the system that changes nothing but what the process may use.
    unsafe {
        asm!(
            "syscall",
            inout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Nobody has tried other systems.
#[cfg(not(target_os = "linux"))]
fn grant() -> bool {
    false
}
