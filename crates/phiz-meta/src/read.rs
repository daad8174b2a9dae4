//! Which regions and names a packet states.

use crate::area::{Area, Orientation};
use crate::error::{MetaError, Result};
use crate::jpeg::{packets, position};
use crate::space::{
    AREA, DC, DIMENSIONS, IPTC, MICROSOFT, MICROSOFT_INFO, MICROSOFT_REGION, MWG, NOTE, PHIZ, RDF, Space, XMP,
};
use crate::tree::{self, Node};

/// Whose way of writing a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schema {
    /// Metadata Working Group.
    Mwg,
    /// Microsoft's people tags.
    Microsoft,
    /// Image regions of the IPTC.
    Iptc,
    /// Picasa's, which stand in a file of the folder.
    Picasa,
}

/// A region of a face.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The name beside it.
    pub name: Option<String>,
    /// Where it lies, in the picture that [`Found::applied`] means.
    pub area: Area,
    /// How it is written.
    pub schema: Schema,
    /// Whether it carries our mark.
    pub ours: bool,
}

/// What a packet states.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// Regions of faces. A face that two schemas describe stands here once.
    pub regions: Vec<Region>,
    /// Width and height of the picture that the regions refer to, if the packet says so.
    pub applied: Option<(u32, u32)>,
    /// Keywords (`dc:subject`).
    pub keywords: Vec<String>,
    /// Whether the packet goes on elsewhere (extended XMP in a JPEG).
    pub extended: bool,
}

impl Found {
    /// Where the regions lie in the picture as it is stored, whose size is given; [`Orientation`] turns it upright.
    ///
    /// Regions refer to the stored picture. A few programs wrote them for the upright one; if the size that they say they
    /// were written for has the upright picture's shape and not the stored one's, they are taken for that.
    ///
    /// # Errors
    /// [`MetaError::OtherPicture`] if the size fits neither.
    pub fn frame(&self, stored: (u32, u32), orientation: Orientation) -> Result<Frame> {
        let Some(applied) = self.applied else { return Ok(Frame::Stored) };
        if same_shape(applied, stored) {
            Ok(Frame::Stored)
        } else if orientation.is_sideways() && same_shape((applied.1, applied.0), stored) {
            Ok(Frame::Upright)
        } else {
            Err(MetaError::OtherPicture { regions: applied, photo: stored })
        }
    }
}

/// To which picture regions refer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The picture as it is stored.
    Stored,
    /// The picture as it is seen.
    Upright,
}

impl Frame {
    /// An area that refers to this picture, in the upright one.
    #[must_use]
    pub fn to_upright(self, area: Area, orientation: Orientation) -> Area {
        if self == Frame::Stored { orientation.to_upright(area) } else { area }
    }

    /// An area of the upright picture, in this one.
    #[must_use]
    pub fn of_upright(self, area: Area, orientation: Orientation) -> Area {
        if self == Frame::Stored { orientation.to_stored(area) } else { area }
    }
}

/// Whether two pictures have the same ratio of width to height, but for rounding.
fn same_shape(a: (u32, u32), b: (u32, u32)) -> bool {
    let ratio = |(w, h): (u32, u32)| f64::from(w.max(1)) / f64::from(h.max(1));
    let (a, b) = (ratio(a), ratio(b));
    (a / b - 1.0).abs() < 0.02
}

/// The text of a packet: without a mark of its byte order and what pads it.
pub(crate) fn text(packet: &[u8]) -> Result<&str> {
    let packet = packet.strip_prefix(b"\xef\xbb\xbf").unwrap_or(packet);
    if matches!(packet, [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, b'<', ..] | [b'<', 0, ..]) {
        return Err(MetaError::NotXmp("it is written in UTF-16, and Phiz reads UTF-8".into()));
    }
    let text = std::str::from_utf8(packet).map_err(|e| MetaError::NotXmp(e.to_string()))?;
    Ok(text.trim_end_matches('\0'))
}

