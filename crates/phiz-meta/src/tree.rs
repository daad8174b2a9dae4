//! An XML text as a tree of elements that know where in the text they stand, so that text can be put between them.

use std::ops::Range;
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};

use crate::error::{MetaError, Result};
use crate::space::Space;

/// XMP of cameras and editors has a few kilobytes; histories of edits make megabytes of it.
pub(crate) const MOST_BYTES: usize = 32 << 20;
const MOST_DEPTH: usize = 64;

/// Prefixes that are bound at an element, and those of the elements around it.
#[derive(Debug)]
pub(crate) struct Scope {
    bound: Vec<(String, String)>,
    around: Option<Rc<Scope>>,
}

impl Scope {
    /// The namespace of a prefix.
    fn space(&self, prefix: &str) -> Option<&str> {
        let here = self.bound.iter().rev().find(|(bound, _)| bound == prefix);
        here.map(|(_, uri)| uri.as_str()).or_else(|| self.around.as_ref()?.space(prefix))
    }

    /// A prefix that stands for a namespace here, if there is one.
    pub(crate) fn prefix(&self, space: Space) -> Option<&str> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            let found = here.bound.iter().find(|(prefix, uri)| {
                !prefix.is_empty() && uri == space.uri && self.space(prefix) == Some(space.uri)
            });
            if let Some((prefix, _)) = found {
                return Some(prefix);
            }
            scope = here.around.as_deref();
        }
        None
    }
}

/// An attribute with its namespace, which is empty where it has none.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) space: String,
    pub(crate) local: String,
    pub(crate) value: String,
}

/// An element.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) space: String,
    pub(crate) local: String,
    /// As it is written, with its prefix.
    pub(crate) name: String,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<Node>,
    /// The text in it, without that of its children.
    pub(crate) text: String,
    pub(crate) scope: Rc<Scope>,
    /// From the first byte of its tag to the last byte of the tag that closes it.
    pub(crate) range: Range<usize>,
    /// What is between its two tags; empty and at its end for an element of one tag.
    pub(crate) inner: Range<usize>,
    /// Whether it has but one tag: `<a/>`.
    pub(crate) single: bool,
}

impl Node {
    pub(crate) fn is(&self, space: Space, local: &str) -> bool {
        self.local == local && self.space == space.uri
    }

    pub(crate) fn child(&self, space: Space, local: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.is(space, local))
    }

    pub(crate) fn attribute(&self, space: Space, local: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|a| a.local == local && a.space == space.uri);
        found.map(|attribute| attribute.value.as_str())
    }

    /// The first element of this name, itself or within it.
    pub(crate) fn find(&self, space: Space, local: &str) -> Option<&Node> {
        if self.is(space, local) {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(space, local))
    }
}

fn wrong(reason: impl ToString) -> MetaError {
    MetaError::NotXmp(reason.to_string())
}

/// The element that holds all others.
///
/// # Errors
/// The text is not well-formed, declares a document type, or is larger or deeper than XMP ever is.
pub(crate) fn parse(text: &str) -> Result<Node> {
    if text.len() > MOST_BYTES {
        return Err(wrong(format_args!("it has {} bytes", text.len())));
    }
    let mut reader = Reader::from_str(text);
    let outside = Rc::new(Scope {
        bound: vec![("xml".into(), "http://www.w3.org/XML/1998/namespace".into())],
        around: None,
    });
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let start = reader.buffer_position() as usize;
        let event = reader.read_event().map_err(wrong)?;
        let end = reader.buffer_position() as usize;
        match event {
            Event::Start(tag) => {
                if open.len() >= MOST_DEPTH {
                    return Err(wrong("its elements are nested too deeply"));
                }
                if open.is_empty() && root.is_some() {
                    return Err(wrong("it has several outermost elements"));
                }
                let around = open.last().map_or(&outside, |node| &node.scope);
                open.push(node(&tag, around, start..end, false)?);
            }
            Event::Empty(tag) => {
                let around = open.last().map_or(&outside, |node| &node.scope);
                let node = node(&tag, around, start..end, true)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None if root.is_none() => root = Some(node),
                    None => return Err(wrong("it has several outermost elements")),
                }
            }
            Event::End(_) => {
                let Some(mut node) = open.pop() else { return Err(wrong("a tag closes nothing")) };
                node.inner.end = start;
                node.range.end = end;
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => root = Some(node),
                }
            }
            Event::Text(text) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&text.xml10_content());
                }
            }
            Event::CData(text) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(node) = open.last_mut() {
                    match reference.resolve_char_ref().map_err(wrong)? {
                        Some(character) => node.text.push(character),
                        None => {
                            let name = reference.xml10_content();
                            let known = resolve_predefined_entity(&name)
                                .ok_or_else(|| wrong(format_args!("nothing says what &{name}; is")))?;
                            node.text.push_str(known);
                        }
                    }
                }
            }
            Event::DocType(_) => return Err(wrong("it declares a document type")),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if !open.is_empty() {
        return Err(wrong("it is cut off"));
    }
    root.ok_or_else(|| wrong("it holds no element"))
}

fn node(tag: &BytesStart<'_>, around: &Rc<Scope>, range: Range<usize>, single: bool) -> Result<Node> {
    let mut bound = Vec::new();
    let mut raw = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(wrong)?;
        let name = attribute.key.0.to_owned();
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(wrong)?.into_owned();
        match name.strip_prefix("xmlns") {
            Some("") => bound.push((String::new(), value)),
            Some(prefix) if prefix.starts_with(':') => bound.push((prefix[1..].to_owned(), value)),
            _ => raw.push((name, value)),
        }
    }
    let scope = match bound.is_empty() {
        true => Rc::clone(around),
        false => Rc::new(Scope { bound, around: Some(Rc::clone(around)) }),
    };
    let resolve = |name: &str, default: &str| -> Result<(String, String)> {
        match name.split_once(':') {
            Some((prefix, local)) => match scope.space(prefix) {
                Some(uri) => Ok((uri.to_owned(), local.to_owned())),
                None => Err(wrong(format_args!("nothing says what the prefix {prefix} is"))),
            },
            None => Ok((default.to_owned(), name.to_owned())),
        }
    };
    let name = tag.name().0.to_owned();
    let (space, local) = resolve(&name, scope.space("").unwrap_or_default())?;
    let attributes = raw.into_iter().map(|(name, value)| {
        let (space, local) = resolve(&name, "")?;
        Ok(Attribute { space, local, value })
    });
    let attributes = attributes.collect::<Result<Vec<_>>>()?;
    let inner = range.end..range.end;
    let (children, text) = (Vec::new(), String::new());
    Ok(Node { space, local, name, attributes, children, text, scope, range, inner, single })
}

/// Text as it may stand in an element or an attribute; what XML cannot hold is left out.
pub(crate) fn escaped(text: &str) -> String {
    let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let text: String = text.chars().filter(allowed).collect();
    escape(text.as_str()).into_owned()
}
