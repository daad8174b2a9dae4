//! From a picture to a file.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::{ErrorKind, Image, ImageError};

impl Image {
    /// The bytes of a JPEG file of this quality, from 1 to 100.
    ///
    /// # Errors
    /// A side beyond the 65,535 pixels of the format.
    pub fn encode_jpeg(&self, quality: u8) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .write_image(&self.pixels, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(|e| ImageError::new(ErrorKind::Caller, format!("cannot be written as JPEG ({e})")))?;
        Ok(bytes)
    }

    /// The bytes of a PNG file, which is without loss.
    ///
    /// # Errors
    /// A side beyond what the format can hold.
    pub fn encode_png(&self) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes)
            .write_image(&self.pixels, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(|e| ImageError::new(ErrorKind::Caller, format!("cannot be written as PNG ({e})")))?;
        Ok(bytes)
    }

    /// Writes a file, JPEG (quality 92) or PNG by its extension.
    ///
    /// # Errors
    /// Another extension, or a file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ImageError> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        let bytes = match extension.as_str() {
            "jpg" | "jpeg" => self.encode_jpeg(92),
            "png" => self.encode_png(),
            _ => Err(ImageError::new(ErrorKind::Caller, "must end in .jpg or .png to be written")),
        };
        let bytes = bytes.map_err(|e| e.at(path))?;
        let io = |e| ImageError::new(ErrorKind::Io, format!("cannot be written ({e})")).at(path);
        std::fs::write(path, bytes).map_err(io)
    }
}
