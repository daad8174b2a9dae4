//! Where labels go: beside their boxes, and over as little of any face as can be.

/// A rectangle: left, top, width, height.
type Rectangle = [f32; 4];

/// The area that two rectangles share.
fn shared(a: Rectangle, b: Rectangle) -> f32 {
    let side = |i: usize| (a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i]);
    side(0).max(0.0) * side(1).max(0.0)
}

/// The top left corner of a label for each box, in a picture of so many pixels. `labels` are their widths and heights.
///
/// A label stands above its box if it can, else below, at a side, or farther off; it stays inside of the picture, and
/// covers neither a box nor another label where there is any place for it. Where there is none, it covers as little of
/// boxes as it can. Labels without a box, and boxes without a label, are left out.
#[must_use]
pub fn place_labels(picture: [u32; 2], boxes: &[[f32; 4]], labels: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let [width, height] = picture.map(|side| side as f32);
    let mut taken: Vec<Rectangle> = Vec::new();
    let mut places = Vec::new();
    for (&[x, y, w, h], &[label_w, label_h]) in boxes.iter().zip(labels) {
        let inside = |[left, top]: [f32; 2]| {
            [left.clamp(0.0, (width - label_w).max(0.0)), top.clamp(0.0, (height - label_h).max(0.0))]
        };
        let (right, centre) = (x + w - label_w, x + (w - label_w) / 2.0);
        // Nearest places first; then the same, each time a label's height farther off.
        let near = |far: f32| {
            let (above, below) = (y - label_h - far, y + h + far);
            [
                [x, above],
                [right, above],
                [centre, above],
                [x, below],
                [right, below],
                [centre, below],
                [x + w + far, y],
                [x - label_w - far, y],
                [x + w + far, y + h - label_h],
                [x - label_w - far, y + h - label_h],
            ]
        };
        let distances = (0..8).map(|step| step as f32 * label_h.max(1.0));
        let cost = |place: &[f32; 2]| {
            let label = [place[0], place[1], label_w, label_h];
            let over = |others: &[Rectangle]| others.iter().map(|&other| shared(label, other)).sum::<f32>();
            // A face counts more than a name.
            4.0 * over(boxes) + over(&taken)
        };
        let mut best: Option<([f32; 2], f32)> = None;
        for place in distances.flat_map(near).map(inside) {
            let cost = cost(&place);
            if best.is_none_or(|(_, least)| cost < least) {
                best = Some((place, cost));
            }
            if cost <= 0.0 {
                break;
            }
        }
        let place = best.map_or([0.0, 0.0], |(place, _)| place);
        taken.push([place[0], place[1], label_w, label_h]);
        places.push(place);
    }
    places
}
