//! People who do not exist, in whole scenes whose truth is known.
//!
//! Tests, examples and the README's first command need photos with faces, and a repository must not hold photos of
//! real people. So this crate makes them: a linear [`FaceModel`] (means and components of shape and texture, fitted
//! to thousands of photos, none of which can be got back from it) turns a [`Person`] (identity, drawn once from a
//! seed) and a [`Look`] (light, pose and expression, drawn for every photo) into a head, and a [`Scene`] sets heads on
//! shoulders before a procedural backdrop. Everything follows from seeds.
//!
//! What it is bad at: the heads look like soft portraits, frontal to half turned, without glasses drawn on purpose,
//! hands or props. It shows that a pipeline works, never how accurate it is on people.
//!
//! For tests and developers' tools only: a dev-dependency everywhere, never linked by the product.
//!
//! ```
//! use phiz_synth::{FaceModel, Scene, SceneOptions};
//! let options = SceneOptions { people: vec![1, 2, 1], ..SceneOptions::default() };
//! let scene = Scene::compose(FaceModel::bundled(), &options, 7)?;
//! assert_eq!(scene.faces.len(), 3);
//! assert_eq!(scene.faces[0].person, scene.faces[2].person);
//! let [_, _, w, h] = scene.faces[1].bbox;
//! assert!(h >= options.face_height.0 && w < h);
//! # Ok::<(), phiz_synth::SynthError>(())
//! ```

mod backdrop;
mod canvas;
mod error;
mod model;
mod people;
mod random;
mod scene;
mod spline;

pub use error::SynthError;
pub use model::{Component, FaceModel, Frame, Head};
pub use people::{Look, Person};
pub use scene::{Scene, SceneOptions, Truth};
pub use spline::Spline;
