//! Borrowed pixels: every order of channels, strides, and sizes that do not fit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_image::{Image, ImageView, PixelFormat, Similarity, ViewError};
use proptest::prelude::*;

const FORMATS: [PixelFormat; 4] = [PixelFormat::Rgb, PixelFormat::Bgr, PixelFormat::Rgba, PixelFormat::Bgra];

/// The bytes of a picture in another order, each row filled up by so many bytes.
fn laid_out(image: &Image, format: PixelFormat, fill: usize) -> (Vec<u8>, usize) {
    let stride = image.width() as usize * format.bytes() + fill;
    let mut bytes = vec![77; stride * image.height() as usize];
    for (i, pixel) in image.pixels().chunks_exact(3).enumerate() {
        let (x, y) = (i % image.width() as usize, i / image.width() as usize);
        let at = y * stride + x * format.bytes();
        let ordered = match format {
            PixelFormat::Rgb | PixelFormat::Rgba => [pixel[0], pixel[1], pixel[2]],
            _ => [pixel[2], pixel[1], pixel[0]],
        };
        bytes[at..at + 3].copy_from_slice(&ordered);
    }
    (bytes, stride)
}

#[test]
fn sizes_that_do_not_fit_are_named() {
    let bytes = [0u8; 60];
    let new = |w, h, stride| ImageView::new(&bytes, w, h, stride, PixelFormat::Rgb).map(|_| ());
    assert_eq!(new(4, 5, 12), Ok(()));
    assert_eq!(new(0, 5, 12), Err(ViewError::Empty));
    assert_eq!(new(4, 0, 12), Err(ViewError::Empty));
    assert_eq!(new(4, 5, 11), Err(ViewError::Stride { stride: 11, row: 12 }));
    assert_eq!(new(4, 6, 12), Err(ViewError::Short { bytes: 60, needed: 72 }));
    // The last row needs no filling.
    assert_eq!(new(3, 4, 17), Ok(()));
    assert_eq!(new(u32::MAX, u32::MAX, usize::MAX), Err(ViewError::Overflow));
}

proptest! {
    #[test]
    fn every_layout_shows_the_same_picture(
        (w, h, rgb) in (1u32..20, 1u32..20).prop_flat_map(|(w, h)| {
            (Just(w), Just(h), prop::collection::vec(any::<u8>(), (w * h * 3) as usize))
        }),
        fill in 0usize..9,
        place in prop::array::uniform4(0.0f32..1.0),
    ) {
        let image = Image::from_rgb(w, h, rgb).unwrap();
        prop_assert_eq!(&Image::from_view(&ImageView::from(&image)), &image);
        for format in FORMATS {
            let (bytes, stride) = laid_out(&image, format, fill);
            let view = ImageView::new(&bytes, w, h, stride, format).unwrap();
            prop_assert_eq!(&Image::from_view(&view), &image);
            let (to_w, to_h) = (1 + (place[2] * 30.0) as u32, 1 + (place[3] * 30.0) as u32);
            prop_assert_eq!(view.resize(to_w, to_h), image.resize(to_w, to_h));
            let turn = Similarity { a: 0.3 + place[0], b: place[1] - 0.5, tx: 9.0 * place[2], ty: -3.0 * place[3] };
            for there in [turn, Similarity { b: 0.0, ..turn }, Similarity { a: 0.05, ..turn }] {
                prop_assert_eq!(view.warp(&there, to_w, to_h), image.warp(&there, to_w, to_h));
            }
            let (x, y) = ((place[0] * w as f32) as u32, (place[1] * h as f32) as u32);
            let (cw, ch) = (1 + (place[2] * (w - x) as f32) as u32, 1 + (place[3] * (h - y) as f32) as u32);
            match (view.crop(x, y, cw, ch), image.crop(x, y, cw, ch)) {
                (Ok(part), Ok(crop)) => prop_assert_eq!(Image::from_view(&part), crop),
                (part, crop) => prop_assert!(part.is_err() && crop.is_err()),
            }
        }
    }
}
