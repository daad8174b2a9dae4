//! `phiz review`: asks what would help most, one question at a time.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;
use phiz_gallery::{FaceId, Gallery, OperationId};
use phiz_service::{Album, Answer, Asked, IdentifyOptions, Question, Service, Shown};

use super::out::{self, note, say};
use super::picture::Protocol;
use super::{Done, Failure, Shared, scan, table};

/// Arguments of `phiz review`.
#[derive(Args)]
#[command(
    after_help = "Example: phiz review\n\nThe question that decides the most faces comes first. One key is an answer: y yes, \
    n no, 1 or 2 for one of two people, s later, ! never, u undo, q end. Where standard input is no terminal, each line of \
    it is an answer. Terminals with kitty's or iTerm's protocol or with sixel show the faces; PHIZ_PICTURES says which."
)]
pub(crate) struct Arguments {
    /// Print the questions as JSON, one object per line, and ask nothing
    #[arg(long, conflicts_with = "answer")]
    json: bool,
    /// Answer the question with this key (see --json) and end: yes, no, second, never, or a name for a stranger
    #[arg(long, num_args = 2, value_names = ["KEY", "ANSWER"])]
    answer: Option<Vec<String>>,
    /// Ask at most so many questions
    #[arg(long, value_name = "N", default_value_t = 1000)]
    most: usize,
    #[command(flatten)]
    deciding: scan::Deciding,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let options = arguments.deciding.options()?;
    let gallery = shared.open_gallery()?;
    if arguments.json {
        let questions = Album::open(&gallery, &options)?.questions(&options)?;
        questions.iter().take(arguments.most).for_each(out::json);
        return Ok(if questions.is_empty() { Done::Partly } else { Done::Well });
    }
    let service = shared.service()?;
    gallery.expect_model(service.analyzer().model_id())?;
    if let Some([key, answer]) = arguments.answer.as_deref() {
        let album = Album::open(&gallery, &options)?;
        let questions = album.questions(&options)?;
        let asked = questions.iter().find(|asked| asked.key == *key).ok_or_else(|| {
            Failure::new(format!("--answer {key}: this is not asked (any more)"))
                .hint("`phiz review --json` lists the questions with their keys")
        })?;
        let answer = match answer.as_str() {
            "yes" => Answer::Yes,
            "no" => Answer::No,
            "second" => Answer::Second,
            "never" => Answer::Never,
            name => Answer::Name(name.into()),
        };
        out::json(&service.answer(&album, asked, &answer)?);
        return Ok(Done::Well);
    }
    ask_all(&service, &gallery, &options, arguments.most, shared)
}

/// What somebody pressed.
enum Key {
    Answer(Answer),
    Later,
    Undo,
    End,
    Unknown,
}

fn ask_all(
    service: &Service,
    gallery: &Gallery,
    options: &IdentifyOptions,
    most: usize,
    shared: &Shared,
) -> Result<Done, Failure> {
    let pictures = std::io::stdout()
        .is_terminal()
        .then(|| Protocol::of_terminal(|name| std::env::var(name).ok()))
        .flatten();
    let mut later = BTreeSet::new();
    let mut undo: Answers = Vec::new();
    let mut answered = 0;
    loop {
        let album = Album::open(gallery, options)?;
        let questions = album.questions(options)?;
        let open = questions.iter().filter(|asked| !later.contains(&asked.key));
        let left = open.clone().count();
        let Some(asked) = open.clone().next().filter(|_| answered < most) else {
            say!("{}", if left == 0 { "nothing more to ask" } else { "enough for now" });
            // The last answer can be taken back like every other.
            if undo.is_empty() {
                break;
            }
            say!("[u]ndo  [q] end");
            match key_of_all(&typed(true)?) {
                Some(Key::Undo) => take_back(gallery, &mut undo, &mut later)?,
                _ => break,
            }
            answered -= 1;
            continue;
        };
        say!("");
        show(service, &album, asked, pictures);
        say!("({left} to ask)  {}", keys(&asked.question));
        match pressed(&asked.question)? {
            Key::End => break,
            Key::Unknown => say!("that is no answer: {}", keys(&asked.question)),
            Key::Later => _ = later.insert(asked.key.clone()),
            Key::Undo => take_back(gallery, &mut undo, &mut later)?,
            Key::Answer(answer) => match service.answer(&album, asked, &answer) {
                Ok(done) => {
                    answered += 1;
                    say!("{}", done.done);
                    undo.push((done.operations, asked.key.clone()));
                    // What an answer leaves open is not asked at once again.
                    later.insert(asked.key.clone());
                }
                Err(error) => {
                    let failure = Failure::from(error);
                    note!("{}", failure.message);
                    failure.hint.iter().for_each(|hint| note!("  hint: {hint}"));
                    later.insert(asked.key.clone());
                }
            },
        }
        if out::nobody_reads() {
            break;
        }
    }
    if !shared.quiet {
        note!("{}", table::count(answered, "question answered", "questions answered"));
    }
    Ok(Done::Well)
}

