//! AMX by hand, for tests on a processor without it: each of its instructions is an illegal one there, for which the system calls
//! a function of ours, which does what Intel's manual says and goes on behind it.
//!
//! So the assembly that ships runs as it is: its addresses, its registers, its order.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

const SIGILL: c_int = 4;
const SA_SIGINFO: c_int = 4;

/// `struct sigaction` of the C library on x86-64 Linux.
#[repr(C)]
struct Action {
    handler: extern "C" fn(c_int, *mut c_void, *mut Context),
    mask: [u64; 16],
    flags: c_int,
    restorer: *mut c_void,
}

/// The beginning of `ucontext_t`: flags, link and stack, then registers from R8 on.
#[repr(C)]
struct Context {
    head: [u64; 5],
    registers: [u64; 17],
}

unsafe extern "C" {
    fn sigaction(signal: c_int, action: *const Action, before: *mut Action) -> c_int;
    fn abort() -> !;
}

/// A thread's registers.
#[derive(Clone, Copy)]
struct Tiles {
    /// Rows and bytes in a row; zero before they are configured.
    form: [(usize, usize); 8],
    data: [[[u8; 64]; 16]; 8],
}

const RELEASED: Tiles = Tiles { form: [(0, 0); 8], data: [[[0; 64]; 16]; 8] };

thread_local! {
    static TILES: Cell<Tiles> = const { Cell::new(RELEASED) };
}

/// Makes this process do by hand what AMX does; whether that succeeded.
pub(super) fn install() -> bool {
    let action =
        Action { handler: illegal, mask: [0; 16], flags: SA_SIGINFO, restorer: std::ptr::null_mut() };
    // SAFETY: the form that the C library expects; the function is there as long as the program.
    unsafe { sigaction(SIGILL, &raw const action, std::ptr::null_mut()) == 0 }
}

extern "C" fn illegal(_: c_int, _: *mut c_void, context: *mut Context) {
    // SAFETY: the system hands over the context of the thread that has stopped at an instruction, which is so many bytes
    // long at least; addresses of an instruction of AMX are those that it would have read and written.
    unsafe {
        let registers = &mut (*context).registers;
        let rip = registers[16] as *const u8;
        let mut tiles = TILES.get();
        match execute(rip, registers, &mut tiles) {
            Some(length) => registers[16] += length,
            // None of AMX's, or one that a processor would refuse.
            None => abort(),
        }
        TILES.set(tiles);
    }
}

/// A register by its number in an instruction.
fn register(registers: &[u64; 17], number: u8) -> u64 {
    // RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI as the system counts them.
    const LOW: [usize; 8] = [13, 14, 12, 11, 15, 10, 9, 8];
    registers[if number < 8 { LOW[usize::from(number)] } else { usize::from(number) - 8 }]
}

