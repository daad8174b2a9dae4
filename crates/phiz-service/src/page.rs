//! Photos that were found as one page: with their faces and names, and without any other file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phiz_image::{DecodeOptions, Image};

use crate::{Album, FoundPhoto, Photo, Service};

/// The long side of a photo on the page.
const SHOWN: u32 = 640;

const STYLE: &str = "body{font:16px/1.4 system-ui,sans-serif;margin:2rem;background:#fafaf8;color:#202024}\
h1{font-size:1.4rem}section{display:flex;flex-wrap:wrap;gap:1rem;margin:0 0 2rem;border-top:1px solid #ddd;padding-top:1rem}\
figure{margin:0;max-width:40rem}figure img{max-width:100%;height:auto;border-radius:4px}\
figcaption{color:#555;font-size:.85rem;overflow-wrap:anywhere}ul{list-style:none;margin:0;padding:0;display:flex;\
flex-wrap:wrap;gap:.75rem;align-content:flex-start}li{width:7rem;font-size:.85rem}li img{width:7rem;height:7rem;\
border-radius:4px;display:block}";

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A picture within the page; nothing if it cannot be encoded.
fn inline(image: &Image, alt: &str) -> String {
    match image.encode_jpeg(82) {
        Ok(bytes) => {
            format!(
                "<img alt=\"{}\" src=\"data:image/jpeg;base64,{}\">",
                escaped(alt),
                STANDARD.encode(bytes)
            )
        }
        Err(_) => String::new(),
    }
}

fn smaller(image: &Image) -> Image {
    let long = image.width().max(image.height());
    if long <= SHOWN {
        return image.clone();
    }
    let side = |v: u32| (u64::from(v) * u64::from(SHOWN)).div_ceil(u64::from(long)).max(1) as u32;
    image.resize(side(image.width()), side(image.height()))
}

impl Service {
    /// The aligned faces of an album's sightings as encoded pictures, with what stands under each; and of how many the photo
    /// cannot be read. Each photo is read once.
    #[must_use]
    pub fn pictures(
        &self,
        album: &Album<'_>,
        faces: impl IntoIterator<Item = (String, usize)>,
    ) -> (Vec<(String, Vec<u8>)>, usize) {
        let faces: Vec<(String, usize)> = faces.into_iter().collect();
        let mut of_file: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
        let mut made: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for (number, (_, place)) in faces.iter().enumerate() {
            if let Some(Photo::File(file)) = album.photo_file(*place) {
                of_file.entry(file).or_default().push(number);
            } else if let Ok(Some(crop)) = album.gallery().sighting_crop(album.archive.sightings[*place].id) {
                made.insert(number, crop);
            }
        }
        for (file, numbers) in of_file {
            let Ok(image) = Photo::File(file).decode(&DecodeOptions::default()) else { continue };
            for number in numbers {
                let picture = self.picture_in(&image, &album.archive.sightings[faces[number].1]);
                if let Ok(bytes) = picture.encode_jpeg(92) {
                    made.insert(number, bytes);
                }
            }
        }
        let without = faces.len() - made.len();
        let with = faces.into_iter().enumerate();
        let pictures = with.filter_map(|(number, (caption, _))| Some((caption, made.remove(&number)?)));
        (pictures.collect(), without)
    }

    /// One page with the photos that were found, their faces and names. It needs no other file and no network.
    #[must_use]
    pub fn page(&self, album: &Album<'_>, found: &[FoundPhoto], title: &str) -> String {
        let title = escaped(title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
             <title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n"
        );
        for photo in found {
            // Writing to a string cannot fail.
            _ = self.section(&mut page, album, photo);
        }
        page
    }

    fn section(&self, page: &mut String, album: &Album<'_>, photo: &FoundPhoto) -> std::fmt::Result {
        let path = escaped(&photo.path.path);
        let Ok(image) = Photo::from_path(&photo.file).decode(&DecodeOptions::default()) else {
            return writeln!(
                page,
                "<section><figure><figcaption>{path}: cannot be read</figcaption></figure></section>"
            );
        };
        let picture = inline(&smaller(&image), "");
        writeln!(page, "<section><figure>{picture}<figcaption>{path}</figcaption></figure><ul>")?;
        for face in &photo.faces {
            let name = face.person.as_deref().unwrap_or("unknown");
            if let Some(place) = album.archive.place(face.sighting) {
                let picture = self.picture_in(&image, &album.archive.sightings[place]);
                writeln!(page, "<li>{}{}</li>", inline(&picture, name), escaped(name))?;
            }
        }
        writeln!(page, "</ul></section>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_pictures_small() {
        assert_eq!(escaped("<b>\"Ana\" & 'Ben'"), "&lt;b&gt;&quot;Ana&quot; &amp; &#39;Ben&#39;");
        let image = Image::from_rgb(1280, 3, vec![9; 1280 * 3 * 3]).unwrap();
        let small = smaller(&image);
        assert_eq!((small.width(), small.height()), (640, 2));
    }
}
