//! Namespaces of XMP that matter here, with their usual prefixes.

/// A namespace: its address and its usual prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) uri: &'static str,
    pub(crate) prefix: &'static str,
}

const fn space(prefix: &'static str, uri: &'static str) -> Space {
    Space { uri, prefix }
}

pub(crate) const RDF: Space = space("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#");
pub(crate) const DC: Space = space("dc", "http://purl.org/dc/elements/1.1/");
pub(crate) const DIGIKAM: Space = space("digiKam", "http://www.digikam.org/ns/1.0/");
pub(crate) const LIGHTROOM: Space = space("lr", "http://ns.adobe.com/lightroom/1.0/");
pub(crate) const MWG: Space = space("mwg-rs", "http://www.metadataworkinggroup.com/schemas/regions/");
pub(crate) const DIMENSIONS: Space = space("stDim", "http://ns.adobe.com/xap/1.0/sType/Dimensions#");
pub(crate) const AREA: Space = space("stArea", "http://ns.adobe.com/xmp/sType/Area#");
pub(crate) const NOTE: Space = space("xmpNote", "http://ns.adobe.com/xmp/note/");
pub(crate) const MICROSOFT: Space = space("MP", "http://ns.microsoft.com/photo/1.2/");
pub(crate) const MICROSOFT_INFO: Space = space("MPRI", "http://ns.microsoft.com/photo/1.2/t/RegionInfo#");
pub(crate) const MICROSOFT_REGION: Space = space("MPReg", "http://ns.microsoft.com/photo/1.2/t/Region#");
pub(crate) const IPTC: Space = space("Iptc4xmpExt", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/");
pub(crate) const XMP: Space = space("xmp", "http://ns.adobe.com/xap/1.0/");
/// Our own: the mark on regions that we wrote, and the keywords that we added. Frozen.
pub(crate) const PHIZ: Space = space("phiz", "urn:phiz:xmp:1.0/");
