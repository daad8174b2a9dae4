//! Picasa's file of a folder, `.picasa.ini`: which faces were marked in the folder's photos, and who they are.
//!
//! A section for each photo has `faces=rect64(3f845bcb59418507),8e62398ebda8c1a5;…`: four numbers of 16 bits, which are left,
//! top, right and bottom as shares of the picture as it is stored, and the person's id. The section `Contacts2` has the names:
//! `8e62398ebda8c1a5=Ada;;`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::area::Area;
use crate::read::{Found, Region, Schema};

/// What Picasa calls its file; the second is what it was in the beginning.
pub const NAMES: [&str; 2] = [".picasa.ini", "Picasa.ini"];
/// The id of a face that nobody has named.
const NOBODY: &str = "ffffffffffffffff";

/// What Picasa says of the photos of one folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picasa {
    names: BTreeMap<String, String>,
    /// By name of the file, in lower case: Picasa ran on Windows.
    photos: BTreeMap<String, Vec<(Area, String)>>,
}

impl Picasa {
    /// Reads the file. What is not understood is passed over, as Picasa did.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Picasa {
        let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        let mut picasa = Picasa::default();
        let mut section = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_lowercase();
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            if section == "contacts2" {
                let name = value.split(';').next().unwrap_or_default().trim();
                if !name.is_empty() {
                    picasa.names.insert(key.trim().to_lowercase(), name.to_owned());
                }
            } else if key.trim() == "faces" {
                // A section that stands there twice is what a crash left; the later one counts.
                picasa.photos.insert(section.clone(), value.split(';').filter_map(face).collect());
            }
        }
        picasa
    }

    /// What is said of a photo; and the ids of people in it whose names the file does not have.
    #[must_use]
    pub fn of(&self, photo: &Path) -> (Found, Vec<String>) {
        let mut found = Found::default();
        let mut unnamed = Vec::new();
        let name = photo.file_name().map(|name| name.to_string_lossy().to_lowercase());
        for (area, id) in name.and_then(|name| self.photos.get(&name)).into_iter().flatten() {
            let name = self.names.get(id).cloned();
            if name.is_none() && id != NOBODY {
                unnamed.push(id.clone());
            }
            found.regions.push(Region { name, area: *area, schema: Schema::Picasa, ours: false });
        }
        (found, unnamed)
    }
}

/// `rect64(3f845bcb59418507),8e62398ebda8c1a5`; zeros at the beginning are left out.
fn face(text: &str) -> Option<(Area, String)> {
    let (rectangle, id) = text.trim().strip_prefix("rect64(")?.split_once("),")?;
    let sides = u64::from_str_radix(rectangle, 16).ok()?;
    let side = |place: u32| (sides >> (48 - 16 * place) & 0xffff) as f64 / 65535.0;
    let (left, top, right, bottom) = (side(0), side(1), side(2), side(3));
    let area = Area { x: (left + right) / 2.0, y: (top + bottom) / 2.0, w: right - left, h: bottom - top };
    let id = id.trim().to_lowercase();
    (area.is_some() && !id.is_empty()).then_some((area, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_and_names_are_read() {
        let ini = "\u{feff}[Picasa]\r\nname=Trip\r\n[a.JPG]\r\nstar=yes\r\n\
                   faces=rect64(3f845bcb59418507),8e62398ebda8c1a5;rect64(1000200030004000),FFFFFFFFFFFFFFFF;rect64(123400008000ffff),beef\r\n\
                   rotate=rotate(1)\r\n[b.jpg]\r\nfaces=nonsense;rect64(zz),1;rect64(5000500020002000),1\r\n\
                   stray\r\n[Contacts]\r\nbeef=joe_lh,123\r\n[Contacts2]\r\n8E62398EBDA8C1A5=Ada Lovelace;;\r\n0=;;\r\n";
        let picasa = Picasa::read(ini.as_bytes());
        let (found, unnamed) = picasa.of(Path::new("/photos/A.jpg"));
        assert_eq!(unnamed, ["beef"]);
        let names: Vec<_> = found.regions.iter().map(|region| region.name.as_deref()).collect();
        assert_eq!(names, [Some("Ada Lovelace"), None, None]);
        let Area { x, y, w, h } = found.regions[0].area;
        let share = |sides: u32| f64::from(sides) / 65535.0;
        let (left, top, right, bottom) = (share(0x3f84), share(0x5bcb), share(0x5941), share(0x8507));
        for (is, should) in
            [(x, (left + right) / 2.0), (y, (top + bottom) / 2.0), (w, right - left), (h, bottom - top)]
        {
            assert!((is - should).abs() < 1e-12, "{is} {should}");
        }
        // A number whose first digits are zeros is shorter.
        let short =
            Picasa::read(b"[a.jpg]\nfaces=rect64(2000300080009000),1\n[b.jpg]\nfaces=rect64(80009000),1\n");
        assert!((short.of(Path::new("b.jpg")).0.regions[0].area.w - share(0x8000)).abs() < 1e-12);
        // What has no extent is none.
        assert!(picasa.of(Path::new("b.jpg")).0.regions.is_empty());
        assert_eq!(picasa.of(Path::new("c.jpg")), (Found::default(), Vec::new()));
        assert_eq!(Picasa::read(b"\xff\xfe\0[\n=\n]"), Picasa::default());
    }
}
