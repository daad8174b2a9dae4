//! Names in photos' metadata, written for other programs and read from them, checked with ExifTool on synthetic people.
//!
//! Without `exiftool` these tests say that they skip and pass.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use phiz_image::{DecodeOptions, Image};
use serde_json::Value;
use tempfile::TempDir;

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

/// A folder with photos, and homes beside them.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// With the fixtures' people enrolled.
    fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        desk.run(0, "home", &["enroll", fixture("people").to_str().unwrap()]);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn copy(&self, fixture_name: &str, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(fixture(fixture_name), &path).unwrap();
        path
    }

    fn run(&self, code: i32, home: &str, arguments: &[&str]) -> (String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PHIZ_HOME", self.path(home))
            .env_remove("PHIZ_PASSPHRASE")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "phiz {arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn json(&self, home: &str, arguments: &[&str]) -> Vec<Value> {
        let (out, _) = self.run(0, home, arguments);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn exiftool(&self, arguments: &[&str]) -> Output {
        let output =
            Command::new("exiftool").args(arguments).current_dir(self.folder.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "exiftool {arguments:?}: {error}");
        output
    }

    /// What ExifTool reads of a file.
    fn metadata(&self, name: &str) -> Value {
        let output = self.exiftool(&["-json", "-n", "-struct", "-XMP:all", name]);
        serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap().remove(0)
    }

    /// Names and boxes of the regions in a file, as ExifTool reads them, in pixels of the stored picture.
    fn regions(&self, name: &str, width: f64, height: f64) -> Vec<(String, [f64; 4])> {
        let info = self.metadata(name)["RegionInfo"].clone();
        assert_eq!(info["AppliedToDimensions"]["W"].as_f64(), Some(width), "{info}");
        assert_eq!(info["AppliedToDimensions"]["H"].as_f64(), Some(height), "{info}");
        let list = info["RegionList"].as_array().unwrap().clone();
        list.iter()
            .map(|region| {
                assert_eq!(region["Type"], "Face");
                let number = |field: &str| region["Area"][field].as_f64().unwrap();
                let (w, h) = (number("W") * width, number("H") * height);
                let corner = [number("X") * width - w / 2.0, number("Y") * height - h / 2.0];
                (region["Name"].as_str().unwrap().to_owned(), [corner[0], corner[1], w, h])
            })
            .collect()
    }

    /// Whom `phiz identify` names in a photo, and where.
    fn identified(&self, home: &str, name: &str) -> Vec<(String, [f64; 4])> {
        let found = self.json(home, &["identify", "--json", name]).remove(0);
        let faces = found["faces"].as_array().unwrap().iter().filter(|face| face["decision"] == "match");
        let number = |face: &Value, index: usize| face["box"][index].as_f64().unwrap();
        let mut faces: Vec<_> = faces
            .map(|face| (face["person"].as_str().unwrap().to_owned(), [0, 1, 2, 3].map(|i| number(face, i))))
            .collect();
        faces.sort_by(|a, b| a.0.cmp(&b.0));
        faces
    }
}

fn names(faces: &[(String, [f64; 4])]) -> BTreeSet<&str> {
    faces.iter().map(|(name, _)| name.as_str()).collect()
}

/// A box of the upright picture in one that is stored with this orientation, both of the upright picture's size.
fn stored([x, y, w, h]: [f64; 4], orientation: u8, (width, height): (f64, f64)) -> [f64; 4] {
    let (right, bottom) = (width - x - w, height - y - h);
    match orientation {
        2 => [right, y, w, h],
        3 => [right, bottom, w, h],
        4 => [x, bottom, w, h],
        5 => [y, x, h, w],
        6 => [y, right, h, w],
        7 => [bottom, right, h, w],
        8 => [bottom, x, h, w],
        _ => [x, y, w, h],
    }
}

/// The part of a box that is in the picture.
fn clipped([x, y, w, h]: [f64; 4], (width, height): (f64, f64)) -> [f64; 4] {
    let (left, top) = (x.max(0.0), y.max(0.0));
    [left, top, (x + w).min(width) - left, (y + h).min(height) - top]
}

