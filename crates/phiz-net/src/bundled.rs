//! The networks that every Phiz binary carries.

/// Card and ONNX bytes of the bundled detector.
pub const DETECTOR: (&str, &[u8]) =
    (include_str!("../../../models/phiz-detect.toml"), include_bytes!("../../../models/phiz-detect.onnx"));

/// ONNX bytes of the bundled detector's second look.
pub const SECOND: &[u8] = include_bytes!("../../../models/phiz-second.onnx");

/// Card and ONNX bytes of the bundled embedder.
pub const EMBEDDER: (&str, &[u8]) =
    (include_str!("../../../models/phiz-embed.toml"), include_bytes!("../../../models/phiz-embed.onnx"));
