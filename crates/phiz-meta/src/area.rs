//! Where a region lies, and how a stored picture is turned upright.

/// A rectangle by its centre and its size, in shares of the picture's width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Centre, from the left, 0 to 1.
    pub x: f64,
    /// Centre, from the top, 0 to 1.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Area {
    /// From a box `[left, top, width, height]` in pixels of a picture of this size; what reaches outside is cut off. None
    /// if nothing is left.
    #[must_use]
    pub fn of_box(bbox: [f32; 4], width: u32, height: u32) -> Option<Area> {
        if !bbox.iter().all(|number| number.is_finite()) {
            return None;
        }
        let (width, height) = (f64::from(width), f64::from(height));
        let [left, top, w, h] = bbox.map(f64::from);
        let (right, bottom) = ((left + w).min(width), (top + h).min(height));
        let (left, top) = (left.max(0.0), top.max(0.0));
        let area = Area {
            x: (left + right) / 2.0 / width,
            y: (top + bottom) / 2.0 / height,
            w: (right - left) / width,
            h: (bottom - top) / height,
        };
        area.is_some().then_some(area)
    }

    /// The box `[left, top, width, height]` in pixels of a picture of this size.
    #[must_use]
    pub fn to_box(self, width: u32, height: u32) -> [f32; 4] {
        let (width, height) = (f64::from(width), f64::from(height));
        let corner = [(self.x - self.w / 2.0) * width, (self.y - self.h / 2.0) * height];
        [corner[0] as f32, corner[1] as f32, (self.w * width) as f32, (self.h * height) as f32]
    }

    /// Whether it has a place and an extent, some of it within the picture.
    pub(crate) fn is_some(&self) -> bool {
        let numbers = [self.x, self.y, self.w, self.h];
        let within = |centre: f64, size: f64| centre + size / 2.0 > 0.0 && centre - size / 2.0 < 1.0;
        numbers.iter().all(|n| n.is_finite() && n.abs() <= 10.0)
            && self.w > 0.0
            && self.h > 0.0
            && within(self.x, self.w)
            && within(self.y, self.h)
    }

    /// Intersection over union.
    #[must_use]
    pub fn iou(&self, other: &Area) -> f64 {
        let along = |a: f64, wa: f64, b: f64, wb: f64| {
            ((a + wa / 2.0).min(b + wb / 2.0) - (a - wa / 2.0).max(b - wb / 2.0)).max(0.0)
        };
        let common = along(self.x, self.w, other.x, other.w) * along(self.y, self.h, other.y, other.h);
        let union = self.w * self.h + other.w * other.h - common;
        if union > 0.0 { common / union } else { 0.0 }
    }

    /// Whether the two can be meant for one face: programs draw their boxes differently, from the eyebrows to the chin or
    /// around all of the hair, so that the overlap of the two may be small, but each holds the other's centre.
    #[must_use]
    pub fn is_like(&self, other: &Area) -> bool {
        let holds = |a: &Area, b: &Area| (a.x - b.x).abs() <= a.w / 2.0 && (a.y - b.y).abs() <= a.h / 2.0;
        self.iou(other) >= 0.15 && holds(self, other) && holds(other, self)
    }
}

/// How a stored picture is turned upright: the number of the EXIF tag Orientation, 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation(u8);

impl Orientation {
    /// Stored as it is seen.
    pub const UPRIGHT: Orientation = Orientation(1);

    /// From the tag's number; anything that is none is [`Orientation::UPRIGHT`].
    #[must_use]
    pub fn of(number: u8) -> Orientation {
        if (1..=8).contains(&number) { Orientation(number) } else { Orientation::UPRIGHT }
    }

    /// The tag's number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether the stored picture lies on its side, so that width and height change places.
    #[must_use]
    pub fn is_sideways(self) -> bool {
        self.0 >= 5
    }

    /// An area of the stored picture, as it is seen.
    #[must_use]
    pub fn to_upright(self, stored: Area) -> Area {
        let Area { x, y, w, h } = stored;
        let (x, y) = match self.0 {
            2 => (1.0 - x, y),
            3 => (1.0 - x, 1.0 - y),
            4 => (x, 1.0 - y),
            5 => (y, x),
            6 => (1.0 - y, x),
            7 => (1.0 - y, 1.0 - x),
            8 => (y, 1.0 - x),
            _ => (x, y),
        };
        if self.is_sideways() { Area { x, y, w: h, h: w } } else { Area { x, y, w, h } }
    }

    /// An area of the picture as it is seen, in the stored one.
    #[must_use]
    pub fn to_stored(self, upright: Area) -> Area {
        // Turning back by a quarter is turning by three; everything else is its own opposite.
        let back = match self.0 {
            6 => Orientation(8),
            8 => Orientation(6),
            _ => self,
        };
        back.to_upright(upright)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quarter_turn_by_hand() {
        // Stored on its side: its left edge is the top of the upright picture (orientation 6 turns clockwise).
        let stored = Area { x: 0.3, y: 0.8, w: 0.4, h: 0.2 };
        let upright = Orientation::of(6).to_upright(stored);
        for (is, should) in [(upright.x, 0.2), (upright.y, 0.3), (upright.w, 0.2), (upright.h, 0.4)] {
            assert!((is - should).abs() < 1e-12, "{upright:?}");
        }
    }

    #[test]
    fn boxes_outside_are_cut_or_refused() {
        let area = Area::of_box([-10.0, 20.0, 30.0, 100.0], 100, 100).unwrap();
        let back = area.to_box(100, 100);
        assert!(
            back.iter().zip([0.0, 20.0, 20.0, 80.0]).all(|(is, should)| (is - should).abs() < 1e-4),
            "{back:?}"
        );
        assert_eq!(Area::of_box([-10.0, 0.0, 10.0, 5.0], 100, 100), None);
        assert_eq!(Area::of_box([f32::NAN, 0.0, 10.0, 5.0], 100, 100), None);
    }

    proptest! {
        #[test]
        fn there_and_back(number in 0u8..10, x in 0.0..1.0f64, y in 0.0..1.0f64, w in 0.01..1.0f64, h in 0.01..1.0f64) {
            let (orientation, area) = (Orientation::of(number), Area { x, y, w, h });
            let again = orientation.to_upright(orientation.to_stored(area));
            prop_assert!((again.x - x).abs() + (again.y - y).abs() + (again.w - w).abs() + (again.h - h).abs() < 1e-9);
            prop_assert!((area.iou(&area) - 1.0).abs() < 1e-9 && area.is_like(&area));
        }
    }
}
