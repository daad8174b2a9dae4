//! What Phiz does with a photo.
