//! Bringing a gallery to the models that are loaded, so that new weights lose nobody.
//!
//! Templates are computed from stored crops, a few at a time, and kept beside the old ones; then they are exchanged at
//! once (`phiz_gallery`). Where no crop is kept, the photo is used if it still lies where it was, or in a folder that is
//! named; it is known by its content.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use phiz_face::Choice;
use phiz_gallery::{Adoptee, Gallery, ModelId, PersonId, PhotoHash, Template, ToAdopt};
use phiz_image::{DecodeOptions, Image};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::walk::Walk;
use crate::{Code, Looking, Photo, Problem, Result, Service, in_order};

/// Faces that are described and stored together: what a crash costs.
const TOGETHER: usize = 64;

/// How a gallery is brought to another model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdoptOptions {
    /// Photos, or folders of photos, in which those are looked for of which no crop is kept.
    pub photos: Vec<PathBuf>,
    /// How faces are looked for in those.
    pub looking: Looking,
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// Threads that work at the same time.
    pub threads: usize,
}

/// What [`Service::adopt`] tells while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptEvent {
    /// So many faces are to be described.
    Begin(usize),
    /// So many more have been.
    Described(usize),
}

/// What bringing a gallery to another model came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdoptAnswer {
    /// The model before.
    pub from: ModelId,
    /// The model now; with `dry_run`, the one that it would be.
    pub to: ModelId,
    /// Whether the gallery is searched by the new model's templates now.
    pub adopted: bool,
    /// Templates that were computed now; with `dry_run`, those that could be from stored crops.
    pub described: usize,
    /// Faces seen in an archive's photos that say nothing until the photos are scanned again.
    pub sightings: usize,
    /// Faces and negatives that wait for their photos; with `dry_run`, those of which no crop is kept.
    pub waiting: Vec<WaitingAnswer>,
}

/// A face, or a face that is said not to be somebody, that cannot be recognised until its photo comes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitingAnswer {
    /// Its id: of a face or of a negative.
    pub id: String,
    /// Whose it is, or is not; null if it was removed and can still be restored.
    pub person: Option<PersonId>,
    /// What they are called.
    pub name: Option<String>,
    /// Where the photo was.
    pub source: Option<String>,
    /// Why it waits.
    pub error: Problem,
}

impl Service {
    /// Brings a gallery to this service's embedder. If it is of that already, faces that wait for their photos are looked
    /// for. Interrupted at any moment, it goes on where it was when it is called again.
    ///
    /// # Errors
    /// The embedder's card states no thresholds, or the gallery cannot be written.
    pub fn adopt(
        &self,
        gallery: &mut Gallery,
        options: &AdoptOptions,
        mut tell: impl FnMut(AdoptEvent),
    ) -> Result<AdoptAnswer> {
        // It is not ended, so there is one turn.
        loop {
            let all = |event| {
                tell(event);
                true
            };
            if let Some(answer) = self.adopt_while(gallery, options, all)? {
                return Ok(answer);
            }
        }
    }