#[test]
fn exiftool_reads_the_regions_within_a_pixel_however_the_photo_lies() {
    if !has_exiftool() {
        return;
    }
    let desk = Desk::new();
    let upright = Image::open(&fixture("party.jpg"), &DecodeOptions::default()).unwrap();
    let size = (f64::from(upright.width()), f64::from(upright.height()));
    for orientation in [1u8, 3, 5, 6, 8] {
        // Stored so that turning it as the tag says shows it upright.
        let lying = match orientation {
            3 => upright.rotate90(2),
            5 => upright.mirrored().rotate90(3),
            6 => upright.rotate90(3),
            8 => upright.rotate90(1),
            _ => upright.clone(),
        };
        let name = format!("turned-{orientation}.jpg");
        std::fs::write(desk.path(&name), lying.encode_jpeg(95).unwrap()).unwrap();
        desk.exiftool(&["-q", "-n", "-overwrite_original", &format!("-Orientation={orientation}"), &name]);
        let before = std::fs::read(desk.path(&name)).unwrap();
        let answer = desk.json("home", &["tag", "--json", &name]).remove(0);
        assert_eq!((&answer["changed"], &answer["embedded"]), (&true.into(), &false.into()));
        assert_eq!(std::fs::read(desk.path(&name)).unwrap(), before, "the photo itself stays");
        let found = desk.identified("home", &name);
        assert!(found.len() >= 2, "orientation {orientation}: {found:?}");
        let (width, height) = (f64::from(lying.width()), f64::from(lying.height()));
        let mut regions = desk.regions(&format!("{name}.xmp"), width, height);
        regions.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(names(&regions), names(&found));
        for ((name, region), (_, face)) in regions.iter().zip(&found) {
            let face = stored(clipped(*face, size), orientation, size);
            for (is, should) in region.iter().zip(face) {
                assert!(
                    (is - should).abs() < 1.0,
                    "orientation {orientation}, {name}: {region:?}, not {face:?}"
                );
            }
        }
        // Whoever is enrolled from this photo is at the right place in it.
        let home = format!("home-{orientation}");
        desk.run(0, &home, &["enroll", "--from-metadata", &name, "--force"]);
        assert_eq!(names(&desk.identified(&home, &name)), names(&found), "orientation {orientation}");
    }
}