/// What a packet states.
///
/// # Errors
/// [`MetaError::NotXmp`] if it is none.
pub fn read(packet: &[u8]) -> Result<Found> {
    let root = tree::parse(text(packet)?)?;
    Ok(Packet::of(&root)?.found())
}

/// The parts of a packet that hold properties.
pub(crate) struct Packet<'a> {
    pub(crate) rdf: &'a Node,
    pub(crate) descriptions: Vec<&'a Node>,
}

/// A value of a property or of a structure's field.
pub(crate) enum Value<'a> {
    Text(&'a str),
    Node(&'a Node),
}

impl<'a> Value<'a> {
    pub(crate) fn text(&self) -> &'a str {
        match self {
            Value::Text(text) => text.trim(),
            Value::Node(node) => {
                let node = node.child(RDF, "value").unwrap_or(node);
                node.attribute(RDF, "value").unwrap_or(&node.text).trim()
            }
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        self.text().replace(',', ".").parse().ok().filter(|n: &f64| n.is_finite())
    }
}

/// The elements that can hold a structure's fields: itself, and a description within it.
fn holders(node: &Node) -> impl Iterator<Item = &Node> {
    [Some(node), node.child(RDF, "Description")].into_iter().flatten()
}

/// A structure's field, in each of the ways in which RDF may write it.
pub(crate) fn field<'a>(node: &'a Node, space: Space, local: &str) -> Option<Value<'a>> {
    holders(node).find_map(|holder| {
        let attribute = holder.attribute(space, local).map(Value::Text);
        attribute.or_else(|| holder.child(space, local).map(Value::Node))
    })
}

/// The array that a property holds.
pub(crate) fn container(node: &Node) -> Option<&Node> {
    node.children.iter().find(|child| ["Bag", "Seq", "Alt"].iter().any(|kind| child.is(RDF, kind)))
}

/// The items of an array.
pub(crate) fn items(node: &Node) -> impl Iterator<Item = &Node> {
    container(node).into_iter().flat_map(|array| array.children.iter().filter(|child| child.is(RDF, "li")))
}

impl<'a> Packet<'a> {
    pub(crate) fn of(root: &'a Node) -> Result<Packet<'a>> {
        let rdf = root.find(RDF, "RDF").ok_or_else(|| MetaError::NotXmp("it holds no rdf:RDF".into()))?;
        let descriptions = rdf.children.iter().filter(|child| child.is(RDF, "Description")).collect();
        Ok(Packet { rdf, descriptions })
    }

    /// A property that is an element.
    pub(crate) fn element(&self, space: Space, local: &str) -> Option<&'a Node> {
        self.descriptions.iter().find_map(|description| description.child(space, local))
    }

    /// Whether a property is there as an attribute.
    pub(crate) fn has_attribute(&self, space: Space, local: &str) -> bool {
        self.descriptions.iter().any(|description| description.attribute(space, local).is_some())
    }

    pub(crate) fn found(&self) -> Found {
        let mut found = Found {
            applied: self.element(MWG, "Regions").and_then(applied),
            extended: self.has_attribute(NOTE, "HasExtendedXMP")
                || self.element(NOTE, "HasExtendedXMP").is_some(),
            keywords: self
                .element(DC, "subject")
                .into_iter()
                .flat_map(items)
                .map(|i| i.text.trim().to_owned())
                .collect(),
            ..Found::default()
        };
        if let Some(Value::Node(list)) =
            self.element(MWG, "Regions").and_then(|regions| field(regions, MWG, "RegionList"))
        {
            found.regions.extend(items(list).filter_map(|item| region(item, found.applied)));
        }
        let mut more: Vec<Region> = Vec::new();
        if let Some(Value::Node(list)) =
            self.element(MICROSOFT, "RegionInfo").and_then(|info| field(info, MICROSOFT_INFO, "Regions"))
        {
            more.extend(items(list).filter_map(microsoft));
        }
        if let Some(list) = self.element(IPTC, "ImageRegion") {
            more.extend(items(list).filter_map(|item| iptc(item, found.applied)));
        }
        for region in more {
            let again = |other: &Region| {
                other.area.iou(&region.area) > 0.7 && (other.name == region.name || region.name.is_none())
            };
            if !found.regions.iter().any(again) {
                found.regions.push(region);
            }
        }
        found
    }
}

