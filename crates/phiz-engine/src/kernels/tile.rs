//! What a convolution tells the kernels of a tile, the same for all sets of instructions.

/// Most blocks of output channels in a tile.
pub(super) const MOST_BLOCKS: usize = 4;
/// Most pixels in half a tile.
pub(super) const MOST_HALF: usize = 7;

/// What a tile is told. Distances are in bytes. Assembly reads it by offset: the order of the fields counts.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct TileArgs {
    /// First input of the first pixel of the first half.
    pub(super) x: *const f32,
    /// Weights: for each input, the blocks of output channels side by side.
    pub(super) w: *const f32,
    /// A number for each output channel: what its sums begin with. A whole number if inputs have eight bits.
    pub(super) bias: *const f32,
    /// Where the first pixel of the first half goes.
    pub(super) out: *mut f32,
    /// What is added, at the first pixel of the first half; null for nothing.
    pub(super) add: *const f32,
    /// From the first half's first pixel to the second's, in the input, in what goes out and in what is added.
    pub(super) x_half: usize,
    pub(super) out_half: usize,
    pub(super) add_half: usize,
    /// From one block of channels to the next.
    pub(super) x_block: usize,
    pub(super) out_block: usize,
    pub(super) add_block: usize,
    /// From one row of the input to the next.
    pub(super) x_row: usize,
    /// Blocks of inputs.
    pub(super) blocks: usize,
    /// Rows of the kernel.
    pub(super) rows: usize,
    /// Inputs in a row of the kernel: columns times lanes, which lie one behind the other.
    pub(super) steps: usize,
    /// Results are not below the first nor above the second.
    pub(super) clamp: [f32; 2],
    /// 1 if what is added is bf16.
    pub(super) add_short: usize,
    /// 1 if what goes out is bf16.
    pub(super) out_short: usize,
    /// If inputs have eight bits: for each output channel, what its sum is multiplied by, and what is added then.
    pub(super) scale: *const f32,
    pub(super) offset: *const f32,
}
