//! Puts regions and keywords into a packet, between what others wrote there.
//!
//! The packet's text is never written anew. It is parsed, so that the places are known at which text can be put in, and
//! all else is copied. A packet into which nothing can be put safely is refused.
//!
//! - A region of a face that somebody has named stays, whatever its name: [`Outcome::Theirs`] if it is another one.
//! - A region that nobody has named gets the name.
//! - Otherwise a region of ours is added. It carries a mark (`mwg-rs:Extensions/phiz:by`). Regions with our mark that are
//!   not wanted any more are taken out, so that corrections reach the photos. A program that writes the regions anew drops
//!   the mark, and they are its own from then on.
//! - Keywords are added in the three ways that are in use: `dc:subject` (all programs), `digiKam:TagsList` and
//!   `lr:hierarchicalSubject`. Those that we added are listed in `phiz:keywords`, and only those are ever taken out.

use std::ops::Range;

use crate::area::{Area, Orientation};
use crate::error::{MetaError, Result};
use crate::read::{Frame, Packet, Region, Value, container, field, items, region, text};
use crate::space::{AREA, DC, DIGIKAM, DIMENSIONS, LIGHTROOM, MWG, PHIZ, RDF, Space};
use crate::tree::{self, Node, escaped};

/// A face with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Face {
    /// The person's name.
    pub name: String,
    /// Where the face is, in the picture as it is seen.
    pub area: Area,
}

/// What is to stand in a packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Tags {
    /// Width of the picture as it is stored, before it is turned upright.
    pub width: u32,
    /// Height of the picture as it is stored.
    pub height: u32,
    /// How it is turned upright.
    pub orientation: Orientation,
    /// The faces that have names.
    pub faces: Vec<Face>,
    /// Whether the names are keywords, too.
    pub keywords: bool,
    /// The keyword above all names in hierarchies of keywords, such as `People`; empty for none.
    pub parent: String,
}

impl Tags {
    /// No face, for a picture of this size as it is stored.
    #[must_use]
    pub fn of(width: u32, height: u32, orientation: Orientation) -> Tags {
        Tags { width, height, orientation, faces: Vec::new(), keywords: true, parent: "People".into() }
    }
}

/// What became of a face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A region was added, or one of ours changed.
    Added,
    /// A region with this name was there.
    There,
    /// A region without a name was there, and got it.
    Named,
    /// A region with another name was there, which stays.
    Theirs(String),
}

/// A packet with what was to stand in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The packet.
    pub packet: Vec<u8>,
    /// Whether it differs from what was there.
    pub changed: bool,
    /// One for each face, in their order.
    pub faces: Vec<Outcome>,
    /// How many regions of ours were taken out for good: nobody is named there any more.
    pub removed: usize,
}

const EMPTY: &str = "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>
<x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"Phiz\">
 <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end=\"w\"?>
";

/// Two areas that differ by less are one: a millionth, as finely as they are written.
const SAME: f64 = 2e-6;

/// Puts `tags` into a packet, or into a new one.
///
/// # Errors
/// The packet cannot be understood, or nothing can be put into it safely.
pub fn merge(packet: Option<&[u8]>, tags: &Tags) -> Result<Merged> {
    let before = packet.map_or(Ok(EMPTY), text)?;
    let root = tree::parse(before)?;
    let mut edit = Edit { packet: Packet::of(&root)?, text: before, changes: Vec::new(), new: Vec::new() };
    let (faces, removed) = edit.regions(tags)?;
    edit.keywords(tags)?;
    if edit.changes.is_empty() && edit.new.is_empty() {
        let packet = packet.map_or_else(|| before.as_bytes().to_vec(), <[u8]>::to_vec);
        return Ok(Merged { packet, changed: false, faces, removed: 0 });
    }
    let after = edit.done();
    // What was written can be read, or it is not written.
    crate::read::read(after.as_bytes())?;
    let mark: &[u8] = packet.filter(|p| p.starts_with(b"\xef\xbb\xbf")).map_or(b"", |_| b"\xef\xbb\xbf");
    Ok(Merged { packet: [mark, after.as_bytes()].concat(), changed: true, faces, removed })
}

