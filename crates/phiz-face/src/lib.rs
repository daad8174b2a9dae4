//! Image to faces: detect, align, embed, quality, pose. Opens no database.