/// What was answered in this session: the operations that take it back, and the question's key.
type Answers = Vec<(Vec<OperationId>, String)>;

/// Takes the last answer back, so that its question is asked again.
fn take_back(gallery: &Gallery, answers: &mut Answers, later: &mut BTreeSet<String>) -> Result<(), Failure> {
    match answers.pop() {
        Some((operations, key)) => {
            let undone = Service::take_back(gallery, &key, &operations)?;
            undone.iter().for_each(|what| say!("undone: {what}"));
            later.remove(&key);
        }
        None => say!("nothing to undo in this session; for more: phiz people undo"),
    }
    Ok(())
}

fn keys(question: &Question) -> &'static str {
    match question {
        Question::WhichPerson { .. } => {
            "[1] the first  [2] the second  [n]either  [s] later  [!] never  [u]ndo  [q] end"
        }
        Question::WhoIs { .. } => "type a name  [i]gnore  [s] later  [!] never  [u]ndo  [q] end",
        _ => "[y]es  [n]o  [s] later  [!] never  [u]ndo  [q] end",
    }
}

/// Waits for an answer to the question.
fn pressed(question: &Question) -> Result<Key, Failure> {
    Ok(key(question, &typed(!matches!(question, Question::WhoIs { .. }))?))
}

/// Waits for a key, or for a line where a name may be typed or nobody sits at a terminal; the end of the input is `q`.
fn typed(one_key: bool) -> Result<String, Failure> {
    let ended = |error: std::io::Error| Failure::new(format!("standard input: cannot be read ({error})"));
    if std::io::stdin().is_terminal() && one_key {
        return Ok(console::Term::stderr().read_char().map_err(ended)?.to_string());
    }
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line).map_err(ended)? {
        0 => Ok("q".into()),
        _ => Ok(line.trim().to_owned()),
    }
}

/// What a key means in every question.
fn key_of_all(text: &str) -> Option<Key> {
    match text {
        "u" => Some(Key::Undo),
        "q" | "\u{1b}" | "\u{3}" | "\u{4}" => Some(Key::End),
        _ => None,
    }
}

fn key(question: &Question, text: &str) -> Key {
    let names = matches!(question, Question::WhoIs { .. });
    let which = matches!(question, Question::WhichPerson { .. });
    if let Some(key) = key_of_all(text) {
        return key;
    }
    match text {
        "s" | "" => Key::Later,
        "!" => Key::Answer(Answer::Never),
        "i" if names => Key::Answer(Answer::No),
        name if names => Key::Answer(Answer::Name(name.into())),
        "1" if which => Key::Answer(Answer::Yes),
        "2" if which => Key::Answer(Answer::Second),
        "y" | "Y" if !which => Key::Answer(Answer::Yes),
        "n" | "N" => Key::Answer(Answer::No),
        _ => Key::Unknown,
    }
}

/// Prints a question with the faces that it is about: their pictures, or paths to open.
fn show(service: &Service, album: &Album<'_>, asked: &Asked, pictures: Option<Protocol>) {
    let (text, faces, enrolled) = words(&asked.question);
    let mut crops: Vec<(String, Vec<u8>)> = Vec::new();
    if pictures.is_some() {
        let places = faces
            .iter()
            .filter_map(|(label, face)| Some((label.clone(), album.archive.place(face.sighting)?)));
        crops = service.pictures(album, places).0;
        for face in &enrolled {
            if let Ok(Some(crop)) = album.gallery().crop(*face) {
                crops.push((face.to_string(), crop));
            }
        }
    }
    let sheet = phiz_service::contact_sheet(&crops).ok().filter(|_| !crops.is_empty());
    match sheet.and_then(|sheet| pictures?.show(&sheet)) {
        Some(characters) => out::picture(&characters),
        None => {
            for (label, face) in &faces {
                let [x, y, w, h] = face.bbox;
                say!("  {label} {} ({w:.0} × {h:.0} at {x:.0}, {y:.0})", face.path.path);
            }
            for face in &enrolled {
                let source = album.gallery().face(*face).ok().and_then(|face| face.source);
                say!("  {face} {}", source.unwrap_or_default());
            }
        }
    }
    say!("{text}");
}

