//! `phiz embed`: the templates of faces as a file, for other programs.

use std::path::PathBuf;

use clap::Args;
use phiz_service::{Code, Photo, Problem, Service};
use phiz_template::Template;

use super::faces::{Looking, Selection};
use super::npy::NpyWriter;
use super::out::note;
use super::output::Target;
use super::photos::{self, PhotoArguments};
use super::{Done, Failure, Shared};

/// Arguments of `phiz embed`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,
    /// Write the templates to this .npy file (float32 [n, dim], with rows of length 1)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write where each template comes from to this CSV file (path,face,x,y,w,h,score). A photo without a face has a row
    /// with face = -1
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// Overwrite --out and --list if they exist (but never the photos that are being read)
    #[arg(long)]
    force: bool,
    /// Take each photo as it is, as an aligned face of 112×112 pixels
    #[arg(long, conflicts_with_all = ["largest", "number", "at"])]
    aligned: bool,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    looking: Looking,
}

type Row = ([f32; 4], f32, Template);

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let batch = arguments.photos.find()?;
    let out = Target::new("--out", &arguments.out, batch.paths(), arguments.force)?;
    let list = Target::new("--list", &arguments.list, batch.paths(), arguments.force)?;
    if out.is(&list) {
        return Err(Failure::new("--list: is the same file as --out").hint("name two files"));
    }
    let service = shared.service_for(batch.items.len())?;
    let workshop = out.workshop().map_err(|e| Failure::writing(out.path(), &e))?;
    let growing = workshop.path().join("templates.npy");
    let mut templates = NpyWriter::create(&growing).map_err(|e| Failure::writing(out.path(), &e))?;
    let failed = |e: csv::Error| Failure::writing(&arguments.list, &e.into());
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["path", "face", "x", "y", "w", "h", "score"]).map_err(failed)?;
    let (mut refused, mut rows, mut without) = (0, 0usize, 0usize);
    let bar = shared.progress(batch.items.len());
    let work = |item: &phiz_service::walk::Item| match &item.problem {
        Some(problem) => Err(problem.clone()),
        None => describe(&service, &batch.photo(item), arguments),
    };
    photos::in_order(&batch.items, shared.threads()?, &bar, work, |item, faces| {
        let faces = faces.unwrap_or_else(|problem| {
            photos::warn(&item.path, &problem);
            refused += 1;
            Vec::new()
        });
        let name = item.path.as_os_str().as_encoded_bytes();
        if faces.is_empty() {
            without += 1;
            table.write_record([name, b"-1", b"", b"", b"", b"", b""]).map_err(failed)?;
        }
        for (number, ([x, y, w, h], score, template)) in faces.iter().enumerate() {
            templates.push(template.vector()).map_err(|e| Failure::writing(out.path(), &e))?;
            rows += 1;
            let numbers = [x, y, w, h, score].map(ToString::to_string);
            let mut record = csv::ByteRecord::new();
            record.push_field(name);
            record.push_field(number.to_string().as_bytes());
            numbers.iter().for_each(|number| record.push_field(number.as_bytes()));
            table.write_byte_record(&record).map_err(failed)?;
        }
        Ok(())
    })?;
    templates.finish(service.analyzer().dim()).map_err(|e| Failure::writing(out.path(), &e))?;
    let rows_of_list = table.into_inner().map_err(|e| Failure::writing(list.path(), e.error()))?;
    out.take(&growing).map_err(|e| Failure::writing(out.path(), &e))?;
    list.write(&rows_of_list).map_err(|e| Failure::writing(list.path(), &e))?;
    note!("{rows} templates of {} photos, {without} without a face", batch.items.len());
    batch.summarise(refused, shared);
    Ok(batch.done(refused))
}

fn describe(service: &Service, photo: &Photo, arguments: &Arguments) -> Result<Vec<Row>, Problem> {
    let looking = arguments.looking.service();
    let image = service.decode(photo, &looking)?;
    if arguments.aligned {
        let template = service.analyzer().embed_aligned(&image)?;
        let (w, h) = (image.width() as f32, image.height() as f32);
        return Ok(vec![([0.0, 0.0, w, h], 1.0, template)]);
    }
    let faces = match arguments.selection.is_given() {
        true => match service.face(&image, &looking, arguments.selection.choice()) {
            Err(problem) if problem.code() == Code::NoFace => Vec::new(),
            face => vec![face?],
        },
        false => service.faces(&image, &looking)?,
    };
    Ok(faces.into_iter().map(|face| (face.detection.bbox, face.detection.score, face.template)).collect())
}