    /// The same, for as long as `tell` says true. None if it was ended: the gallery is of the model that it was of, and
    /// templates that were computed are kept for the next time. Once the templates are exchanged, it goes on to its end.
    ///
    /// # Errors
    /// As [`Service::adopt`].
    pub fn adopt_while(
        &self,
        gallery: &mut Gallery,
        options: &AdoptOptions,
        mut tell: impl FnMut(AdoptEvent) -> bool,
    ) -> Result<Option<AdoptAnswer>> {
        let model = self.gallery_model()?;
        let from = gallery.model().clone();
        let [lacking, with_crop, _] = gallery.lacking(&model.id)?;
        if !tell(AdoptEvent::Begin(if options.dry_run { 0 } else { lacking })) {
            return Ok(None);
        }
        let photos = match options.dry_run || lacking == with_crop {
            true => HashMap::new(),
            false => photos_by_content(options),
        };
        let mut tried: BTreeSet<Adoptee> = BTreeSet::new();
        let mut waiting = Vec::new();
        let mut described = 0;
        loop {
            // Faces may have been enrolled meanwhile: all are looked through until none is new.
            let before = tried.len();
            let mut after = None;
            loop {
                let batch = gallery.to_adopt(&model.id, &mut after, TOGETHER)?;
                if batch.is_empty() {
                    break;
                }
                let new: Vec<ToAdopt> = batch.into_iter().filter(|one| tried.insert(one.id)).collect();
                let mut made = Vec::with_capacity(new.len());
                let work = |one: &ToAdopt| match options.dry_run {
                    true if one.crop.is_some() => Ok(None),
                    true => Err(no_crop()),
                    false => self.described(one, options, &photos).map(Some),
                };
                in_order(&new, options.threads.max(1), work, |one, template| {
                    match template {
                        Ok(Some(template)) => made.push((one.id, template)),
                        Ok(None) => described += 1,
                        Err(problem) => waiting.push((one.id, one.person, one.source.clone(), problem)),
                    }
                    Ok::<(), crate::Error>(())
                })?;
                gallery.keep_adopted(&model.id, &made)?;
                described += made.len();
                if !tell(AdoptEvent::Described(new.len())) {
                    return Ok(None);
                }
            }
            if tried.len() == before {
                break;
            }
        }
        let adopted = !options.dry_run && from != model.id;
        let mut sightings = 0;
        if adopted {
            let done = gallery.adopt(&model)?;
            sightings = done.sightings;
            // A negative may have found its template beside a face of the same photo.
            waiting.retain(|(id, ..)| done.waiting.contains(id));
        }
        if !options.dry_run {
            sightings -= self.adopt_sent(gallery, options.threads)?.min(sightings);
        }
        let told = waiting.into_iter().map(|(id, person, source, error)| {
            let name = match person {
                Some(person) => Some(gallery.person(person)?.details.name),
                None => None,
            };
            Ok(WaitingAnswer { id: id.to_string(), person, name, source, error })
        });
        let waiting = told.collect::<Result<Vec<WaitingAnswer>>>()?;
        Ok(Some(AdoptAnswer { from, to: model.id, adopted, described, sightings, waiting }))
    }

    /// Describes what was seen in photos that were sent, from the crops: there is nothing else of them. Says how many.
    fn adopt_sent(&self, gallery: &Gallery, threads: usize) -> Result<usize> {
        let (mut after, mut all) = (0, 0);
        loop {
            let batch = gallery.sent_waiting(&mut after, TOGETHER)?;
            if batch.is_empty() {
                return Ok(all);
            }
            let work =
                |(_, crop): &(phiz_gallery::SightingId, Vec<u8>)| -> std::result::Result<Template, Problem> {
                    let aligned = Image::decode(crop, &DecodeOptions::default())?;
                    Ok(self.analyzer().embed_aligned(&aligned)?)
                };
            let mut made = Vec::with_capacity(batch.len());
            in_order(&batch, threads.max(1), work, |(id, _), template| {
                // A crop that cannot be read says nothing; the others do.
                made.extend(template.ok().map(|template| (*id, template)));
                Ok::<(), crate::Error>(())
            })?;
            gallery.describe_sent(&made)?;
            all += made.len();
        }
    }

    fn described(
        &self,
        one: &ToAdopt,
        options: &AdoptOptions,
        photos: &HashMap<PhotoHash, PathBuf>,
    ) -> std::result::Result<Template, Problem> {
        if let Some(crop) = &one.crop {
            let aligned = Image::decode(crop, &DecodeOptions::default())?;
            return Ok(self.analyzer().embed_aligned(&aligned)?);
        }
        let Some(hash) = one.photo else { return Err(no_crop()) };
        let beside = one.source.as_deref().map(PathBuf::from);
        let decode = options.looking.to_describe();
        for path in photos.get(&hash).cloned().into_iter().chain(beside) {
            let Ok(bytes) = Photo::from_path(&path).read(&decode).map(|bytes| bytes.into_owned()) else {
                continue;
            };
            if <[u8; 32]>::from(Sha256::digest(&bytes)) == hash {
                let image = Image::decode(&bytes, &decode)?;
                return Ok(self.face(&image, &options.looking, Choice::Dominant)?.template);
            }
        }
        Err(no_crop())
    }
}

fn no_crop() -> Problem {
    let reason = "no crop of it is kept, and its photo was not found";
    let remedy = "name the folder of its photo: phiz gallery adopt --photos FOLDER; or enrol the person anew";
    Problem::new(Code::Unreadable, reason, remedy)
}

/// The photos that are named, by the hash of their content.
fn photos_by_content(options: &AdoptOptions) -> HashMap<PhotoHash, PathBuf> {
    let decode = options.looking.to_describe();
    let walk = Walk::over(&options.photos);
    let hashed = |path: &std::path::Path| {
        let bytes = Photo::from_path(path).read(&decode).ok()?.into_owned();
        Some((Sha256::digest(&bytes).into(), path.to_owned()))
    };
    walk.photos().filter_map(hashed).collect()
}
