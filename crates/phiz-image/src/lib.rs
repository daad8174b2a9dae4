//! Pictures: decode, upright, limits, resize, warp, draw. Knows no model.
