//! Labels: every script that the system's fonts know, what is missing is told, and no face is covered.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_image::Image;
use phiz_image::draw::{self, Fonts};
use proptest::prelude::*;

fn blank(w: u32, h: u32) -> Image {
    Image::from_rgb(w, h, vec![0; (w * h * 3) as usize]).unwrap()
}

fn white(image: &Image) -> usize {
    image.pixels().chunks_exact(3).filter(|p| p[0] > 128).count()
}

#[test]
fn the_built_in_face_says_what_it_cannot_draw() {
    let fonts = Fonts::built_in();
    let mut image = blank(400, 40);
    let drawn = draw::text(&mut image, &fonts, "Zoë 王小明 Ω", [0.0, 0.0], 16.0, [255; 3], [0; 3]);
    assert_eq!(drawn.missing, "王小明");
    assert!(white(&image) > 100 && drawn.width > 50.0 && drawn.height > 16.0);
    assert_eq!(drawn, draw::measure(&fonts, "Zoë 王小明 Ω", 16.0));
}

#[test]
fn a_label_stays_in_its_ground_and_in_the_picture() {
    let mut image = blank(60, 40);
    for at in [[-30.0, -10.0], [40.0, 30.0], [1e9, -1e9], [f32::NAN, 0.0]] {
        draw::text(&mut image, Fonts::system(), "Name of somebody", at, 16.0, [255; 3], [9; 3]);
    }
    for size in [0.0, -5.0, f32::NAN, f32::INFINITY] {
        draw::text(&mut image, Fonts::system(), "a\nb\u{202e}c\u{7}", [0.0, 0.0], size, [255; 3], [9; 3]);
    }
}

/// Names in many scripts. Which of them a machine can draw depends on its fonts; what it cannot is told.
#[test]
fn names_in_every_script_are_drawn_or_named() {
    let fonts = Fonts::system();
    if fonts.is_empty() {
        eprintln!("SKIPPED: no fonts on this system");
        return;
    }
    let mut drawn_all = 0;
    for name in [
        "Zoë Ångström",
        "Łukasz Żółć",
        "Ελένη",
        "Владимир",
        "王小明",
        "ひろこ",
        "김민준",
        "محمد علي",
        "שרה",
        "आर्या",
        "สมชาย",
    ] {
        let mut image = blank(400, 60);
        let drawn = draw::text(&mut image, fonts, name, [5.0, 5.0], 30.0, [255; 3], [0; 3]);
        assert!(white(&image) > 50, "{name} left no ink");
        assert!(drawn.missing.chars().all(|c| name.contains(c)), "{name}");
        drawn_all += usize::from(drawn.missing.is_empty());
    }
    assert!(drawn_all >= 3, "fonts are there, but only {drawn_all} names could be drawn");
}

/// In Arabic a letter changes its form beside another: two letters that are joined are not as wide as two apart.
#[test]
fn letters_are_shaped_not_only_put_side_by_side() {
    let fonts = Fonts::system();
    let width = |text: &str| draw::measure(fonts, text, 40.0).width;
    if fonts.is_empty() || !draw::measure(fonts, "لا", 40.0).missing.is_empty() {
        eprintln!("SKIPPED: no font with Arabic letters");
        return;
    }
    assert!((width("لا") - width("ل") - width("ا") + width("")).abs() > 1.0);
}

fn boxes() -> impl Strategy<Value = Vec<[f32; 4]>> {
    prop::collection::vec((0.0f32..900.0, 0.0f32..700.0, 20.0f32..90.0), 1..12)
        .prop_map(|faces| faces.into_iter().map(|(x, y, side)| [x, y, side, side * 1.2]).collect())
}

fn share(a: [f32; 4], b: [f32; 4]) -> f32 {
    let side = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    side(0) * side(1)
}

proptest! {
    /// A dozen faces leave room for a dozen names.
    #[test]
    fn labels_cover_no_face_and_stay_inside(boxes in boxes(), widths in prop::collection::vec(30.0f32..160.0, 12)) {
        let labels: Vec<[f32; 2]> = boxes.iter().zip(&widths).map(|(_, &w)| [w, 20.0]).collect();
        let places = draw::place_labels([1200, 900], &boxes, &labels);
        prop_assert_eq!(places.len(), boxes.len());
        for (place, label) in places.iter().zip(&labels) {
            let label = [place[0], place[1], label[0], label[1]];
            prop_assert!(label[0] >= 0.0 && label[1] >= 0.0);
            prop_assert!(label[0] + label[2] <= 1200.0 && label[1] + label[3] <= 900.0);
            for face in &boxes {
                prop_assert!(share(label, *face) <= 0.0, "{:?} covers {:?}", label, face);
            }
        }
    }
}

#[test]
fn a_label_larger_than_the_picture_begins_in_its_corner() {
    let places = draw::place_labels([50, 50], &[[0.0, 0.0, 50.0, 50.0]], &[[200.0, 90.0]]);
    assert_eq!(places, [[0.0, 0.0]]);
}
