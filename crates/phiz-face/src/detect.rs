//! Finding faces in a photo.

use std::borrow::Cow;

use phiz_engine::{Instructions, LoadOptions, Precision};
use phiz_image::{Image, ImageView};
use phiz_net::card::{Card, Decode, Output};

use crate::decode::decode;
use crate::detection::{Detection, map_box, suppress};
use crate::network::Loaded;
use crate::plan::{Frame, Plan, STRIDE, Size, pad};
use crate::refine::{self, CloseUp};
use crate::{FaceError, Model};

/// What to look for, and how.
///
/// ```
/// use phiz_face::{DetectOptions, Plan};
/// let video = DetectOptions::default().plan(Plan::Single { side: 640 }).refine(false);
/// assert_eq!((video.min_face, video.score), (20.0, None));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DetectOptions {
    /// The lowest score of a face, from 0 to 1. None, the default, takes what the detector's card says.
    pub score: Option<f32>,
    /// The smallest face worth finding, by [`Detection::size`], in pixels of the original photo. Default 20. Smaller costs
    /// more time on large photos, which are then looked at in more tiles. Faces of half this size or more are kept.
    pub min_face: f32,
    /// Whether the photo may lie on its side or head although its EXIF data does not say so. Default: it does not.
    pub rotate: Rotate,
    /// Which parts of the photo are looked at, and at which size. Default: [`Plan::Photo`].
    pub plan: Plan,
    /// Whether each candidate is looked at again, alone and enlarged (the refinement stage; default: yes). Without it
    /// crowds take less time, and scores are those of the first stage, which are less sure and are not what the bundled
    /// detectors' default scores were chosen for. Only detectors with `decode = "phiz"` have a refinement stage.
    pub refine: bool,
    /// The most tiles that [`Plan::Photo`] may look at, for each quarter turn; more is [`FaceError::TooManyTiles`].
    /// Default 256, which suffices for faces of 20 pixels in photos of 300 megapixels.
    pub max_tiles: usize,
}

impl Default for DetectOptions {
    fn default() -> DetectOptions {
        DetectOptions {
            score: None,
            min_face: 20.0,
            rotate: Rotate::Never,
            plan: Plan::Photo,
            refine: true,
            max_tiles: 256,
        }
    }
}

impl DetectOptions {
    /// Sets the lowest score of a face, from 0 to 1; none for what the detector's card says.
    #[must_use]
    pub fn score(mut self, score: impl Into<Option<f32>>) -> DetectOptions {
        self.score = score.into();
        self
    }

    /// Sets the smallest face worth finding, in pixels of the original photo.
    #[must_use]
    pub fn min_face(mut self, min_face: f32) -> DetectOptions {
        self.min_face = min_face;
        self
    }

    /// Sets whether quarter turns are tried.
    #[must_use]
    pub fn rotate(mut self, rotate: Rotate) -> DetectOptions {
        self.rotate = rotate;
        self
    }

    /// Sets which parts of the photo are looked at, and at which size.
    #[must_use]
    pub fn plan(mut self, plan: Plan) -> DetectOptions {
        self.plan = plan;
        self
    }

    /// Switches the refinement stage.
    #[must_use]
    pub fn refine(mut self, refine: bool) -> DetectOptions {
        self.refine = refine;
        self
    }

    /// Sets the most tiles that [`Plan::Photo`] may look at.
    #[must_use]
    pub fn max_tiles(mut self, tiles: usize) -> DetectOptions {
        self.max_tiles = tiles;
        self
    }