#[test]
fn a_round_trip_enrols_the_same_people() {
    if !has_exiftool() {
        return;
    }
    let desk = Desk::new();
    for (number, person) in ["Ada", "Ben", "Cleo", "Dan"].iter().enumerate() {
        desk.copy(&format!("people/{person}/2.jpg"), &format!("photos/{number}.jpg"));
    }
    desk.copy("party.jpg", "photos/party.jpg");
    desk.copy("nobody.jpg", "photos/nobody.jpg");
    desk.run(0, "home", &["tag", "photos"]);
    assert!(!desk.path("photos/nobody.jpg.xmp").exists(), "there is nothing to say of it");
    let (out, _) = desk.run(0, "new", &["enroll", "--from-metadata", "photos", "--force"]);
    let listed = |home: &str| -> BTreeSet<String> {
        let people = desk.json(home, &["people", "list", "--json"]);
        people.iter().map(|person| person["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("new"), listed("home"), "{out}");
    for photo in ["photos/party.jpg", "photos/0.jpg", "photos/3.jpg"] {
        assert_eq!(desk.identified("new", photo), desk.identified("home", photo), "{photo}");
    }
    // What is enrolled already is no failure, and what Phiz wrote itself may be passed over.
    let again = desk.json("new", &["enroll", "--from-metadata", "photos", "--force", "--json"]);
    let photos = again.iter().flat_map(|person| person["photos"].as_array().unwrap());
    assert!(
        photos.clone().count() > 4 && photos.clone().all(|photo| photo["known"].is_string()),
        "{again:?}"
    );
    let (_, err) = desk.run(2, "other", &["enroll", "--from-metadata", "photos", "--skip-own"]);
    assert!(err.contains("no photo there names anybody"), "{err}");
}

#[test]
fn people_whom_picasa_and_the_iptc_name_are_learnt() {
    let desk = Desk::new();
    desk.copy("party.jpg", "picasa/Party.JPG");
    desk.copy("people/Dan/2.jpg", "picasa/dan.jpg");
    desk.copy("party.jpg", "iptc/party.jpg");
    let found = desk.identified("home", "iptc/party.jpg");
    assert!(found.len() >= 4, "{found:?}");
    let (width, height) = (1200.0, 800.0);

    // As Picasa writes it: sides as 16 bits, zeros at the beginning left out, one face that nobody has named.
    let rectangle = |[x, y, w, h]: [f64; 4]| {
        let side = |share: f64| (share.clamp(0.0, 1.0) * 65535.0).round() as u64;
        let sides = [x / width, y / height, (x + w) / width, (y + h) / height].map(side);
        format!("rect64({:x})", sides.iter().fold(0, |all, side| all << 16 | side))
    };
    let of = |name: &str| found.iter().find(|(found, _)| found == name).unwrap().1;
    let ini = format!(
        "[Picasa]\r\nname=Party\r\n[Party.jpg]\r\nfaces={},8e62;{},ffffffffffffffff;{},beef\r\n[Contacts2]\r\n8E62=Ada L.;;\r\n",
        rectangle(of("Ada")),
        rectangle(of("Ben")),
        rectangle(of("Cleo")),
    );
    std::fs::write(desk.path("picasa/.picasa.ini"), ini).unwrap();
    let (out, err) = desk.run(1, "picasa-home", &["enroll", "--from-metadata", "picasa", "--force"]);
    assert!(out.contains("Ada L.: 1 face") && !out.contains("Cleo"), "{out}");
    assert!(err.contains("beef") && err.contains(".picasa.ini"), "{err}");
    let again = desk.identified("picasa-home", "picasa/Party.JPG");
    assert_eq!(again, [("Ada L.".to_owned(), of("Ada"))]);
    // What stands in the photo itself goes before Picasa's file.
    if !has_exiftool() {
        return;
    }
    let region = |name: &str, [x, y, w, h]: [f64; 4]| {
        format!(
            "{{PersonInImage=[{name}],RegionBoundary={{RbShape=rectangle,RbUnit=relative,RbX={},RbY={},RbW={},RbH={}}}}}",
            x / width,
            y / height,
            w / width,
            h / height
        )
    };
    let regions = format!("[{},{}]", region("Ben B", of("Ben")), region("Cleo C", of("Cleo")));
    let argument = format!("-XMP-iptcExt:ImageRegion={regions}");
    desk.exiftool(&["-q", "-overwrite_original", &argument, "iptc/party.jpg", "picasa/Party.JPG"]);
    for folder in ["iptc", "picasa"] {
        let (out, _) = desk.run(0, folder, &["enroll", "--from-metadata", folder, "--force"]);
        assert!(out.contains("Ben B: 1 face") && out.contains("Cleo C: 1 face"), "{out}");
        assert!(!out.contains("Ada"), "{out}");
    }
    let again = desk.identified("iptc", "iptc/party.jpg");
    assert_eq!(again, [("Ben B".to_owned(), of("Ben")), ("Cleo C".to_owned(), of("Cleo"))]);
}

#[test]
fn sidecars_of_others_are_merged_and_can_be_had_back() {
    if !has_exiftool() {
        return;
    }
    let desk = Desk::new();
    desk.copy("party.jpg", "party.jpg");
    let found = desk.identified("home", "party.jpg");
    let (name, [x, y, w, h]) = &found[0];
    let picture = Image::open(&fixture("party.jpg"), &DecodeOptions::default()).unwrap();
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let region = format!(
        "-RegionInfo={{AppliedToDimensions={{W={width},H={height},Unit=pixel}},RegionList=[{{Name=Zoe,Type=Face,\
         Area={{X={},Y={},W={},H={},Unit=normalized}}}},{{Name=Rex,Type=Pet,Area={{X=0.9,Y=0.9,W=0.1,H=0.1,Unit=normalized}}}}]}}",
        (x + w / 2.0) / width,
        (y + h / 2.0) / height,
        w / width,
        h / height
    );
    desk.exiftool(&[
        "-q",
        &region,
        "-XMP:Rating=4",
        "-XMP:GPSLatitude=48.85",
        "-XMP-dc:Subject=Paris",
        "-XMP-dc:Title=A party",
        "party.jpg.xmp",
    ]);
    let before = std::fs::read(desk.path("party.jpg.xmp")).unwrap();
    let (_, err) = desk.run(0, "home", &["tag", "--dry-run", "party.jpg"]);
    assert!(err.contains("would be written"), "{err}");
    assert_eq!(std::fs::read(desk.path("party.jpg.xmp")).unwrap(), before);
    let answer = desk.json("home", &["tag", "--json", "party.jpg"]).remove(0);
    let theirs: Vec<&Value> =
        answer["faces"].as_array().unwrap().iter().filter(|face| face["region"] == "theirs").collect();
    assert_eq!(theirs.len(), 1, "{answer}");
    assert_eq!((&theirs[0]["person"], &theirs[0]["theirs"]), (&Value::from(name.as_str()), &"Zoe".into()));
    let after = desk.metadata("party.jpg.xmp");
    let region_names: Vec<&str> = after["RegionInfo"]["RegionList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| region["Name"].as_str().unwrap())
        .collect();
    assert_eq!(region_names[..2], ["Zoe", "Rex"]);
    assert_eq!(region_names.len(), found.len() + 1, "{region_names:?}");
    assert_eq!((&after["Rating"], &after["Title"]), (&4.into(), &"A party".into()));
    assert!((after["GPSLatitude"].as_f64().unwrap() - 48.85).abs() < 1e-6);
    let subjects = after["Subject"].as_array().unwrap();
    assert!(subjects.contains(&"Paris".into()) && subjects.len() == found.len() + 1, "{subjects:?}");
    let second = desk.json("home", &["tag", "--json", "party.jpg"]).remove(0);
    assert_eq!(second["changed"], false);
    // Back again, to the byte; a second time there is nothing to take back.
    desk.run(0, "home", &["tag", "--undo"]);
    assert_eq!(std::fs::read(desk.path("party.jpg.xmp")).unwrap(), before);
    let (_, err) = desk.run(2, "home", &["tag", "--undo"]);
    assert!(err.contains("nothing to take back"), "{err}");
    // What somebody changed since is left alone.
    desk.run(0, "home", &["tag", "party.jpg"]);
    desk.exiftool(&["-q", "-overwrite_original", "-XMP:Rating=5", "party.jpg.xmp"]);
    let theirs = std::fs::read(desk.path("party.jpg.xmp")).unwrap();
    let (_, err) = desk.run(1, "home", &["tag", "--undo"]);
    assert!(err.contains("changed since"), "{err}");
    assert_eq!(std::fs::read(desk.path("party.jpg.xmp")).unwrap(), theirs);
}

#[test]
fn photos_keep_their_pixels_and_everything_else() {
    if !has_exiftool() {
        return;
    }
    let desk = Desk::new();
    desk.copy("party.jpg", "a.jpg");
    desk.exiftool(&[
        "-q",
        "-overwrite_original",
        "-Artist=Somebody",
        "-IPTC:City=Paris",
        "-XMP:Rating=3",
        "a.jpg",
    ]);
    desk.copy("people/Ada/1.jpg", "b.jpg");
    std::fs::write(
        desk.path("c.png"),
        Image::open(&fixture("party.jpg"), &DecodeOptions::default()).unwrap().encode_png().unwrap(),
    )
    .unwrap();
    let before = ["a.jpg", "b.jpg", "c.png"].map(|name| std::fs::read(desk.path(name)).unwrap());
    let (_, err) = desk.run(1, "home", &["tag", "--embed", "a.jpg", "b.jpg", "c.png"]);
    assert!(err.contains("c.png: cannot take metadata inside itself"), "{err}");
    let scan = |bytes: &[u8]| bytes[bytes.windows(2).rposition(|w| w == b"\xff\xda").unwrap()..].to_vec();
    for (name, before) in ["a.jpg", "b.jpg"].iter().zip(&before) {
        let after = std::fs::read(desk.path(name)).unwrap();
        assert_ne!(&after, before);
        assert_eq!(scan(&after), scan(before), "{name}");
        let decode = |bytes: &[u8]| Image::decode(bytes, &DecodeOptions::default()).unwrap();
        assert_eq!(decode(&after), decode(before));
        let checked = desk.exiftool(&["-validate", "-warning", "-error", "-a", name]);
        let told = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(!told.contains("Error") && !told.contains("XMP"), "{name}: {told}");
    }
    assert_eq!(std::fs::read(desk.path("c.png")).unwrap(), before[2]);
    let read = desk.exiftool(&["-json", "-n", "-Artist", "-City", "-Rating", "-Subject", "a.jpg"]);
    let read: Value = serde_json::from_slice::<Vec<Value>>(&read.stdout).unwrap().remove(0);
    assert_eq!(
        (&read["Artist"], &read["City"], &read["Rating"]),
        (&"Somebody".into(), &"Paris".into(), &3.into())
    );
    assert!(read["Subject"].as_array().is_some_and(|subjects| subjects.len() >= 2), "{read}");
    desk.run(0, "new", &["enroll", "--from-metadata", "a.jpg", "b.jpg", "--force"]);
    assert_eq!(desk.identified("new", "b.jpg").len(), 1);
    let left: Vec<String> = std::fs::read_dir(desk.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("tmp") || name.ends_with(".xmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    desk.run(0, "home", &["tag", "--undo"]);
    for (name, before) in ["a.jpg", "b.jpg", "c.png"].iter().zip(&before) {
        assert_eq!(&std::fs::read(desk.path(name)).unwrap(), before, "{name}");
    }
}

#[test]
fn names_that_others_wrote_are_learnt() {
    if !has_exiftool() {
        return;
    }
    let desk = Desk::new();
    let of = |home: &str, name: &str| desk.identified(home, name)[0].1;
    for (name, person) in
        [("mwg.jpg", "Ada"), ("microsoft.jpg", "Ben"), ("adobe.jpg", "Cleo"), ("wrong.jpg", "Dan")]
    {
        desk.copy(&format!("people/{person}/1.jpg"), name);
    }
    let size = |name: &str| {
        let picture = Image::open(&desk.path(name), &DecodeOptions::default()).unwrap();
        (f64::from(picture.width()), f64::from(picture.height()))
    };
    let region = |name: &str, called: &str, grown: f64| {
        let ((width, height), [x, y, w, h]) = (size(name), of("home", name));
        format!(
            "-RegionInfo={{AppliedToDimensions={{W={width},H={height},Unit=pixel}},RegionList=[{{Name={called},Type=Face,\
             Area={{X={},Y={},W={},H={},Unit=normalized}}}}]}}",
            (x + w / 2.0) / width,
            (y + h / 2.0) / height,
            w * grown / width,
            h * grown / height
        )
    };
    // A box around all of the hair, as some programs draw it.
    desk.exiftool(&["-q", "-overwrite_original", &region("mwg.jpg", "Anna", 1.5), "mwg.jpg"]);
    let ((width, height), [x, y, w, h]) = (size("microsoft.jpg"), of("home", "microsoft.jpg"));
    // ExifTool wants commas within a value marked.
    let rectangle = format!("{}|, {}|, {}|, {}", x / width, y / height, w / width, h / height);
    let microsoft = format!("-RegionInfoMP={{Regions=[{{PersonDisplayName=Bernd,Rectangle={rectangle}}}]}}");
    desk.exiftool(&["-q", "-overwrite_original", &microsoft, "microsoft.jpg"]);
    desk.exiftool(&["-q", &region("adobe.jpg", "Clea", 1.0), "adobe.xmp"]);
    std::fs::write(desk.path("wrong.jpg.xmp"), "<x:xmpmeta this is cut").unwrap();
    let (out, err) = desk.run(1, "new", &["enroll", "--from-metadata", "."]);
    assert!(err.contains("wrong.jpg: its sidecar wrong.jpg.xmp is not XMP"), "{err}");
    for name in ["Anna", "Bernd", "Clea"] {
        assert!(out.contains(&format!("{name}: 1 face enrolled")), "{out}\n{err}");
    }
    for (photo, name) in
        [("people/Ada/2.jpg", "Anna"), ("people/Ben/2.jpg", "Bernd"), ("people/Cleo/2.jpg", "Clea")]
    {
        let found = desk.identified("new", fixture(photo).to_str().unwrap());
        assert_eq!(names(&found), BTreeSet::from([name]), "{photo}");
    }
}
