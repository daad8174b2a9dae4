//! Description: the templates of the faces in a photo, for those who compare them themselves.

use phiz_face::Face;
use phiz_template::Template;

use crate::{FaceAnswer, Looking, Photo, PhotoAnswer, Problem, Service};

/// A face and its template. Not serialised: how a template is written is each door's own matter.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedFace {
    /// Where the face is.
    pub face: FaceAnswer,
    /// Its template.
    pub template: Template,
}

impl Service {
    /// Describes all faces in a photo, from the largest to the smallest.
    ///
    /// # Errors
    /// A photo that cannot be used.
    pub fn embed(&self, photo: &Photo, looking: &Looking) -> Result<PhotoAnswer<DescribedFace>, Problem> {
        let image = self.decode(photo, looking)?;
        let faces = self.faces(&image, looking)?;
        let (width, height) = image.original_size();
        let described = |face: Face| DescribedFace {
            face: FaceAnswer::new(&face.detection, face.quality),
            template: face.template,
        };
        Ok(PhotoAnswer { width, height, faces: faces.into_iter().map(described).collect() })
    }
}
