//! Operations of ours on LibTorch's tape, and LibTorch's memory as slices.
#![allow(unsafe_code, reason = "LibTorch is C++")]

use std::ffi::c_void;

use phiz_layers::Bf16;
use tch::{Device, Kind, Tensor};

/// What the tape keeps of an operation.
pub(super) trait Operation {
    /// The gradient of each input that is wanted, of that of the output; as many as there are inputs.
    fn gradients(&self, gradient: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>>;
}

type Backward = extern "C" fn(*mut c_void, *mut c_void, *const bool, *mut *mut c_void, usize);

unsafe extern "C" {
    fn phiz_record(
        output: *mut c_void,
        inputs: *const *mut c_void,
        count: usize,
        operation: *mut c_void,
        backward: Backward,
        drop: extern "C" fn(*mut c_void),
    );
}

/// Makes `output`, which was computed without LibTorch, the result of an operation on `inputs`. An input may not be changed in place
/// until the gradients are computed, if the operation reads it then: LibTorch does not watch this one.
pub(super) fn record(output: &mut Tensor, inputs: &[&Tensor], operation: Box<dyn Operation>) {
    let pointers: Vec<*mut c_void> = inputs.iter().map(|x| x.as_ptr().cast_mut().cast()).collect();
    // A thin pointer to the fat one.
    let operation = Box::into_raw(Box::new(operation)).cast();
    // SAFETY: all are tensors that live during the call, which copies handles of them; `backward` and `forget` are given what the
    // operation was made of, and `forget` once.
    unsafe {
        phiz_record(
            output.as_mut_ptr().cast(),
            pointers.as_ptr(),
            pointers.len(),
            operation,
            backward,
            forget,
        );
    }
}

extern "C" fn backward(
    operation: *mut c_void,
    gradient: *mut c_void,
    wanted: *const bool,
    gradients: *mut *mut c_void,
    count: usize,
) {
    // SAFETY: the operation of [`record`], not dropped yet; a tensor that is ours from here; `count` values each.
    let (operation, gradient, wanted, gradients) = unsafe {
        (
            &*operation.cast::<Box<dyn Operation>>(),
            Tensor::from_ptr(gradient.cast()),
            std::slice::from_raw_parts(wanted, count),
            std::slice::from_raw_parts_mut(gradients, count),
        )
    };
    let found = tch::no_grad(|| operation.gradients(&gradient, wanted));
    for (to, found) in gradients.iter_mut().zip(found) {
        if let Some(mut found) = found {
            *to = found.as_mut_ptr().cast();
            // The tape takes the handle over.
            std::mem::forget(found);
        }
    }
}

extern "C" fn forget(operation: *mut c_void) {
    // SAFETY: what [`record`] made, given back once.
    drop(unsafe { Box::from_raw(operation.cast::<Box<dyn Operation>>()) });
}

/// Numbers that LibTorch knows as a kind.
///
/// # Safety
/// So they lie in a tensor of that kind.
pub(super) unsafe trait Kinded: Copy {
    const KIND: Kind;
}

// SAFETY: a float is one.
unsafe impl Kinded for f32 {
    const KIND: Kind = Kind::Float;
}

// SAFETY: bits of a bfloat16, as LibTorch's.
unsafe impl Kinded for Bf16 {
    const KIND: Kind = Kind::BFloat16;
}

/// The numbers of a tensor without gaps on the processor, while nobody changes it.
///
/// # Panics
/// When it is another tensor.
pub(super) fn numbers<N: Kinded>(x: &Tensor) -> &[N] {
    let there = x.device() == Device::Cpu && x.kind() == N::KIND && x.is_contiguous();
    assert!(there, "{:?} without gaps: {x:?}", N::KIND);
    // SAFETY: so many numbers lie there (asserted) and live as long as the handle.
    unsafe { std::slice::from_raw_parts(x.data_ptr().cast::<N>(), x.numel()) }
}

/// As [`numbers`], of a tensor that has no other handle, to be written.
///
/// # Panics
/// As [`numbers`].
pub(super) fn numbers_mut<N: Kinded>(x: &mut Tensor) -> &mut [N] {
    let count = numbers::<N>(x).len();
    // SAFETY: as in `numbers`; the tensor is new, so that nobody else reads it.
    unsafe { std::slice::from_raw_parts_mut(x.data_ptr().cast::<N>(), count) }
}