struct Edit<'a> {
    packet: Packet<'a>,
    text: &'a str,
    /// What is put in place of which part of the text.
    changes: Vec<(Range<usize>, String)>,
    /// Properties that are not there yet.
    new: Vec<String>,
}

impl Edit<'_> {
    fn regions(&mut self, tags: &Tags) -> Result<(Vec<Outcome>, usize)> {
        if self.packet.has_attribute(MWG, "Regions") {
            return Err(MetaError::Unusual("mwg-rs:Regions"));
        }
        let regions = self.packet.element(MWG, "Regions");
        let found = self.packet.found();
        let list = match regions.and_then(|regions| field(regions, MWG, "RegionList")) {
            Some(Value::Node(list)) => Some(list),
            Some(Value::Text(_)) => return Err(MetaError::Unusual("mwg-rs:RegionList")),
            None => None,
        };
        let all: Vec<&Node> = list.into_iter().flat_map(items).collect();
        let (mut ours, mut theirs): (Vec<_>, Vec<_>) = all
            .iter()
            .filter_map(|item| Some((*item, region(item, found.applied)?)))
            .partition(|(_, region)| region.ours);
        let others = all.len() - ours.len();
        // Nothing of theirs is compared with if there is none, whatever size stands there.
        let frame = match (others, found.frame((tags.width, tags.height), tags.orientation)) {
            (_, Ok(frame)) => Some(frame),
            (0, Err(_)) => None,
            (_, Err(_)) if tags.faces.is_empty() => None,
            (_, Err(error)) => return Err(error),
        };
        let place = frame.unwrap_or(Frame::Stored);
        let mut outcomes = Vec::with_capacity(tags.faces.len());
        let mut added = Vec::new();
        for face in &tags.faces {
            let area = rounded(place.of_upright(face.area, tags.orientation));
            let near = theirs
                .iter()
                .enumerate()
                .filter(|(_, (_, theirs))| theirs.area.is_like(&area))
                .max_by(|(_, a), (_, b)| a.1.area.iou(&area).total_cmp(&b.1.area.iou(&area)))
                .map(|(number, _)| number);
            if let Some(number) = near {
                let (item, region) = theirs.swap_remove(number);
                outcomes.push(self.named(item, &region, &face.name)?);
                continue;
            }
            let same = |(_, region): &(&Node, Region)| {
                region.name.as_deref() == Some(&face.name) && differ(region.area, area) < SAME
            };
            match ours.iter().position(same).filter(|_| frame.is_some()) {
                Some(number) => {
                    ours.swap_remove(number);
                    outcomes.push(Outcome::There);
                }
                None => {
                    added.push((face.name.as_str(), area));
                    outcomes.push(Outcome::Added);
                }
            }
        }
        let removed = ours.len().saturating_sub(added.len());
        let left = all.len() - ours.len();
        match regions {
            None if added.is_empty() => {}
            None => {
                let written = property(tags, place, &added);
                self.new.push(written);
            }
            // All of it is ours, or was written for another picture and is ours.
            Some(regions) if others == 0 && (frame.is_none() || left == 0 || list.is_none()) => {
                if added.is_empty() && left == 0 && !all.is_empty() {
                    self.remove(regions);
                } else if !added.is_empty() {
                    self.remove(regions);
                    self.new.push(property(tags, place, &added));
                }
            }
            Some(regions) => {
                for (item, _) in &ours {
                    self.remove(item);
                }
                if !added.is_empty() {
                    let list = list.ok_or(MetaError::Unusual("mwg-rs:RegionList"))?;
                    let items: Vec<String> =
                        added.iter().map(|(name, area)| item(list, name, *area)).collect();
                    self.append(list, &items.concat(), "mwg-rs:RegionList")?;
                    if field(regions, MWG, "AppliedToDimensions").is_none() {
                        self.add_field(regions, &dimensions(tags, place), "mwg-rs:Regions")?;
                    }
                }
            }
        }
        Ok((outcomes, removed))
    }

    /// A region of theirs at the place of a face.
    fn named(&mut self, item: &Node, region: &Region, name: &str) -> Result<Outcome> {
        match &region.name {
            Some(theirs) if theirs == name => Ok(Outcome::There),
            Some(theirs) => Ok(Outcome::Theirs(theirs.clone())),
            None => {
                match field(item, MWG, "Name") {
                    None => {
                        let written = element(&item.scope, MWG, "Name", &escaped(name));
                        self.add_field(item, &written, "mwg-rs:Name")?;
                    }
                    Some(Value::Node(empty)) => {
                        let written = element(&empty.scope, MWG, "Name", &escaped(name));
                        self.changes.push((empty.range.clone(), written));
                    }
                    Some(Value::Text(_)) => return Err(MetaError::Unusual("mwg-rs:Name")),
                }
                Ok(Outcome::Named)
            }
        }
    }

    fn keywords(&mut self, tags: &Tags) -> Result<()> {
        let listed = self.packet.element(PHIZ, "keywords");
        let before: Vec<String> = listed.into_iter().flat_map(items).map(|item| item.text.clone()).collect();
        let mut wanted: Vec<&str> = tags.faces.iter().map(|face| face.name.as_str()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if !tags.keywords {
            wanted.clear();
        }
        let mut ours: Vec<String> =
            before.iter().filter(|name| wanted.contains(&name.as_str())).cloned().collect();
        let gone: Vec<&str> =
            before.iter().map(String::as_str).filter(|name| !wanted.contains(name)).collect();
        let within = |name: &str, separator: char| {
            let own = name.replace(separator, " ");
            match tags.parent.is_empty() {
                true => own,
                false => format!("{}{separator}{own}", tags.parent),
            }
        };
        type Written<'w> = &'w dyn Fn(&str) -> String;
        let ways: [(Space, &'static str, &'static str, &str, Written<'_>); 3] = [
            (DC, "subject", "dc:subject", "Bag", &|name| name.to_owned()),
            (DIGIKAM, "TagsList", "digiKam:TagsList", "Seq", &|name| within(name, '/')),
            (LIGHTROOM, "hierarchicalSubject", "lr:hierarchicalSubject", "Bag", &|name| within(name, '|')),
        ];
        for (space, local, called, kind, written) in ways {
            if self.packet.has_attribute(space, local) && !(wanted.is_empty() && gone.is_empty()) {
                return Err(MetaError::Unusual(called));
            }
            let property = self.packet.element(space, local);
            let there: Vec<&Node> = property.into_iter().flat_map(items).collect();
            let removed: Vec<String> = gone.iter().map(|name| written(name)).collect();
            for item in there.iter().filter(|item| removed.contains(&item.text)) {
                self.remove(item);
            }
            let missing: Vec<String> = wanted
                .iter()
                .filter(|name| !there.iter().any(|item| item.text == written(name)))
                .map(|name| {
                    if space == DC {
                        ours.push((*name).to_owned());
                    }
                    written(name)
                })
                .collect();
            if missing.is_empty() {
                continue;
            }
            match property {
                None => self.new.push(array(space, local, kind, &missing)),
                Some(property) => {
                    let array = container(property);
                    let li = array.map_or_else(|| "rdf:li".to_owned(), |array| sibling(array, "li"));
                    let items: Vec<String> =
                        missing.iter().map(|text| format!("\n     <{li}>{}</{li}>", escaped(text))).collect();
                    self.append(property, &items.concat(), called)?;
                }
            }
        }
        ours.sort_unstable();
        ours.dedup();
        if ours != before {
            if let Some(listed) = listed {
                self.remove(listed);
            }
            if !ours.is_empty() {
                self.new.push(array(PHIZ, "keywords", "Bag", &ours));
            }
        }
        Ok(())
    }

    /// Puts items at the end of a property's array.
    fn append(&mut self, property: &Node, items: &str, called: &'static str) -> Result<()> {
        let Some(array) = container(property) else {
            if property.children.is_empty()
                && property.text.trim().is_empty()
                && property.attributes.is_empty()
            {
                // A property without a value: an array is put into it.
                let rdf = &self.packet.rdf.name;
                let bag = rdf.replace("RDF", "Bag");
                let whole = format!("<{name}><{bag}>{items}</{bag}></{name}>", name = property.name);
                let whole = declared(whole, &property.name, self.text, property);
                self.changes.push((property.range.clone(), whole));
                return Ok(());
            }
            return Err(MetaError::Unusual(called));
        };
        match array.single {
            false => {
                // Behind the last item, so that the line of the closing tag stays as it is.
                let at = array.children.last().map_or(array.inner.start, |last| last.range.end);
                self.changes.push((at..at, items.to_owned()));
            }
            true => {
                let open = self.text[array.range.clone()].trim_end_matches("/>").trim_end();
                self.changes.push((array.range.clone(), format!("{open}>{items}\n    </{}>", array.name)));
            }
        }
        Ok(())
    }

    /// Puts a field into a structure.
    fn add_field(&mut self, node: &Node, written: &str, called: &'static str) -> Result<()> {
        let resource = node.attribute(RDF, "parseType") == Some("Resource");
        let holder = node.child(RDF, "Description").unwrap_or(node);
        if holder.single || (!resource && std::ptr::eq(holder, node)) {
            return Err(MetaError::Unusual(called));
        }
        let at = holder.inner.start;
        self.changes.push((at..at, written.to_owned()));
        Ok(())
    }

    /// Takes an element out, with the blanks before it.
    fn remove(&mut self, node: &Node) {
        let start = self.text[..node.range.start].trim_end().len();
        self.changes.push((start..node.range.end, String::new()));
    }

    fn done(mut self) -> String {
        if !self.new.is_empty() {
            let rdf = self.packet.rdf;
            let (name, prefix) = match rdf.name.rsplit_once(':') {
                Some((prefix, _)) => (format!("{prefix}:Description"), prefix),
                None => ("Description".to_owned(), ""),
            };
            let about = self.packet.descriptions.first().and_then(|d| d.attribute(RDF, "about"));
            let about = escaped(about.unwrap_or_default());
            let own = match prefix {
                // Attributes without a prefix have no namespace, so one is needed.
                "" => format!(" xmlns:rdf=\"{}\" rdf:about=\"{about}\"", RDF.uri),
                "rdf" => format!(" rdf:about=\"{about}\""),
                prefix => format!(" {prefix}:about=\"{about}\" xmlns:rdf=\"{}\"", RDF.uri),
            };
            let spaces: String = [MWG, DIMENSIONS, AREA, DC, DIGIKAM, LIGHTROOM, PHIZ]
                .iter()
                .filter(|space| {
                    self.new.iter().any(|text| {
                        text.contains(&format!("<{}:", space.prefix))
                            || text.contains(&format!(" {}:", space.prefix))
                    })
                })
                .map(|space| format!("\n    xmlns:{}=\"{}\"", space.prefix, space.uri))
                .collect();
            let block = format!("\n  <{name}{own}{spaces}>{}\n  </{name}>", self.new.concat());
            if rdf.single {
                let open = self.text[rdf.range.clone()].trim_end_matches("/>").trim_end();
                self.changes.push((rdf.range.clone(), format!("{open}>{block}\n </{}>", rdf.name)));
            } else {
                let at = rdf.children.last().map_or(rdf.inner.start, |last| last.range.end);
                self.changes.push((at..at, block));
            }
        }
        // From the end to the beginning; at one place, what was asked for first stands first.
        self.changes.sort_by_key(|(range, _)| (range.start, range.end));
        let mut after = String::with_capacity(self.text.len() + 4096);
        let mut at = 0;
        for (range, text) in self.changes {
            after.push_str(self.text.get(at..range.start).unwrap_or_default());
            after.push_str(&text);
            at = at.max(range.end);
        }
        after.push_str(&self.text[at..]);
        after
    }
}

/// The name of an element of RDF beside this one, with the same prefix.
fn sibling(node: &Node, local: &str) -> String {
    match node.name.rsplit_once(':') {
        Some((prefix, _)) => format!("{prefix}:{local}"),
        None => local.to_owned(),
    }
}

/// An empty property with the attributes that it had.
fn declared(whole: String, name: &str, text: &str, node: &Node) -> String {
    let tag = &text[node.range.start..node.inner.start];
    let attributes =
        tag.trim_start_matches('<').trim_start_matches(name).trim_end_matches('>').trim_end_matches('/');
    whole.replacen(&format!("<{name}>"), &format!("<{name}{}>", attributes.trim_end()), 1)
}

/// An element of a namespace, under the prefix that it has at that place or else declared by itself.
fn element(scope: &tree::Scope, space: Space, local: &str, inner: &str) -> String {
    match scope.prefix(space) {
        Some(prefix) => format!("<{prefix}:{local}>{inner}</{prefix}:{local}>"),
        None => {
            let Space { prefix, uri } = space;
            format!("<{prefix}:{local} xmlns:{prefix}=\"{uri}\">{inner}</{prefix}:{local}>")
        }
    }
}

fn array(space: Space, local: &str, kind: &str, items: &[String]) -> String {
    let items: String =
        items.iter().map(|text| format!("\n     <rdf:li>{}</rdf:li>", escaped(text))).collect();
    let name = format!("{}:{local}", space.prefix);
    format!("\n   <{name}>\n    <rdf:{kind}>{items}\n    </rdf:{kind}>\n   </{name}>")
}

fn rounded(area: Area) -> Area {
    let six = |value: f64| (value * 1e6).round() / 1e6;
    Area { x: six(area.x), y: six(area.y), w: six(area.w), h: six(area.h) }
}

fn differ(a: Area, b: Area) -> f64 {
    [(a.x, b.x), (a.y, b.y), (a.w, b.w), (a.h, b.h)].iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The fields of a region of ours.
fn fields(name: &str, Area { x, y, w, h }: Area) -> String {
    format!(
        "\n      <mwg-rs:Name>{}</mwg-rs:Name>\n      <mwg-rs:Type>Face</mwg-rs:Type>\n      \
         <mwg-rs:Area stArea:x=\"{x:.6}\" stArea:y=\"{y:.6}\" stArea:w=\"{w:.6}\" stArea:h=\"{h:.6}\" \
         stArea:unit=\"normalized\"/>\n      <mwg-rs:Extensions rdf:parseType=\"Resource\">\n       \
         <phiz:by>Phiz</phiz:by>\n      </mwg-rs:Extensions>",
        escaped(name)
    )
}

/// A region of ours as an item of a list that is there: it declares the prefixes that it uses.
fn item(list: &Node, name: &str, area: Area) -> String {
    let li = container(list).map_or_else(|| "rdf:li".to_owned(), |array| sibling(array, "li"));
    let scope = container(list).map_or(&list.scope, |array| &array.scope);
    let declare: String = [RDF, MWG, AREA, PHIZ]
        .iter()
        .filter(|space| scope.prefix(**space) != Some(space.prefix))
        .map(|space| format!(" xmlns:{}=\"{}\"", space.prefix, space.uri))
        .collect();
    format!("\n     <{li}{declare} rdf:parseType=\"Resource\">{}\n     </{li}>", fields(name, area))
}

fn dimensions(tags: &Tags, frame: Frame) -> String {
    let turned = frame == Frame::Upright && tags.orientation.is_sideways();
    let (w, h) = if turned { (tags.height, tags.width) } else { (tags.width, tags.height) };
    let declare = format!("xmlns:mwg-rs=\"{}\" xmlns:stDim=\"{}\"", MWG.uri, DIMENSIONS.uri);
    format!(
        "\n    <mwg-rs:AppliedToDimensions {declare} stDim:w=\"{w}\" stDim:h=\"{h}\" stDim:unit=\"pixel\"/>"
    )
}

/// The whole property of regions.
fn property(tags: &Tags, frame: Frame, faces: &[(&str, Area)]) -> String {
    let items: String = faces
        .iter()
        .map(|(name, area)| {
            format!("\n     <rdf:li rdf:parseType=\"Resource\">{}\n     </rdf:li>", fields(name, *area))
        })
        .collect();
    let turned = frame == Frame::Upright && tags.orientation.is_sideways();
    let (w, h) = if turned { (tags.height, tags.width) } else { (tags.width, tags.height) };
    format!(
        "\n   <mwg-rs:Regions rdf:parseType=\"Resource\">\n    <mwg-rs:AppliedToDimensions stDim:w=\"{w}\" \
         stDim:h=\"{h}\" stDim:unit=\"pixel\"/>\n    <mwg-rs:RegionList>\n     <rdf:Bag>{items}\n     </rdf:Bag>\n    \
         </mwg-rs:RegionList>\n   </mwg-rs:Regions>"
    )
}