/// The size that regions refer to.
pub(crate) fn applied(regions: &Node) -> Option<(u32, u32)> {
    let Value::Node(dimensions) = field(regions, MWG, "AppliedToDimensions")? else { return None };
    let number = |name| {
        let number = field(dimensions, DIMENSIONS, name)?.number()?.round();
        (1.0..=1e9).contains(&number).then_some(number as u32)
    };
    Some((number("w")?, number("h")?))
}

/// A region in the Metadata Working Group's way, if it is a face's and has an extent.
pub(crate) fn region(item: &Node, applied: Option<(u32, u32)>) -> Option<Region> {
    let kind = field(item, MWG, "Type");
    if kind.is_some_and(|kind| !kind.text().is_empty() && !kind.text().eq_ignore_ascii_case("face")) {
        return None;
    }
    let Value::Node(written) = field(item, MWG, "Area")? else { return None };
    let number = |name| field(written, AREA, name)?.number();
    let mut area = match (number("w"), number("h"), number("d"), applied) {
        (Some(w), Some(h), ..) => Area { x: number("x")?, y: number("y")?, w, h },
        // A circle, whose diameter is a share of the shorter side.
        (_, _, Some(d), Some((width, height))) => {
            let shorter = f64::from(width.min(height));
            let (w, h) = (d * shorter / f64::from(width), d * shorter / f64::from(height));
            Area { x: number("x")?, y: number("y")?, w, h }
        }
        _ => return None,
    };
    if field(written, AREA, "unit").is_some_and(|unit| unit.text() == "pixel") {
        let (width, height) = applied?;
        let (width, height) = (f64::from(width), f64::from(height));
        area = Area { x: area.x / width, y: area.y / height, w: area.w / width, h: area.h / height };
    }
    let name = field(item, MWG, "Name").map(|name| name.text().to_owned()).filter(|name| !name.is_empty());
    let ours = item.find(PHIZ, "by").is_some();
    area.is_some().then_some(Region { name, area, schema: Schema::Mwg, ours })
}

/// A region in Microsoft's way: left, top, width and height.
fn microsoft(item: &Node) -> Option<Region> {
    let rectangle = field(item, MICROSOFT_REGION, "Rectangle")?;
    let numbers: Vec<f64> =
        rectangle.text().split(',').map(|n| n.trim().parse()).collect::<std::result::Result<_, _>>().ok()?;
    let [left, top, w, h] = numbers[..] else { return None };
    let area = Area { x: left + w / 2.0, y: top + h / 2.0, w, h };
    let name = field(item, MICROSOFT_REGION, "PersonDisplayName");
    let name = name.map(|name| name.text().to_owned()).filter(|name| !name.is_empty());
    area.is_some().then_some(Region { name, area, schema: Schema::Microsoft, ours: false })
}

