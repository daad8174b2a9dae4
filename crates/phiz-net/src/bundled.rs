//! The networks that every Phiz binary carries: a pair, and a small pair for little machines.
//! They are statics, since the bytes of a constant would be copied into every crate that names it.

/// Card and ONNX bytes of the bundled detector.
pub static DETECTOR: (&str, &[u8]) =
    (include_str!("../../../models/phiz-detect.toml"), include_bytes!("../../../models/phiz-detect.onnx"));

/// ONNX bytes of the bundled detector's refinement stage.
pub static SECOND: &[u8] = include_bytes!("../../../models/phiz-second.onnx");

/// Card and ONNX bytes of the bundled embedder.
pub static EMBEDDER: (&str, &[u8]) =
    (include_str!("../../../models/phiz-embed.toml"), include_bytes!("../../../models/phiz-embed.onnx"));

/// Card and ONNX bytes of the small detector.
pub static SMALL_DETECTOR: (&str, &[u8]) = (
    include_str!("../../../models/phiz-detect-small.toml"),
    include_bytes!("../../../models/phiz-detect-small.onnx"),
);

/// ONNX bytes of the small detector's refinement stage.
pub static SMALL_SECOND: &[u8] = include_bytes!("../../../models/phiz-second-small.onnx");

/// Card and ONNX bytes of the small embedder.
pub static SMALL_EMBEDDER: (&str, &[u8]) = (
    include_str!("../../../models/phiz-embed-small.toml"),
    include_bytes!("../../../models/phiz-embed-small.onnx"),
);
