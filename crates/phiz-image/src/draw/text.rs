//! Text in any script, with the fonts of the system.
//!
//! A line is put into the order in which it is seen (right-to-left scripts, UAX 9), cut where another font is needed,
//! shaped by HarfBuzz's rules (joined Arabic letters, Indic vowels, accents) and drawn from the fonts' outlines. A
//! character that no font has is drawn with a built-in face of 8×8 pixels, which knows Latin and Greek; what that does not
//! know becomes a frame, and the caller is told.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use font8x8::UnicodeFonts;
use fontdb::{Database, Family, ID, Query, Style};
use harfrust::{Direction, FontRef, ShaperData, UnicodeBuffer};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::fill;
use crate::Image;

/// Families that are looked at first, where a system has them: plain faces of many letters.
const PREFERRED: [&str; 6] =
    ["Noto Sans", "DejaVu Sans", "Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans"];

/// Fonts to draw with.
pub struct Fonts {
    database: Database,
    /// In the order in which they are tried.
    order: Vec<ID>,
    /// Which font has a character, once that was asked: looking through all fonts takes long.
    known: Mutex<HashMap<char, Option<ID>>>,
}

/// What became of a text.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Drawn {
    /// Pixels that it takes from left to right.
    pub width: f32,
    /// Pixels that it takes from top to bottom.
    pub height: f32,
    /// Characters that no font could draw, each once, in the order of the text. A frame stands in their place.
    pub missing: String,
}

impl Fonts {
    /// The fonts of this system, found once for the whole program.
    #[must_use]
    pub fn system() -> &'static Fonts {
        static SYSTEM: OnceLock<Fonts> = OnceLock::new();
        SYSTEM.get_or_init(|| {
            let mut database = Database::new();
            database.load_system_fonts();
            Fonts::new(database)
        })
    }

    /// No fonts but the built-in face.
    #[must_use]
    pub fn built_in() -> Fonts {
        Fonts::new(Database::new())
    }

    /// How many fonts there are, besides the built-in face.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is only the built-in face.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn new(database: Database) -> Fonts {
        let families = PREFERRED.map(Family::Name);
        let usual = database.query(&Query { families: &families, ..Query::default() });
        let mut order: Vec<&fontdb::FaceInfo> = database.faces().collect();
        // Upright, of usual weight and width, with even strokes; the rest as they come.
        order.sort_by_key(|face| {
            let odd = face.style != Style::Normal || face.stretch != fontdb::Stretch::Normal;
            let serif = face.families.iter().any(|(name, _)| name.contains("Serif") || name.contains("Mono"));
            (Some(face.id) != usual, odd, face.weight.0.abs_diff(400), serif)
        });
        let order = order.into_iter().map(|face| face.id).collect();
        Fonts { database, order, known: Mutex::default() }
    }

    /// The first font that has an outline for a character.
    fn of(&self, character: char) -> Option<ID> {
        let has = |data: &[u8], index: u32| {
            let face = Face::parse(data, index).ok()?;
            let glyph = face.glyph_index(character).filter(|glyph| glyph.0 != 0)?;
            // Pictures of emoji have none.
            let drawn = character.is_whitespace() || face.outline_glyph(glyph, &mut Nothing).is_some();
            drawn.then_some(())
        };
        let search = || {
            self.order.iter().copied().find(|&id| self.database.with_face_data(id, has).flatten().is_some())
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(character).or_insert_with(search)
    }
}

/// An outline that nobody looks at.
struct Nothing;

impl OutlineBuilder for Nothing {
    fn move_to(&mut self, _: f32, _: f32) {}
    fn line_to(&mut self, _: f32, _: f32) {}
    fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {}
    fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {}
    fn close(&mut self) {}
}

/// A glyph of a font or, without one, a character of the built-in face; from the line's beginning.
struct Glyph {
    font: Option<ID>,
    id: u16,
    character: char,
    x: f32,
    y: f32,
}

/// A text whose glyphs have their places.
struct Line {
    glyphs: Vec<Glyph>,
    drawn: Drawn,
    /// From the top to where letters stand.
    baseline: f32,
    /// Pixels of the letter M in print, from which all else is measured.
    size: f32,
}

/// The size of a text of letters `size` pixels high, as [`text`] would draw it.
#[must_use]
pub fn measure(fonts: &Fonts, text: &str, size: f32) -> Drawn {
    lay_out(fonts, text, size).drawn
}

