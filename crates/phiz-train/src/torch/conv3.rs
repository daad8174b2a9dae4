//! 3×3 convolutions on the processor in f32 by [`phiz_layers::Conv3`], about twice as fast as LibTorch's.

use phiz_layers::{Conv3, Shape};
use tch::Tensor;

use super::map::{self, channels_first, channels_last};
use super::record::{Operation, numbers, numbers_mut, record};

/// What the gradients are computed of.
struct Kept {
    conv: Conv3,
    /// `[pictures, height, width, inputs]`.
    x: Tensor,
    /// `[outputs, inputs, 3, 3]`.
    filters: Tensor,
}

/// Output of `[pictures, inputs, height, width]`, its memory in channels-last order; none where LibTorch's own way is as
/// fast. The convolution must have stride 1, a border of one pixel and one group.
pub(super) fn conv3(x: &Tensor, filters: &Tensor) -> Option<Tensor> {
    if !map::is_ours(x) || !map::is_ours(filters) {
        return None;
    }
    let (n, inputs, height, width) = x.size4().ok()?;
    let (outputs, of, 3, 3) = filters.size4().ok()? else { return None };
    let [pictures, height, width, inputs, outputs] =
        [n, height, width, inputs, outputs].map(|d| usize::try_from(d).unwrap_or(0));
    let shape = Shape { pictures, height, width, inputs, outputs };
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1);
    let conv = Conv3::new(shape, threads).filter(|_| of == inputs as i64)?;
    let (mut y, kept) = tch::no_grad(|| {
        let kept = Kept { conv, x: channels_last(x), filters: filters.detach().contiguous() };
        let mut y = map::empty([pictures, height, width, outputs]);
        conv.forward(numbers(&kept.x), numbers(&kept.filters), numbers_mut(&mut y));
        (channels_first(&y), kept)
    });
    record(&mut y, &[x, filters], Box::new(kept));
    Some(y)
}

impl Operation for Kept {
    fn gradients(&self, gradient: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let gradient = channels_last(gradient);
        let dx = wanted[0].then(|| {
            let mut dx = self.x.empty_like();
            self.conv.input_gradient(numbers(&gradient), numbers(&self.filters), numbers_mut(&mut dx));
            channels_first(&dx)
        });
        let dfilters = wanted[1].then(|| {
            let mut dfilters = self.filters.empty_like();
            self.conv.filter_gradient(numbers(&self.x), numbers(&gradient), numbers_mut(&mut dfilters));
            dfilters
        });
        vec![dx, dfilters]
    }
}
