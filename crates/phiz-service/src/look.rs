//! How faces are looked for, and at which resolution a photo must be decoded for that.

use phiz_face::{DetectOptions, Plan, Rotate};
use phiz_image::{DecodeOptions, Limits};

use crate::problem::{Code, Problem};

/// Twice what the detector's overview shows, and twice the smallest face that its closest view is sure of.
const LONG_SIDE_TO_FIND: u32 = 1280;
const SMALLEST_TO_FIND: f32 = 28.0;
/// The long side at which a quick look is taken, and the smallest face of the photo that it promises to find.
const QUICK_SIDE: u32 = 384;
const QUICK_FACE: f32 = 40.0;

/// How faces are looked for, and the limits on a photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looking {
    /// Smallest face, score and rotation.
    pub detect: DetectOptions,
    /// Limits on a photo: bytes of the file, pixels of the picture.
    pub limits: Limits,
    /// A photo with more faces is refused, before any of them is described. None: no limit.
    pub max_faces: Option<usize>,
}

impl Looking {
    /// Whether photos that lie on their side without saying so are turned, which takes four times as long.
    #[must_use]
    pub fn rotated(mut self, rotate: bool) -> Looking {
        self.detect.rotate = if rotate { Rotate::Auto } else { Rotate::Never };
        self
    }

    /// Looks once instead of several times: for a camera's frames, of which another follows in a moment. In pictures of up to
    /// a thousand pixels, faces of 40 pixels or more are found.
    #[must_use]
    pub fn quick(mut self) -> Looking {
        self.detect.plan = Plan::Single { side: QUICK_SIDE };
        self.detect.min_face = self.detect.min_face.max(QUICK_FACE);
        self
    }

    /// # Errors
    /// [`Code::TooLarge`]: there are more faces than [`Looking::max_faces`].
    pub(crate) fn allows(&self, faces: usize) -> Result<(), Problem> {
        match self.max_faces {
            Some(most) if faces > most => Err(Problem::new(
                Code::TooLarge,
                format!("the photo shows {faces} faces, more than {most}"),
                "look for larger faces with --min-face",
            )),
            _ => Ok(()),
        }
    }

    /// At full resolution, so that faces can be described.
    pub(crate) fn to_describe(&self) -> DecodeOptions {
        DecodeOptions { limits: self.limits, ..DecodeOptions::default() }
    }

    /// At a resolution at which such faces can be found, though not described: large JPEGs need not be decoded at their
    /// full size for that.
    pub(crate) fn to_find(&self) -> DecodeOptions {
        DecodeOptions {
            min_long_side: Some(LONG_SIDE_TO_FIND),
            min_scale: SMALLEST_TO_FIND / self.detect.min_face,
            ..self.to_describe()
        }
    }
}