/// Draws a line of text on a filled ground, its top left corner at `(x, y)`. `size` is the height of a line's letters in
/// pixels, as programs call a font's size. Whatever lies outside of the picture is cut off.
pub fn text(
    image: &mut Image,
    fonts: &Fonts,
    text: &str,
    [x, y]: [f32; 2],
    size: f32,
    ink: [u8; 3],
    ground: [u8; 3],
) -> Drawn {
    let line = lay_out(fonts, text, size);
    fill(image, [x, y, line.drawn.width, line.drawn.height], ground);
    let missing = |character| line.drawn.missing.contains(character);
    for glyph in &line.glyphs {
        let at = [x + glyph.x, y + line.baseline + glyph.y];
        match glyph.font {
            Some(id) => drop(fonts.database.with_face_data(id, |data, index| {
                outline(image, data, index, glyph.id, at, line.size, ink);
            })),
            None => built_in(image, glyph.character, missing(glyph.character), at, line.size, ink),
        }
    }
    line.drawn
}

/// Characters that show nothing by themselves.
fn is_hidden(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn lay_out(fonts: &Fonts, text: &str, size: f32) -> Line {
    let size = if size.is_finite() { size.clamp(4.0, 1000.0) } else { 16.0 };
    // One line, whatever it holds.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let margin = size * 0.25;
    let mut line = Line {
        glyphs: Vec::new(),
        drawn: Drawn { height: (size * 1.4).round(), ..Drawn::default() },
        baseline: (size * 1.05).round(),
        size,
    };
    let mut x = margin;
    let bidi = unicode_bidi::BidiInfo::new(&text, None);
    for paragraph in &bidi.paragraphs {
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            let backwards = levels.get(run.start).is_some_and(|level| level.is_rtl());
            let mut parts = parts(fonts, &text[run]);
            if backwards {
                parts.reverse();
            }
            for (font, part) in parts {
                x = match font.and_then(|id| shape(fonts, id, part, backwards, x, size)) {
                    Some((glyphs, end)) => {
                        line.glyphs.extend(glyphs);
                        end
                    }
                    None => plain(part, backwards, x, &mut line),
                };
            }
        }
    }
    line.drawn.width = (x + margin).ceil();
    line
}

/// A run cut where another font is needed.
fn parts<'t>(fonts: &Fonts, run: &'t str) -> Vec<(Option<ID>, &'t str)> {
    let mut parts: Vec<(Option<ID>, &str)> = Vec::new();
    let mut start = 0;
    let mut current = None;
    for (at, character) in run.char_indices() {
        // What shows nothing or a mere space stays with the letters before it.
        if at > 0 && (is_hidden(character) || character.is_whitespace()) {
            continue;
        }
        let font = fonts.of(character);
        if at == 0 {
            current = font;
        } else if font != current {
            parts.push((current, &run[start..at]));
            (start, current) = (at, font);
        }
    }
    if start < run.len() {
        parts.push((current, &run[start..]));
    }
    parts
}

/// The glyphs of a part in one font, and where the next begins.
fn shape(fonts: &Fonts, id: ID, part: &str, backwards: bool, x: f32, size: f32) -> Option<(Vec<Glyph>, f32)> {
    let shaped = fonts.database.with_face_data(id, |data, index| {
        let font = FontRef::from_index(data, index).ok()?;
        let shapes = ShaperData::new(&font);
        let shaper = shapes.shaper(&font).build();
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(part);
        buffer.guess_segment_properties();
        buffer.set_direction(if backwards { Direction::RightToLeft } else { Direction::LeftToRight });
        let scale = size / shaper.units_per_em().max(1) as f32;
        let shaped = shaper.shape(buffer, &[]);
        let mut at = x;
        let mut glyphs = Vec::new();
        for (info, place) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()) {
            glyphs.push(Glyph {
                font: Some(id),
                id: info.glyph_id as u16,
                character: ' ',
                x: at + place.x_offset as f32 * scale,
                y: -(place.y_offset as f32) * scale,
            });
            at += place.x_advance as f32 * scale;
        }
        Some((glyphs, at))
    });
    shaped.flatten()
}