    fn check(&self) -> Result<(), FaceError> {
        let wrong = |option, value: String, needed| Err(FaceError::Option { option, value, needed });
        if let Some(score) = self.score.filter(|score| !(0.0..=1.0).contains(score)) {
            return wrong("score", score.to_string(), "give a number from 0 to 1");
        }
        if !(self.min_face.is_finite() && self.min_face > 0.0) {
            return wrong("min_face", self.min_face.to_string(), "give a positive number of pixels");
        }
        match &self.plan {
            Plan::Photo => Ok(()),
            Plan::Single { side } if (1..=LARGEST_SIDE).contains(side) => Ok(()),
            Plan::Single { side } => wrong("side", side.to_string(), "give 1 to 8192 pixels"),
            Plan::Region { boxes, reach } => {
                if !(0.0..=LARGEST_REACH).contains(reach) {
                    return wrong("reach", reach.to_string(), "give a number from 0 to 4");
                }
                let good = |b: &&[f32; 4]| b.iter().all(|v| v.is_finite()) && b[2] > 0.0 && b[3] > 0.0;
                match boxes.iter().find(|b| !good(b)) {
                    Some(bbox) => {
                        let needed = "give boxes [x, y, width, height] of positive size";
                        wrong("boxes", format!("{bbox:?}"), needed)
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

const LARGEST_SIDE: u32 = 8192;
const LARGEST_REACH: f32 = 4.0;

/// Whether quarter turns are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// The photo is upright.
    #[default]
    Never,
    /// All four quarter turns are tried, and each face is found in the one that suits it. Takes four times as long.
    Auto,
}

/// The score from which on something is taken for a face where somebody says that there is one and no detection reaches the
/// detector's own score, see [`Detector::detect_expected`].
pub const UNSURE_SCORE: f32 = 0.3;

/// What [`Detector::detect_expected`] finds where somebody says that there is a face.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Expected {
    /// The faces, largest first.
    pub detections: Vec<Detection>,
    /// Whether no face reaches the score that was asked for, so that these are the ones above [`UNSURE_SCORE`].
    pub unsure: bool,
}

/// Finds faces: a network, and for detectors of ours one that looks at each candidate again (the refinement stage).
///
/// It may be shared by threads; each call computes on the threads that [`LoadOptions::threads`] allows, and one thread
/// per call is fastest where there are several photos.
pub struct Detector {
    card: Card,
    network: Loaded,
    names: Vec<String>,
    refinement: Option<Loaded>,
    frame: Frame,
}

impl Detector {
    /// Loads a detector.
    ///
    /// # Errors
    /// [`FaceError::Network`] if a network cannot be loaded; [`FaceError::Decode`] if the model is no detector, or its
    /// outputs are not what `output.decode` of its card reads; [`FaceError::InputSize`] if the network takes pictures of
    /// another size than its card says.
    pub fn load(model: &Model, options: &LoadOptions) -> Result<Detector, FaceError> {
        let card = model.card().clone();
        // Its accuracy in eight bits was measured where bf16 gains nothing. Where bf16 gains, eight bits would gain a tenth more.
        let faster = [Precision::Bf16, Precision::Int8].map(|precision| (precision, Instructions::Measured));
        let measured = if model.is_bundled() { &faster[..] } else { &[] };
        let network = Loaded::new(&card, model.onnx(), measured, options)?;
        if card.output.decode == Decode::Arcface {
            return Err(network.unlike("is no detector"));
        }
        let (width, height) = (card.input.width, card.input.height);
        network.check_input(width, height)?;
        let fixed = (width > 0).then_some((width, height));
        let names = network.outputs().iter().map(|port| port.name.clone()).collect();
        let refinement = model.refinement();
        let refinement = refinement.map(|onnx| Loaded::new(&card, onnx, measured, options)).transpose()?;
        let detector = Detector { card, network, names, refinement, frame: Frame { fixed } };
        // A look at nothing tells whether the outputs are what the card says, before the first photo does.
        let (width, height) = fixed.unwrap_or((STRIDE, STRIDE));
        let nothing = vec![0; width as usize * height as usize * 3];
        let nothing = Image::from_rgb(width, height, nothing);
        detector.infer(&nothing.map_err(|error| detector.network.unlike(error.to_string()))?, 1.0)?;
        if let Some(network) = &detector.refinement {
            refine::check(network.outputs()).map_err(|reason| network.unlike(reason))?;
        }
        Ok(detector)
    }

    /// Loads the detector inside the binary, on one thread.
    ///
    /// # Errors
    /// Only if this build is broken.
    #[cfg(feature = "bundled")]
    pub fn bundled() -> Result<Detector, FaceError> {
        Detector::load(&Model::bundled_detector()?, &LoadOptions::default())
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The faces of a photo, largest first, in pixels of the upright original.
    ///
    /// A face needs the score that the options name. Without one the card decides: `output.score`, or less beside a face
    /// that reaches it if the card has a hysteresis threshold.
    ///
    /// # Errors
    /// [`FaceError::Option`] for an option that means nothing, [`FaceError::TooManyTiles`] for faces too small for the
    /// photo's size; a network that fails.
    pub fn detect<'a>(
        &self,
        image: impl Into<ImageView<'a>>,
        options: &DetectOptions,
    ) -> Result<Vec<Detection>, FaceError> {
        let image = &image.into();
        let asked = self.asked(options);
        let found = self.search(image, options, self.floor(&asked, options), |picture, here| {
            self.refined(picture, here, options, &asked)
        })?;
        Ok(self.chosen(found, options, &asked))
    }

    /// The faces of a photo of which somebody says that it shows one, largest first: as [`Detector::detect`], but where no
    /// face reaches the detector's own score, those above [`UNSURE_SCORE`], marked as such. Where the options name a score,
    /// that one holds and nothing below it is returned.
    ///
    /// # Errors
    /// The same errors as [`Detector::detect`].
    pub fn detect_expected<'a>(
        &self,
        image: impl Into<ImageView<'a>>,
        options: &DetectOptions,
    ) -> Result<Expected, FaceError> {
        let image = &image.into();
        let asked = self.asked(options);
        let low = Output { score: UNSURE_SCORE.min(asked.score), hysteresis: None, ..asked };
        if options.score.is_some() || self.floor(&low, options) >= self.floor(&asked, options) {
            return Ok(Expected { detections: self.detect(image, options)?, unsure: false });
        }
        // The first stage runs once, down to the lower score. What it sees of lower scores changes nothing above them.
        let mut doubtful = Vec::new();
        let found = self.search(image, options, self.floor(&low, options), |picture, here| {
            let sure = here.iter().take_while(|d| d.score >= self.floor(&asked, options)).cloned().collect();
            doubtful.push(here);
            self.refined(picture, sure, options, &asked)
        })?;
        let detections = self.chosen(found, options, &asked);
        if !detections.is_empty() {
            return Ok(Expected { detections, unsure: false });
        }
        let mut found = Vec::new();
        for (turn, here) in turns(image, options).zip(doubtful) {
            let turned = turn.picture(image);
            let here = self.refined(&turned.as_ref().map_or(*image, ImageView::from), here, options, &low)?;
            found.extend(here.into_iter().map(|d| d.map(|p| turn.back(p))));
        }
        let detections = self.chosen(found, options, &low);
        Ok(Expected { unsure: !detections.is_empty(), detections })
    }

    /// The scores that a detection needs.
    fn asked(&self, options: &DetectOptions) -> Output {
        match options.score {
            Some(score) => Output { score, hysteresis: None, ..self.card.output },
            None => self.card.output,
        }
    }

    /// Whether candidates are looked at again. Other people's detectors are used as their authors mean them.
    fn refines(&self, options: &DetectOptions) -> bool {
        options.refine && self.card.output.decode == Decode::Phiz
    }

    /// The score that a candidate of the first stage needs.
    fn floor(&self, asked: &Output, options: &DetectOptions) -> f32 {
        match self.refines(options) {
            true => asked.score * refine::FLOOR,
            false => asked.enough(f32::INFINITY),
        }
    }

    /// Looks for candidates in each quarter turn that is tried, has `judge` look at them again, and brings what it returns
    /// back to the upright original.
    fn search(
        &self,
        image: &ImageView<'_>,
        options: &DetectOptions,
        floor: f32,
        mut judge: impl FnMut(&ImageView<'_>, Vec<Detection>) -> Result<Vec<Detection>, FaceError>,
    ) -> Result<Vec<Detection>, FaceError> {
        options.check()?;
        let mut found = Vec::new();
        for turn in turns(image, options) {
            let turned = turn.picture(image);
            let picture = turned.as_ref().map_or(*image, ImageView::from);
            let here = self.first_stage(&picture, &turn.plan(&options.plan), options, floor)?;
            found.extend(judge(&picture, here)?.into_iter().map(|d| d.map(|p| turn.back(p))));
        }
        Ok(found)
    }

    /// What the first stage takes for faces, from a score of `floor` on, by falling score.
    fn first_stage(
        &self,
        picture: &ImageView<'_>,
        plan: &Plan,
        options: &DetectOptions,
        floor: f32,
    ) -> Result<Vec<Detection>, FaceError> {
        let size = Size::of(picture);
        let needed = self.frame.tiles(size, options.min_face);
        if *plan == Plan::Photo && needed > options.max_tiles {
            return Err(FaceError::TooManyTiles {
                needed,
                allowed: options.max_tiles,
                min_face: options.min_face,
                fitting: self.frame.fitting(size, options.min_face, options.max_tiles),
            });
        }
        let mut found = Vec::new();
        for view in self.frame.views(plan, size, options.min_face) {
            let (shown, factors) = view.picture(picture, self.frame);
            let seen = self.infer(&shown, floor)?.into_iter().filter(|d| d.size() >= view.at_least);
            found.extend(seen.map(|d| d.map(|p| view.to_original(p, factors, picture.scale()))));
        }
        Ok(suppress(found, self.card.output.iou))
    }

    /// What is left of all that was found, largest first.
    fn chosen(&self, mut found: Vec<Detection>, options: &DetectOptions, asked: &Output) -> Vec<Detection> {
        found.retain(|d| d.size() >= 0.5 * options.min_face);
        let surest = found.iter().map(|d| d.score).fold(0.0, f32::max);
        found.retain(|d| d.score >= asked.enough(surest));
        let mut kept = suppress(found, asked.iou);
        kept.sort_by(|a, b| b.size().total_cmp(&a.size()));
        kept
    }

    /// What the first stage alone takes for faces under [`Plan::Photo`], from a score of `floor` on, by falling score: what
    /// the refinement stage judges, and what its network is trained on. There is no limit on tiles.
    ///
    /// # Errors
    /// A network that fails.
    pub fn candidates<'a>(
        &self,
        picture: impl Into<ImageView<'a>>,
        min_face: f32,
        floor: f32,
    ) -> Result<Vec<Detection>, FaceError> {
        let options = DetectOptions::default().min_face(min_face).max_tiles(usize::MAX);
        options.check()?;
        self.first_stage(&picture.into(), &Plan::Photo, &options, floor)
    }

    /// What the network says of a picture just as it is, in its pixels, from a score of `floor` on: one run, nothing
    /// enlarged, refined or suppressed. Black is added at the right and the bottom up to the sides that the network
    /// takes: its card's, or the next multiples of 32.
    ///
    /// # Errors
    /// [`FaceError::TooLarge`] for a picture larger than the only size that the network takes; a network that fails.
    pub fn infer(&self, picture: &Image, floor: f32) -> Result<Vec<Detection>, FaceError> {
        let got = (picture.width(), picture.height());
        let takes = self.frame.around(got.0, got.1);
        if got.0 > takes.0 || got.1 > takes.1 {
            return Err(FaceError::TooLarge { got, takes });
        }
        let padded = (got != takes).then(|| pad(picture.clone(), 0, takes));
        let size = (takes.0 as usize, takes.1 as usize);
        let found = self.network.run(&[padded.as_ref().unwrap_or(picture)], |outputs| {
            decode(self.card.output.decode, &self.names, outputs, size, floor)
        })?;
        found.map_err(|reason| self.network.unlike(reason))
    }

    /// Candidates after the refinement stage, if it is wanted. They are in order of falling score and keep their places.
    fn refined(
        &self,
        picture: &ImageView<'_>,
        mut found: Vec<Detection>,
        options: &DetectOptions,
        asked: &Output,
    ) -> Result<Vec<Detection>, FaceError> {
        if !self.refines(options) {
            return Ok(found);
        }
        let most = found.len().min(refine::MOST);
        let again = &mut found[..most];
        match &self.refinement {
            Some(network) => {
                for faces in again.chunks_mut(refine::TOGETHER) {
                    self.ask_specialist(network, picture, faces, asked.enough(f32::INFINITY))?;
                }
            }
            None => {
                let shown = refine::detector(self.frame.fixed);
                for face in again {
                    let close_up = CloseUp::of(face, picture.scale(), shown);
                    let view = close_up.view(picture);
                    let mirrored = view.mirrored();
                    let seen = self.infer(&view, refine::LEAST)?;
                    let in_mirror = self.infer(&mirrored, refine::LEAST)?;
                    let back = |d: Detection| d.mirrored(mirrored.width() as f32);
                    close_up.combine(face, [seen, in_mirror.into_iter().map(back).collect()]);
                }
            }
        }
        Ok(found)
    }

    /// Has the network that only sees close-ups judge these faces, in the mirror, too, where that may decide. `asked` is
    /// the score that a face needs in the end.
    fn ask_specialist(
        &self,
        network: &Loaded,
        picture: &ImageView<'_>,
        faces: &mut [Detection],
        asked: f32,
    ) -> Result<(), FaceError> {
        let see = |views: &[&Image]| {
            let seen = network.run(views, |outputs| refine::read(outputs, views.len()))?;
            seen.map_err(|reason| network.unlike(reason))
        };
        let close_ups: Vec<CloseUp> =
            faces.iter().map(|f| CloseUp::of(f, picture.scale(), refine::SPECIALIST)).collect();
        let views: Vec<Image> = close_ups.iter().map(|close_up| close_up.view(picture)).collect();
        let seen = see(&views.iter().collect::<Vec<_>>())?;
        let undecided: Vec<usize> =
            (0..faces.len()).filter(|&i| refine::undecided(&faces[i], seen[i].score, asked)).collect();
        let mut in_mirror = vec![None; faces.len()];
        if !undecided.is_empty() {
            let mirrored: Vec<Image> = undecided.iter().map(|&i| views[i].mirrored()).collect();
            for (&i, d) in undecided.iter().zip(see(&mirrored.iter().collect::<Vec<_>>())?) {
                in_mirror[i] = Some(d.mirrored(mirrored[0].width() as f32));
            }
        }
        for (((face, close_up), once), twice) in faces.iter_mut().zip(&close_ups).zip(seen).zip(in_mirror) {
            let seen: Vec<Detection> = [Some(once), twice].into_iter().flatten().collect();
            close_up.judge(face, &seen);
        }
        Ok(())
    }
}

/// A photo turned clockwise by quarter turns. Width and height are those of the upright original.
#[derive(Clone, Copy, Debug)]
struct Turn {
    quarters: u8,
    width: f32,
    height: f32,
}

/// The quarter turns that are tried.
fn turns(image: &ImageView<'_>, options: &DetectOptions) -> impl Iterator<Item = Turn> + use<> {
    let (width, height) = image.original_size();
    let quarters = if options.rotate == Rotate::Auto { 0..4u8 } else { 0..1 };
    quarters.map(move |quarters| Turn { quarters, width: width as f32, height: height as f32 })
}

impl Turn {
    /// The turned photo; none if it is the photo itself.
    fn picture(self, image: &ImageView<'_>) -> Option<Image> {
        (self.quarters > 0).then(|| Image::from_view(image).rotate90(self.quarters))
    }

    /// From the turned photo to the upright one.
    fn back(self, [x, y]: [f32; 2]) -> [f32; 2] {
        match self.quarters {
            0 => [x, y],
            1 => [y, self.height - x],
            2 => [self.width - x, self.height - y],
            _ => [self.width - y, x],
        }
    }

    /// From the upright photo to the turned one.
    fn there(self, [x, y]: [f32; 2]) -> [f32; 2] {
        match self.quarters {
            0 => [x, y],
            1 => [self.height - y, x],
            2 => [self.width - x, self.height - y],
            _ => [y, self.width - x],
        }
    }

    /// The plan for the turned photo.
    fn plan(self, plan: &Plan) -> Cow<'_, Plan> {
        match plan {
            Plan::Region { boxes, reach } if self.quarters > 0 => {
                let boxes = boxes.iter().map(|bbox| map_box(bbox, |p| self.there(p))).collect();
                Cow::Owned(Plan::Region { boxes, reach: *reach })
            }
            plan => Cow::Borrowed(plan),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_and_back_is_where_it_was() {
        for quarters in 0..4 {
            let turn = Turn { quarters, width: 40.0, height: 30.0 };
            assert_eq!(turn.back(turn.there([7.0, 11.0])), [7.0, 11.0]);
        }
        // The top left corner of the photo, turned clockwise once, is the top right corner.
        assert_eq!(Turn { quarters: 1, width: 40.0, height: 30.0 }.there([0.0, 0.0]), [30.0, 0.0]);
    }

    #[test]
    fn options_that_mean_nothing_are_refused_by_name() {
        let good = DetectOptions::default();
        let region = |bbox: [f32; 4], reach| Plan::Region { boxes: vec![bbox], reach };
        let face = [0.0, 0.0, 9.0, 9.0];
        for (options, name) in [
            (good.clone().score(1.1), "score"),
            (good.clone().score(-0.1), "score"),
            (good.clone().score(f32::NAN), "score"),
            (good.clone().min_face(0.0), "min_face"),
            (good.clone().min_face(f32::NAN), "min_face"),
            (good.clone().min_face(f32::INFINITY), "min_face"),
            (good.clone().plan(Plan::Single { side: 0 }), "side"),
            (good.clone().plan(Plan::Single { side: 8193 }), "side"),
            (good.clone().plan(region(face, -0.1)), "reach"),
            (good.clone().plan(region(face, f32::NAN)), "reach"),
            (good.clone().plan(region(face, 5.0)), "reach"),
            (good.clone().plan(region([0.0, 0.0, 0.0, 9.0], 0.5)), "boxes"),
            (good.clone().plan(region([0.0, f32::NAN, 9.0, 9.0], 0.5)), "boxes"),
        ] {
            match options.check() {
                Err(FaceError::Option { option, .. }) => assert_eq!(option, name, "{options:?}"),
                other => panic!("{options:?}: {other:?}"),
            }
        }
        for options in [good.clone(), good.clone().score(0.0), good.plan(region(face, 0.75))] {
            options.check().expect("means something");
        }
    }
}
