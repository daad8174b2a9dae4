//! What ExifTool reads of what was written, and what is read of what ExifTool wrote. Without `exiftool` these tests say that
//! they skip and pass.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use phiz_meta::{Area, Face, Frame, Orientation, Outcome, Tags, embedded, file, jpeg, merge, read};

fn exiftool(arguments: &[&str], at: &Path) -> String {
    let output = Command::new("exiftool").args(arguments).arg(at).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "exiftool {arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn has_exiftool() -> bool {
    let has = Command::new("exiftool").arg("-ver").output().is_ok_and(|output| output.status.success());
    if !has {
        // Not by `eprintln!`, which a test that passes keeps to itself.
        let mut out = std::io::stderr();
        writeln!(out, "skipped: there is no exiftool").unwrap();
    }
    has
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

/// Boxes in pixels of the upright picture.
const BOXES: [(&str, [f32; 4]); 3] = [
    ("Ada", [100.5, 50.25, 300.0, 380.0]),
    ("Zoë O'Neil & <Co>", [2000.0, 10.0, 90.0, 100.0]),
    ("李", [-20.0, 2900.0, 200.0, 200.0]),
];

#[test]
fn regions_are_read_within_a_pixel_in_every_orientation() {
    if !has_exiftool() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=8 {
        let orientation = Orientation::of(number);
        // The picture as it is seen has 4000×3000 pixels.
        let (w, h) = if orientation.is_sideways() { (3000, 4000) } else { (4000, 3000) };
        let area = |bbox| Area::of_box(bbox, 4000, 3000).unwrap();
        let faces = BOXES.map(|(name, bbox)| Face { name: name.into(), area: area(bbox) });
        let tags = Tags { faces: faces.to_vec(), ..Tags::of(w, h, orientation) };
        let path = folder.path().join(format!("{number}.jpg.xmp"));
        file::replace(&path, &merge(None, &tags).unwrap().packet).unwrap();
        // One call for all: starting it takes most of the time.
        const ASKED: [&str; 12] = [
            "-RegionAppliedToDimensionsW",
            "-RegionAppliedToDimensionsH",
            "-RegionName",
            "-RegionType",
            "-RegionAreaUnit",
            "-RegionAreaX",
            "-RegionAreaY",
            "-RegionAreaW",
            "-RegionAreaH",
            "-XMP-dc:Subject",
            "-XMP-digiKam:TagsList",
            "-XMP-lr:HierarchicalSubject",
        ];
        let told = exiftool(&[&["-n", "-s3", "-f", "-sep", "#"][..], &ASKED].concat(), &path);
        let lines: Vec<&str> = told.lines().collect();
        let line = |tag: &str| lines[ASKED.iter().position(|asked| *asked == tag).unwrap()].to_owned();
        assert_eq!(line("-RegionAppliedToDimensionsW"), w.to_string());
        assert_eq!(line("-RegionAppliedToDimensionsH"), h.to_string());
        assert_eq!(line("-RegionName"), BOXES.map(|(name, _)| name).join("#"));
        assert_eq!(line("-RegionType"), "Face#Face#Face");
        assert_eq!(line("-RegionAreaUnit"), "normalized#normalized#normalized");
        let all =
            |tag: &str| -> Vec<f64> { line(tag).split('#').map(|number| number.parse().unwrap()).collect() };
        let (x, y, wide, high) =
            (all("-RegionAreaX"), all("-RegionAreaY"), all("-RegionAreaW"), all("-RegionAreaH"));
        for (place, (name, bbox)) in BOXES.iter().enumerate() {
            let stored = Area { x: x[place], y: y[place], w: wide[place], h: high[place] };
            let seen = orientation.to_upright(stored).to_box(4000, 3000);
            let should = area(*bbox).to_box(4000, 3000);
            assert!(
                seen.iter().zip(should).all(|(is, should)| (is - should).abs() < 0.05),
                "{number} {name}: {seen:?}"
            );
        }
        let subjects = line("-XMP-dc:Subject");
        assert!(
            BOXES.iter().all(|(name, _)| subjects.split('#').any(|subject| subject == *name)),
            "{subjects}"
        );
        assert!(line("-XMP-digiKam:TagsList").contains("People/Ada"));
        assert!(line("-XMP-lr:HierarchicalSubject").contains("People|Ada"));
        if number == 1 {
            let told = exiftool(&["-validate", "-warning", "-error", "-a"], &path);
            assert!(!told.contains("Error") && !told.contains("Warning"), "{told}");
        }
    }
}

#[test]
fn what_exiftool_wrote_is_read_and_kept() {
    if !has_exiftool() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.jpg");
    std::fs::copy(fixture("party.jpg"), &photo).unwrap();
    let before = std::fs::read(&photo).unwrap();
    let mwg = "-RegionInfo={AppliedToDimensions={W=4000,H=3000,Unit=pixel},RegionList=[{Name=Zoe,Type=Face,\
               Area={X=0.25,Y=0.5,W=0.1,H=0.2,Unit=normalized}},{Type=Face,Area={X=0.75,Y=0.5,W=0.1,H=0.2,Unit=normalized}},\
               {Name=Rex,Type=Pet,Area={X=0.9,Y=0.9,W=0.1,H=0.1,Unit=normalized}}]}";
    let microsoft = "-RegionInfoMP={Regions=[{PersonDisplayName=Max,Rectangle=0.4|, 0.1|, 0.1|, 0.1}]}";
    exiftool(
        &[
            "-q",
            "-overwrite_original",
            mwg,
            microsoft,
            "-XMP:Rating=4",
            "-XMP-dc:Title=A party",
            "-IPTC:City=Paris",
            "-Artist=Eve",
        ],
        &photo,
    );
    let written = std::fs::read(&photo).unwrap();
    let packets = embedded(&written);
    let found = read(&packets[0]).unwrap();
    let names: Vec<Option<&str>> = found.regions.iter().map(|region| region.name.as_deref()).collect();
    assert_eq!(names, [Some("Zoe"), None, Some("Max")]);
    assert_eq!(found.frame((4000, 3000), Orientation::UPRIGHT).unwrap(), Frame::Stored);
    let area = |x: f64| Area { x, y: 0.5, w: 0.1, h: 0.2 };
    let faces = vec![
        Face { name: "Ada".into(), area: area(0.25) },
        Face { name: "Ben".into(), area: area(0.75) },
        Face { name: "Eva".into(), area: area(0.5) },
    ];
    let tags = Tags { faces, ..Tags::of(4000, 3000, Orientation::UPRIGHT) };
    let merged = merge(jpeg::packet(&written).unwrap(), &tags).unwrap();
    assert_eq!(merged.faces, [Outcome::Theirs("Zoe".into()), Outcome::Named, Outcome::Added]);
    let after = jpeg::with_packet(&written, Some(&merged.packet)).unwrap();
    file::replace(&photo, &after).unwrap();
    let scan = |bytes: &[u8]| bytes[bytes.windows(2).rposition(|w| w == b"\xff\xda").unwrap()..].to_vec();
    assert_eq!(scan(&after), scan(&before), "the picture itself");
    let told = exiftool(
        &[
            "-s",
            "-sep",
            ";",
            "-Rating",
            "-Title",
            "-City",
            "-Artist",
            "-RegionName",
            "-RegionPersonDisplayName",
        ],
        &photo,
    );
    for line in ["Rating", "Title", "City", "Artist", "RegionName", "RegionPersonDisplayName"] {
        assert!(told.contains(line), "{told}");
    }
    let names = exiftool(&["-s3", "-sep", ";", "-XMP-mwg-rs:RegionName"], &photo);
    assert_eq!(names.trim(), "Zoe;Ben;Rex;Eva");
    let told = exiftool(&["-validate", "-warning", "-error", "-a"], &photo);
    assert!(!told.contains("XMP") && !told.contains("Error"), "{told}");
    // And back, to the byte.
    let restored = jpeg::with_packet(&after, jpeg::packet(&written).unwrap()).unwrap();
    assert_eq!(restored, written);
}