/// Executes an instruction of AMX and returns its length; none for another or a wrong one.
///
/// # Safety
/// `rip` is an instruction, and what it reads and writes may be read and written.
unsafe fn execute(rip: *const u8, registers: &[u64; 17], tiles: &mut Tiles) -> Option<u64> {
    // SAFETY: an instruction of AMX is five bytes long at least; of another one the next is there, as code goes on.
    let [vex, a, b, opcode, modrm] = unsafe { rip.cast::<[u8; 5]>().read_unaligned() };
    if vex != 0xc4 || a & 0x1f != 2 || b & 0x84 != 0 {
        return None;
    }
    let (prefix, other) = (b & 3, usize::from(!b >> 3 & 15));
    let (to, rm) = (usize::from(modrm >> 3 & 7), modrm & 7);
    if modrm >> 6 == 3 {
        match (opcode, prefix) {
            (0x49, 0) => *tiles = RELEASED,
            (0x49, 3) if tiles.form[to].0 > 0 => tiles.data[to] = RELEASED.data[0],
            (0x5c | 0x5e, _) => multiply(tiles, opcode, prefix, [to, usize::from(rm), other])?,
            _ => return None,
        }
        return Some(5);
    }
    // An address: base, index, distance.
    let extend = |bit: u8| if a & bit == 0 { 8 } else { 0 };
    let (mut length, mut index) = (5, 0);
    let base = if rm == 4 {
        // SAFETY: a byte of the instruction.
        let sib = unsafe { *rip.add(5) };
        length += 1;
        let number = (sib >> 3 & 7) | extend(0x40);
        index = if number == 4 { 0 } else { register(registers, number) << (sib >> 6) };
        (sib & 7) | extend(0x20)
    } else {
        rm | extend(0x20)
    };
    // SAFETY: bytes of the instruction.
    let distance = unsafe {
        match modrm >> 6 {
            0 if base & 7 == 5 => return None,
            0 => 0,
            1 => i64::from(*rip.add(length).cast::<i8>()),
            _ => i64::from(rip.add(length).cast::<i32>().read_unaligned()),
        }
    };
    length += [0, 1, 4][usize::from(modrm >> 6)];
    let address = register(registers, base).wrapping_add_signed(distance);
    let (rows, bytes) = tiles.form[to];
    match (opcode, prefix) {
        (0x49, 0) => {
            // SAFETY: the form of the registers, as the caller promises.
            let form = unsafe { (address as *const [u8; 64]).read() };
            *tiles = RELEASED;
            for (tile, (rows, bytes)) in tiles.form.iter_mut().enumerate() {
                *rows = usize::from(form[48 + tile]);
                *bytes = usize::from(u16::from_le_bytes([form[16 + 2 * tile], form[17 + 2 * tile]]));
                if *rows > 16 || *bytes > 64 || (*rows == 0) != (*bytes == 0) {
                    return None;
                }
            }
            if form[0] != 1 || form[1..16].iter().chain(&form[32..48]).chain(&form[56..]).any(|b| *b != 0) {
                return None;
            }
        }
        (0x4b, 2 | 3) if rows > 0 && rm == 4 => {
            for row in 0..rows {
                let at = address.wrapping_add(index.wrapping_mul(row as u64)) as *mut u8;
                let data = tiles.data[to][row].as_mut_ptr();
                // SAFETY: a row in memory, as the caller promises.
                unsafe {
                    match prefix {
                        3 => at.copy_to_nonoverlapping(data, bytes),
                        _ => data.copy_to_nonoverlapping(at, bytes),
                    }
                }
            }
        }
        _ => return None,
    }
    Some(length as u64)
}

/// `TDPBF16PS` and `TDPBUSD`.
fn multiply(tiles: &mut Tiles, opcode: u8, prefix: u8, [to, x, w]: [usize; 3]) -> Option<()> {
    let ([m, n], [fours, depth]) =
        ([tiles.form[to].0, tiles.form[to].1 / 4], [tiles.form[x].1 / 4, tiles.form[w].0]);
    let fits = w < 8 && to != x && x != w && to != w && m > 0;
    if !fits || tiles.form[x].0 != m || tiles.form[w].1 / 4 != n || fours != depth {
        return None;
    }
    let word = |tile: usize, row: usize, column: usize| -> [u8; 4] {
        tiles.data[tile][row].as_chunks::<4>().0[column]
    };
    let flushed = |v: f32| if v.is_subnormal() { 0.0 * v } else { v };
    let half = |bytes: [u8; 2]| flushed(f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16));
    let mut sums = tiles.data[to];
    for (row, sums) in sums.iter_mut().enumerate().take(m) {
        for (column, sum) in sums.as_chunks_mut::<4>().0.iter_mut().enumerate().take(n) {
            match (opcode, prefix) {
                (0x5c, 2) => {
                    let (mut even, mut odd) = (0f32, 0f32);
                    for k in 0..depth {
                        let ([a, b, c, d], [e, f, g, h]) = (word(x, row, k), word(w, k, column));
                        even = flushed(half([a, b]).mul_add(half([e, f]), even));
                        odd = flushed(half([c, d]).mul_add(half([g, h]), odd));
                    }
                    let before = flushed(f32::from_le_bytes(*sum));
                    *sum = flushed(before + flushed(even + odd)).to_le_bytes();
                }
                (0x5e, 1) => {
                    let mut whole = i32::from_le_bytes(*sum);
                    for k in 0..depth {
                        let pairs = word(x, row, k).into_iter().zip(word(w, k, column));
                        whole += pairs.map(|(x, w)| i32::from(x) * i32::from(w.cast_signed())).sum::<i32>();
                    }
                    *sum = whole.to_le_bytes();
                }
                _ => return None,
            }
        }
    }
    tiles.data[to] = sums;
    Some(())
}