fn words(question: &Question) -> (String, Vec<(String, &Shown)>, Vec<FaceId>) {
    let many = |label: String, faces: &[Shown]| faces.iter().map(|_| label.clone()).collect::<Vec<_>>();
    fn with(labels: Vec<String>, faces: &[Shown]) -> Vec<(String, &Shown)> {
        labels.into_iter().zip(faces).collect()
    }
    match question {
        Question::IsPerson { face, person, beside, fpir } => (
            format!(
                "Is this {}? ({:.0} in 100 strangers are as similar to somebody)",
                person.name,
                fpir * 100.0
            ),
            vec![("this".into(), face)],
            beside.iter().copied().collect(),
        ),
        Question::WhichPerson { face, first, second } => (
            format!("Is this 1: {}, or 2: {}?", first.name, second.name),
            vec![("this".into(), face)],
            Vec::new(),
        ),
        Question::StrangerIsPerson { stranger, faces, person, beside, .. } => (
            format!("Is stranger {stranger} {}?", person.name),
            with(many(stranger.to_string(), faces), faces),
            beside.iter().copied().collect(),
        ),
        Question::OneStranger { first, second, faces, others, .. } => {
            let mut all = with(many(first.to_string(), faces), faces);
            all.extend(with(many(second.to_string(), others), others));
            (format!("Are strangers {first} and {second} one person?"), all, Vec::new())
        }
        Question::WhoIs { stranger, faces, photos } => (
            format!("Who is stranger {stranger}, in {}?", table::count(*photos, "photo", "photos")),
            with(many(stranger.to_string(), faces), faces),
            Vec::new(),
        ),
        Question::BelongsTo { face, person, .. } => (
            format!("Does {face} belong to {}? It is unlike the other faces.", person.name),
            Vec::new(),
            vec![*face],
        ),
        Question::OnePerson { first, second, .. } => (
            format!("Are {} ({}) and {} ({}) one person?", first.name, first.id, second.name, second.id),
            Vec::new(),
            Vec::new(),
        ),
        Question::TwoPeople { person, faces, .. } => (
            format!("Are these faces of {} ({}) somebody else's?", person.name, person.id),
            Vec::new(),
            faces.clone(),
        ),
        Question::Misleads { face, person, negative, .. } => (
            format!(
                "{negative} is not {0}, but very like {face}. Does {face} mislead, and should {0} lose it?",
                person.name
            ),
            Vec::new(),
            vec![*face],
        ),
        _ => (String::new(), Vec::new(), Vec::new()),
    }
}

/// Prints the proposals about enrolled people.
pub(crate) fn doubts(gallery: &Gallery, json: bool) -> Result<Done, Failure> {
    let doubts = phiz_service::doubts(gallery)?;
    if json {
        doubts.iter().for_each(out::json);
    } else {
        for asked in &doubts {
            let (text, _, faces) = words(&asked.question);
            let faces: Vec<String> = faces.iter().map(FaceId::to_string).collect();
            say!(
                "{text}{}",
                if faces.is_empty() { String::new() } else { format!("  [{}]", faces.join(" ")) }
            );
            say!("  {}", command(&asked.question));
        }
        match doubts.len() {
            0 => note!("no doubts: every enrolled face fits its person"),
            number => note!("{}; answer them with: phiz review", table::count(number, "doubt", "doubts")),
        }
    }
    Ok(if doubts.is_empty() { Done::Partly } else { Done::Well })
}

/// The command that does what a proposal proposes.
fn command(question: &Question) -> String {
    match question {
        Question::BelongsTo { face, .. } | Question::Misleads { face, .. } => {
            format!("phiz people remove {face}")
        }
        Question::OnePerson { first, second, .. } => format!("phiz people merge {} {}", first.id, second.id),
        Question::TwoPeople { person, faces, .. } => {
            let faces: Vec<String> = faces.iter().map(FaceId::to_string).collect();
            format!("phiz people split {} {}", person.id, faces.join(" "))
        }
        _ => "phiz review".into(),
    }
}