/// A region in the IPTC's way, if it is one person's: of a person who is named in it, or said to be a human being. The size of
/// the picture is known only if the packet has regions of the Metadata Working Group as well.
fn iptc(item: &Node, applied: Option<(u32, u32)>) -> Option<Region> {
    let people: Vec<&str> = match field(item, IPTC, "PersonInImage") {
        Some(Value::Node(list)) => {
            items(list).map(|one| one.text.trim()).filter(|name| !name.is_empty()).collect()
        }
        Some(Value::Text(_)) | None => Vec::new(),
    };
    let name = match people[..] {
        [one] => Some(one.to_owned()),
        // Several people in one region: nobody knows which face is whose.
        [_, ..] => return None,
        [] if is_human(item) => match field(item, IPTC, "Name") {
            Some(Value::Node(name)) => {
                let text = items(name).map(|one| one.text.trim()).find(|text| !text.is_empty());
                text.or(Some(name.text.trim())).filter(|text| !text.is_empty()).map(str::to_owned)
            }
            Some(name @ Value::Text(_)) => Some(name.text().to_owned()).filter(|text| !text.is_empty()),
            None => None,
        },
        [] => return None,
    };
    let Value::Node(boundary) = field(item, IPTC, "RegionBoundary")? else { return None };
    let number = |name| field(boundary, IPTC, name)?.number();
    let of_corners = |left: f64, top: f64, right: f64, bottom: f64| Area {
        x: (left + right) / 2.0,
        y: (top + bottom) / 2.0,
        w: right - left,
        h: bottom - top,
    };
    let relative = field(boundary, IPTC, "rbUnit").is_none_or(|unit| unit.text() != "pixel");
    let (width, height) = match (relative, applied) {
        (true, _) => (1.0, 1.0),
        (false, Some((width, height))) => (f64::from(width), f64::from(height)),
        (false, None) => return None,
    };
    let mut area = match field(boundary, IPTC, "rbShape")?.text() {
        "rectangle" => {
            let (left, top) = (number("rbX")?, number("rbY")?);
            of_corners(left, top, left + number("rbW")?, top + number("rbH")?)
        }
        // Its radius is a share of the width. Where the picture's size is unknown it is taken for a square.
        "circle" => {
            let (x, y, across) = (number("rbX")?, number("rbY")?, number("rbRx")?);
            let down = match (relative, applied) {
                (true, Some((width, height))) => across * f64::from(width) / f64::from(height),
                _ => across,
            };
            of_corners(x - across, y - down, x + across, y + down)
        }
        "polygon" => {
            let Value::Node(corners) = field(boundary, IPTC, "rbVertices")? else { return None };
            let corner =
                |corner| Some((field(corner, IPTC, "rbX")?.number()?, field(corner, IPTC, "rbY")?.number()?));
            let corners: Vec<(f64, f64)> = items(corners).map(corner).collect::<Option<_>>()?;
            let least = |of: fn(&(f64, f64)) -> f64| corners.iter().map(of).fold(f64::INFINITY, f64::min);
            let most = |of: fn(&(f64, f64)) -> f64| corners.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
            of_corners(least(|c| c.0), least(|c| c.1), most(|c| c.0), most(|c| c.1))
        }
        _ => return None,
    };
    area = Area { x: area.x / width, y: area.y / height, w: area.w / width, h: area.h / height };
    area.is_some().then_some(Region { name, area, schema: Schema::Iptc, ours: false })
}

/// Whether a region is said to be of a human being, or of a face.
fn is_human(item: &Node) -> bool {
    let Some(Value::Node(kinds)) = field(item, IPTC, "rCtype") else { return false };
    items(kinds).any(|kind| match field(kind, XMP, "Identifier") {
        Some(Value::Node(list)) => items(list).any(|uri| {
            let last = uri.text.trim().rsplit(['/', ':']).next().unwrap_or_default();
            last == "human" || last == "humanFace" || last == "face"
        }),
        _ => false,
    })
}

/// The XMP packets within a file's bytes. In a JPEG the segments are followed, and a packet in two parts is two packets.
/// In every other format the file is searched for what looks like a packet, as the XMP specification describes it for
/// programs that do not know a format; one that is compressed (in some PNGs) is not found.
#[must_use]
pub fn embedded(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.starts_with(b"\xff\xd8\xff") {
        return packets(bytes);
    }
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = position(&bytes[from..], b"<x:xmpmeta").map(|at| from + at) {
        const END: &[u8] = b"</x:xmpmeta>";
        let Some(end) = position(&bytes[start..], END).map(|at| start + at + END.len()) else { break };
        found.push(bytes[start..end].to_vec());
        from = end;
        if found.len() == 16 {
            break;
        }
    }
    found
}