/// A part in the built-in face; tells where the next begins.
fn plain(part: &str, backwards: bool, mut x: f32, line: &mut Line) -> f32 {
    let mut characters: Vec<char> = part.chars().filter(|&c| !is_hidden(c)).collect();
    if backwards {
        characters.reverse();
    }
    for character in characters {
        if bitmap(character).is_none() && !line.drawn.missing.contains(character) {
            line.drawn.missing.push(character);
        }
        line.glyphs.push(Glyph { font: None, id: 0, character, x, y: 0.0 });
        x += line.size * 0.8;
    }
    x
}

fn bitmap(character: char) -> Option<[u8; 8]> {
    font8x8::BASIC_FONTS
        .get(character)
        .or_else(|| font8x8::LATIN_FONTS.get(character))
        .or_else(|| font8x8::GREEK_FONTS.get(character))
}

/// Draws a character of the built-in face, or a frame, standing at `(x, y)`.
fn built_in(image: &mut Image, character: char, missing: bool, [x, y]: [f32; 2], size: f32, ink: [u8; 3]) {
    const FRAME: [u8; 8] = [0x7e, 0x42, 0x42, 0x42, 0x42, 0x42, 0x7e, 0];
    let dot = size / 10.0;
    let rows = if missing { FRAME } else { bitmap(character).unwrap_or(FRAME) };
    for (row, bits) in rows.into_iter().enumerate() {
        for column in (0..8).filter(|c| bits >> c & 1 == 1) {
            let (left, top) = (x + column as f32 * dot, y + (row as f32 - 7.0) * dot);
            // From the pixel where it begins to that where the next begins, so that no gaps are left.
            fill(
                image,
                [
                    left.round(),
                    top.round(),
                    (left + dot).round() - left.round(),
                    (top + dot).round() - top.round(),
                ],
                ink,
            );
        }
    }
}

/// Lines and curves of a glyph, in pixels of a small canvas.
struct Pen {
    rasterizer: Rasterizer,
    scale: f32,
    origin: [f32; 2],
    start: Point,
    last: Point,
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> Point {
        point(self.origin[0] + x * self.scale, self.origin[1] - y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.start = self.place(x, y);
        self.last = self.start;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.place(x, y);
        self.rasterizer.draw_line(self.last, to);
        self.last = to;
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (by, to) = (self.place(x1, y1), self.place(x, y));
        self.rasterizer.draw_quad(self.last, by, to);
        self.last = to;
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (first, second, to) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.rasterizer.draw_cubic(self.last, first, second, to);
        self.last = to;
    }

    fn close(&mut self) {
        self.rasterizer.draw_line(self.last, self.start);
        self.last = self.start;
    }
}

/// Draws a glyph of a font, standing at `(x, y)`.
fn outline(
    image: &mut Image,
    data: &[u8],
    index: u32,
    glyph: u16,
    [x, y]: [f32; 2],
    size: f32,
    ink: [u8; 3],
) {
    let Ok(face) = Face::parse(data, index) else { return };
    let Some(bounds) = face.glyph_bounding_box(GlyphId(glyph)) else { return };
    let scale = size / f32::from(face.units_per_em().max(1));
    let (left, top) = (
        (x + f32::from(bounds.x_min) * scale).floor() - 1.0,
        (y - f32::from(bounds.y_max) * scale).floor() - 1.0,
    );
    let extent = |least: i16, most: i16| {
        ((f32::from(most) - f32::from(least)) * scale).ceil().clamp(0.0, 4096.0) as usize + 3
    };
    let (w, h) = (extent(bounds.x_min, bounds.x_max), extent(bounds.y_min, bounds.y_max));
    let nowhere = point(0.0, 0.0);
    let mut pen = Pen {
        rasterizer: Rasterizer::new(w, h),
        scale,
        origin: [x - left, y - top],
        start: nowhere,
        last: nowhere,
    };
    face.outline_glyph(GlyphId(glyph), &mut pen);
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let pixels = image.pixels_mut();
    pen.rasterizer.for_each_pixel_2d(|i, j, cover| {
        let (column, row) = (left as i64 + i64::from(i), top as i64 + i64::from(j));
        if cover > 0.0 && (0..width).contains(&column) && (0..height).contains(&row) {
            let pixel = &mut pixels[((row * width + column) * 3) as usize..][..3];
            for (value, ink) in pixel.iter_mut().zip(ink) {
                let (from, to) = (f32::from(*value), f32::from(ink));
                *value = (from + (to - from) * cover.min(1.0) + 0.5) as u8;
            }
        }
    });
}
