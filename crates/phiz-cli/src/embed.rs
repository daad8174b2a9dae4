//! `phiz embed`: the templates of faces as a file, for other programs.

use std::path::{Path, PathBuf};

use clap::Args;

use super::faces::{self, Looking, Problem};
use super::npy::NpyWriter;
use super::{Done, Failure, Shared, photos};
use crate::{Engine, Template};

/// Arguments of `phiz embed`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Photos, or folders of photos
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Templates: a .npy file of float32 [n, dim], rows of unit length
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Whose they are: a CSV file (path,face,x,y,w,h,score), a row a template, face = -1 for a photo without one
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// Only the largest face of each photo
    #[arg(long)]
    largest: bool,
    /// The photos are aligned faces of 112×112 pixels and taken as they are
    #[arg(long, conflicts_with = "largest")]
    aligned: bool,
    #[command(flatten)]
    looking: Looking,
}

type Row = ([f32; 4], f32, Template);

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let paths = photos::find(&arguments.photos)?;
    let engine = shared.engine()?;
    let (out, list) = (&arguments.out, &arguments.list);
    let mut templates = NpyWriter::create(out).map_err(|e| Failure::writing(out, &e))?;
    let failed = |e: csv::Error| Failure::writing(list, &e.into());
    let mut table = csv::Writer::from_path(list).map_err(failed)?;
    table.write_record(["path", "face", "x", "y", "w", "h", "score"]).map_err(failed)?;
    let (mut done, mut rows, mut without) = (Done::Well, 0usize, 0usize);
    let bar = shared.progress(paths.len());
    let work = |path: &PathBuf| describe(&engine, path, arguments);
    photos::in_order(&paths, shared.threads()?, &bar, work, |path, faces| {
        let faces = faces.unwrap_or_else(|problem| {
            problem.warn(path);
            done = Done::Partly;
            Vec::new()
        });
        let name = path.display().to_string();
        if faces.is_empty() {
            without += 1;
            table.write_record([name.as_str(), "-1", "", "", "", "", ""]).map_err(failed)?;
        }
        for (number, ([x, y, w, h], score, template)) in faces.iter().enumerate() {
            templates.push(template.vector()).map_err(|e| Failure::writing(out, &e))?;
            rows += 1;
            table.serialize((&name, number, x, y, w, h, score)).map_err(failed)?;
        }
        Ok(())
    })?;
    table.flush().map_err(|e| Failure::writing(list, &e))?;
    templates.finish(engine.dim()).map_err(|e| Failure::writing(out, &e))?;
    eprintln!("{rows} templates of {} photos, {without} without a face", paths.len());
    Ok(done)
}

fn describe(engine: &Engine, path: &Path, arguments: &Arguments) -> Result<Vec<Row>, Problem> {
    let image = faces::open(path)?;
    if arguments.aligned {
        let template = engine.embed_aligned(&image)?;
        let (w, h) = (image.width() as f32, image.height() as f32);
        return Ok(vec![([0.0, 0.0, w, h], 1.0, template)]);
    }
    let found = engine.detect(&image, &arguments.looking.options())?;
    let wanted = if arguments.largest { 1 } else { found.len() };
    let mut rows = Vec::new();
    for detection in found.into_iter().take(wanted) {
        let template = engine.embed_aligned(&engine.align(&image, &detection))?;
        rows.push((detection.bbox, detection.score, template));
    }
    Ok(rows)
}
