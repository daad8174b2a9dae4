//! Packets of other programs: read as they are meant, and merged so that nothing of theirs is lost.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use phiz_meta::{Area, Face, Frame, MetaError, Orientation, Outcome, Schema, Tags, embedded, merge, read};
use proptest::prelude::*;

/// As digiKam writes sidecars (shortened): fields as attributes, a description in each item, two schemas.
const DIGIKAM: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:MP="http://ns.microsoft.com/photo/1.2/"
    xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
    xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
    xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
   xmp:Rating="4">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>Places/Paris</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <dc:subject><rdf:Bag><rdf:li>Paris</rdf:li></rdf:Bag></dc:subject>
   <MP:RegionInfo rdf:parseType="Resource">
    <MPRI:Regions>
     <rdf:Bag>
      <rdf:li MPReg:Rectangle="0.1, 0.2, 0.2, 0.2" MPReg:PersonDisplayName="Cleo &amp; Co"/>
      <rdf:li MPReg:Rectangle="0.7, 0.7, 0.1, 0.1" MPReg:PersonDisplayName="Dan"/>
     </rdf:Bag>
    </MPRI:Regions>
   </MP:RegionInfo>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions stDim:w="4000" stDim:h="3000" stDim:unit="pixel"/>
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li>
       <rdf:Description mwg-rs:Name="Cleo &amp; Co" mwg-rs:Type="Face">
        <mwg-rs:Area stArea:x="0.2" stArea:y="0.3" stArea:w="0.2" stArea:h="0.2" stArea:unit="normalized"/>
       </rdf:Description>
      </rdf:li>
      <rdf:li rdf:parseType="Resource">
       <mwg-rs:Type>Face</mwg-rs:Type>
       <mwg-rs:Area rdf:parseType="Resource">
        <stArea:x>0.5</stArea:x><stArea:y>0,5</stArea:y><stArea:w>0.1</stArea:w><stArea:h>0.1</stArea:h>
       </mwg-rs:Area>
      </rdf:li>
      <rdf:li rdf:parseType="Resource">
       <mwg-rs:Name>Rex</mwg-rs:Name>
       <mwg-rs:Type>Pet</mwg-rs:Type>
       <mwg-rs:Area stArea:x="0.8" stArea:y="0.3" stArea:w="0.2" stArea:h="0.2"/>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"#;

/// As ExifTool writes image regions of the IPTC (shortened), beside a region of the Metadata Working Group.
const IPTC: &str = r#"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
 <rdf:Description rdf:about='' xmlns:e='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' xmlns:xmp='http://ns.adobe.com/xap/1.0/'>
  <e:ImageRegion><rdf:Bag>
   <rdf:li rdf:parseType='Resource'>
    <e:Name><rdf:Alt><rdf:li xml:lang='x-default'>at the left</rdf:li></rdf:Alt></e:Name>
    <e:PersonInImage><rdf:Bag><rdf:li>Ada &amp; Co</rdf:li></rdf:Bag></e:PersonInImage>
    <e:RegionBoundary rdf:parseType='Resource'><e:rbH>0.4</e:rbH><e:rbShape>rectangle</e:rbShape><e:rbUnit>relative</e:rbUnit>
     <e:rbW>0.3</e:rbW><e:rbX>0.1</e:rbX><e:rbY>0.2</e:rbY></e:RegionBoundary>
   </rdf:li>
   <rdf:li rdf:parseType='Resource'>
    <e:PersonInImage><rdf:Bag><rdf:li>Ben</rdf:li></rdf:Bag></e:PersonInImage>
    <e:RegionBoundary e:rbShape='circle' e:rbUnit='relative' e:rbX='0.7' e:rbY='0.3' e:rbRx='0.1'/>
   </rdf:li>
   <rdf:li rdf:parseType='Resource'>
    <e:Name><rdf:Alt><rdf:li xml:lang='x-default'>Cleo</rdf:li></rdf:Alt></e:Name>
    <e:rCtype><rdf:Bag><rdf:li rdf:parseType='Resource'>
     <xmp:Identifier><rdf:Bag><rdf:li>http://cv.iptc.org/newscodes/imageregiontype/human</rdf:li></rdf:Bag></xmp:Identifier>
    </rdf:li></rdf:Bag></e:rCtype>
    <e:RegionBoundary rdf:parseType='Resource'><e:rbShape>polygon</e:rbShape><e:rbVertices><rdf:Seq>
     <rdf:li e:rbX='0.5' e:rbY='0.6'/><rdf:li e:rbX='0.6' e:rbY='0.65'/><rdf:li e:rbX='0.55' e:rbY='0.8'/>
    </rdf:Seq></e:rbVertices></e:RegionBoundary>
   </rdf:li>
   <rdf:li rdf:parseType='Resource'>
    <e:Name><rdf:Alt><rdf:li xml:lang='x-default'>Our car</rdf:li></rdf:Alt></e:Name>
    <e:RegionBoundary e:rbShape='rectangle' e:rbX='0.1' e:rbY='0.1' e:rbW='0.1' e:rbH='0.1'/>
   </rdf:li>
   <rdf:li rdf:parseType='Resource'>
    <e:PersonInImage><rdf:Bag><rdf:li>Dan</rdf:li><rdf:li>Eve</rdf:li></rdf:Bag></e:PersonInImage>
    <e:RegionBoundary e:rbShape='rectangle' e:rbX='0.1' e:rbY='0.1' e:rbW='0.1' e:rbH='0.1'/>
   </rdf:li>
   <rdf:li rdf:parseType='Resource'>
    <e:PersonInImage><rdf:Bag><rdf:li>Fay</rdf:li></rdf:Bag></e:PersonInImage>
    <e:RegionBoundary e:rbShape='rectangle' e:rbUnit='pixel' e:rbX='10' e:rbY='10' e:rbW='10' e:rbH='10'/>
   </rdf:li>
   <rdf:li rdf:parseType='Resource'>
    <e:PersonInImage><rdf:Bag><rdf:li>Gus</rdf:li></rdf:Bag></e:PersonInImage>
    <e:RegionBoundary e:rbShape='polygon'><e:rbVertices><rdf:Seq/></e:rbVertices></e:RegionBoundary>
   </rdf:li>
  </rdf:Bag></e:ImageRegion>
 </rdf:Description>
</rdf:RDF></x:xmpmeta>"#;

#[test]
fn image_regions_of_the_iptc_are_read() {
    let close = |area: Area, [x, y, w, h]: [f64; 4]| {
        let apart = [area.x - x, area.y - y, area.w - w, area.h - h];
        assert!(apart.iter().all(|d| d.abs() < 1e-9), "{area:?}");
    };
    let found = read(IPTC.as_bytes()).unwrap();
    let told: Vec<_> = found.regions.iter().map(|region| (region.name.as_deref(), region.schema)).collect();
    let iptc = |name| (Some(name), Schema::Iptc);
    // A car, two people in one region, pixels of a picture of unknown size and a polygon without corners are left out.
    assert_eq!(told, [iptc("Ada & Co"), iptc("Ben"), iptc("Cleo")]);
    close(found.regions[0].area, [0.25, 0.4, 0.3, 0.4]);
    close(found.regions[1].area, [0.7, 0.3, 0.2, 0.2]);
    close(found.regions[2].area, [0.55, 0.7, 0.1, 0.2]);
    // Beside a region of the Metadata Working Group the size of the picture is known; a face that both describe is one.
    let both = IPTC.replace(
        "<e:ImageRegion>",
        "<m:Regions rdf:parseType='Resource' xmlns:m='http://www.metadataworkinggroup.com/schemas/regions/' \
         xmlns:a='http://ns.adobe.com/xmp/sType/Area#'><m:AppliedToDimensions \
         xmlns:d='http://ns.adobe.com/xap/1.0/sType/Dimensions#' d:w='200' d:h='100'/><m:RegionList><rdf:Bag><rdf:li \
         rdf:parseType='Resource'><m:Name>Ada &amp; Co</m:Name><m:Type>Face</m:Type><m:Area a:x='0.25' a:y='0.4' a:w='0.3' \
         a:h='0.4'/></rdf:li></rdf:Bag></m:RegionList></m:Regions><e:ImageRegion>",
    );
    let found = read(both.as_bytes()).unwrap();
    let told: Vec<_> = found.regions.iter().map(|region| (region.name.as_deref(), region.schema)).collect();
    assert_eq!(told, [(Some("Ada & Co"), Schema::Mwg), iptc("Ben"), iptc("Cleo"), iptc("Fay")]);
    close(found.regions[1].area, [0.7, 0.3, 0.2, 0.4]);
    close(found.regions[3].area, [0.075, 0.15, 0.05, 0.1]);
}

fn face(name: &str, x: f64, y: f64, size: f64) -> Face {
    Face { name: name.into(), area: Area { x, y, w: size, h: size } }
}

fn tags(faces: Vec<Face>) -> Tags {
    Tags { faces, ..Tags::of(4000, 3000, Orientation::UPRIGHT) }
}

fn text(packet: &[u8]) -> &str {
    std::str::from_utf8(packet).unwrap()
}

/// What is left of `after` when the lines of `before` are taken out, in their order: what was put in.
fn put_in(before: &str, after: &str) -> Vec<String> {
    let mut rest = before.lines().peekable();
    let mut new = Vec::new();
    for line in after.lines() {
        match rest.peek() {
            Some(old) if *old == line => drop(rest.next()),
            _ => new.push(line.to_owned()),
        }
    }
    assert_eq!(rest.next(), None, "was lost\n{after}");
    new
}

#[test]
fn regions_of_others_are_read() {
    let found = read(DIGIKAM.as_bytes()).unwrap();
    assert_eq!(found.applied, Some((4000, 3000)));
    let told: Vec<(Option<&str>, f64, Schema)> =
        found.regions.iter().map(|r| (r.name.as_deref(), r.area.x, r.schema)).collect();
    assert_eq!(told.len(), 3, "the pet is none, and Cleo stands there once");
    assert_eq!(told[0], (Some("Cleo & Co"), 0.2, Schema::Mwg));
    assert_eq!(told[1], (None, 0.5, Schema::Mwg));
    assert_eq!((told[2].0, told[2].2), (Some("Dan"), Schema::Microsoft));
    assert!((told[2].1 - 0.75).abs() < 1e-9);
    assert_eq!(found.keywords, ["Paris"]);
    assert!(!found.extended);
}

#[test]
fn what_others_wrote_stays() {
    let wanted =
        tags(vec![face("Ada", 0.2, 0.3, 0.18), face("Ben", 0.51, 0.49, 0.11), face("Eva", 0.8, 0.3, 0.2)]);
    let merged = merge(Some(DIGIKAM.as_bytes()), &wanted).unwrap();
    assert_eq!(merged.faces, [Outcome::Theirs("Cleo & Co".into()), Outcome::Named, Outcome::Added]);
    let after = text(&merged.packet);
    // A line is changed where text stands within it, so lines are compared piece by piece.
    let apart = |text: &str| text.replace("><", ">\n<");
    let new = put_in(&apart(DIGIKAM), &apart(after));
    assert!(new.iter().any(|line| line.contains("<mwg-rs:Name>Ben</mwg-rs:Name>")), "{new:?}");
    let found = read(&merged.packet).unwrap();
    let names: Vec<Option<&str>> = found.regions.iter().map(|r| r.name.as_deref()).collect();
    assert_eq!(names, [Some("Cleo & Co"), Some("Ben"), Some("Eva"), Some("Dan")]);
    assert!(after.contains("<mwg-rs:Type>Pet</mwg-rs:Type>") && after.contains("xmp:Rating=\"4\""));
    assert_eq!(found.keywords, ["Paris", "Ada", "Ben", "Eva"]);
    assert!(after.contains("<rdf:li>People/Ben</rdf:li>") && after.contains("<rdf:li>People|Ben</rdf:li>"));
    // A second time there is nothing to do.
    let again = merge(Some(&merged.packet), &wanted).unwrap();
    assert!(!again.changed, "{}", text(&again.packet));
    assert_eq!(again.faces, [Outcome::Theirs("Cleo & Co".into()), Outcome::There, Outcome::There]);
}

#[test]
fn corrections_reach_the_photo() {
    let first = merge(Some(DIGIKAM.as_bytes()), &tags(vec![face("Eva", 0.8, 0.7, 0.2)])).unwrap();
    let second = merge(Some(&first.packet), &tags(vec![face("Fay", 0.8, 0.7, 0.2)])).unwrap();
    let found = read(&second.packet).unwrap();
    let names: Vec<Option<&str>> = found.regions.iter().map(|r| r.name.as_deref()).collect();
    assert!(names.contains(&Some("Fay")) && !names.contains(&Some("Eva")), "{names:?}");
    assert_eq!(found.keywords, ["Paris", "Fay"]);
    // When nobody is recognised any more, all that is ours goes; a keyword that was there before stays.
    let none = merge(Some(&second.packet), &tags(vec![])).unwrap();
    assert_eq!(none.removed, 1);
    let (before, after) = (read(DIGIKAM.as_bytes()).unwrap(), read(&none.packet).unwrap());
    assert_eq!(before.regions, after.regions);
    let own = merge(Some(DIGIKAM.as_bytes()), &tags(vec![face("Paris", 0.8, 0.7, 0.2)])).unwrap();
    let none = merge(Some(&own.packet), &tags(vec![])).unwrap();
    assert_eq!(read(&none.packet).unwrap().keywords, ["Paris"]);
    assert!(!merge(None, &tags(vec![])).unwrap().changed);
    // Out of a packet that was ours alone, too, and in again.
    let ours = merge(None, &tags(vec![face("Eva", 0.5, 0.5, 0.2)])).unwrap();
    let none = merge(Some(&ours.packet), &tags(vec![])).unwrap();
    assert!(read(&none.packet).unwrap().regions.is_empty() && !text(&none.packet).contains("mwg-rs:Regions"));
    let again = merge(Some(&none.packet), &tags(vec![face("Eva", 0.5, 0.5, 0.2)])).unwrap();
    assert_eq!(read(&again.packet).unwrap().regions.len(), 1);
}

#[test]
fn regions_of_an_upright_picture_stay_so() {
    // A program that wrote its regions for the picture as it is seen: 3000 wide and 4000 high, stored as 4000×3000.
    let packet = DIGIKAM.replace("stDim:w=\"4000\" stDim:h=\"3000\"", "stDim:w=\"3000\" stDim:h=\"4000\"");
    let turned = Tags { orientation: Orientation::of(6), ..tags(vec![face("Eva", 0.8, 0.7, 0.2)]) };
    let merged = merge(Some(packet.as_bytes()), &turned).unwrap();
    let found = read(&merged.packet).unwrap();
    assert_eq!(found.frame((4000, 3000), turned.orientation).unwrap(), Frame::Upright);
    let eva = found.regions.iter().find(|r| r.name.as_deref() == Some("Eva")).unwrap();
    assert_eq!((eva.area.x, eva.area.y), (0.8, 0.7));
    // Otherwise they refer to the stored picture.
    let plain = read(&merge(None, &turned).unwrap().packet).unwrap();
    assert_eq!((plain.applied, plain.regions[0].area.x), (Some((4000, 3000)), 0.7));
    let seen = Frame::Stored.to_upright(plain.regions[0].area, turned.orientation);
    assert!((seen.x - 0.8).abs() < 1e-6 && (seen.y - 0.7).abs() < 1e-6);
    // A picture that was cropped since: nothing is put beside regions that lie elsewhere now.
    let cropped = Tags { width: 2000, height: 2000, ..tags(vec![face("Eva", 0.8, 0.7, 0.2)]) };
    assert!(matches!(merge(Some(DIGIKAM.as_bytes()), &cropped), Err(MetaError::OtherPicture { .. })));
    // Our own are written anew then.
    let ours = merge(None, &tags(vec![face("Eva", 0.5, 0.5, 0.2)])).unwrap();
    let again = read(&merge(Some(&ours.packet), &cropped).unwrap().packet).unwrap();
    assert_eq!((again.applied, again.regions.len()), (Some((2000, 2000)), 1));
}

#[test]
fn other_ways_of_writing() {
    // Prefixes are anybody's choice, and an RDF without a description or of one tag is a packet, too.
    let strange = r#"<R:RDF xmlns:R="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:a="http://www.metadataworkinggroup.com/schemas/regions/" xmlns:b="http://ns.adobe.com/xmp/sType/Area#">
<R:Description R:about="uuid:1"><a:Regions><R:Description><a:RegionList><R:Seq><R:li R:parseType="Resource"><a:Area b:x=".5" b:y=".5" b:w=".1" b:h=".1"/></R:li></R:Seq></a:RegionList></R:Description></a:Regions></R:Description></R:RDF>"#;
    let merged =
        merge(Some(strange.as_bytes()), &tags(vec![face("Ada", 0.5, 0.5, 0.1), face("Ben", 0.2, 0.2, 0.1)]))
            .unwrap();
    assert_eq!(merged.faces, [Outcome::Named, Outcome::Added]);
    let found = read(&merged.packet).unwrap();
    let names: Vec<Option<&str>> = found.regions.iter().map(|r| r.name.as_deref()).collect();
    assert_eq!(names, [Some("Ada"), Some("Ben")]);
    assert_eq!(found.keywords, ["Ada", "Ben"]);
    assert!(text(&merged.packet).contains("R:about=\"uuid:1\" xmlns:rdf="), "the same resource");
    for empty in [
        r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>"#,
        r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF>"#,
        "\u{feff}<x xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:RDF><rdf:Description rdf:about='&lt;'/></rdf:RDF></x>\0\0",
        r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag/></dc:subject></rdf:Description></rdf:RDF>"#,
        r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject/></rdf:Description></rdf:RDF>"#,
        r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"><mwg-rs:Regions rdf:parseType="Resource"/></rdf:Description></rdf:RDF>"#,
    ] {
        let merged = merge(Some(empty.as_bytes()), &tags(vec![face("Zoë <3 \"x\"", 0.5, 0.5, 0.1)]));
        let merged = merged.unwrap_or_else(|error| panic!("{empty}: {error}"));
        let found = read(&merged.packet).unwrap_or_else(|error| panic!("{}: {error}", text(&merged.packet)));
        assert_eq!(found.regions[0].name.as_deref(), Some("Zoë <3 \"x\""), "{}", text(&merged.packet));
        assert_eq!(found.keywords, ["Zoë <3 \"x\""], "{}", text(&merged.packet));
        let again = merge(Some(&merged.packet), &tags(vec![face("Zoë <3 \"x\"", 0.5, 0.5, 0.1)])).unwrap();
        assert!(!again.changed, "{empty}\n{}", text(&merged.packet));
    }
}

#[test]
fn what_is_no_packet_is_refused() {
    let deep = format!("{}{}", "<a>".repeat(70), "</a>".repeat(70));
    for bad in [
        "",
        "no XML",
        "<a/>",
        "<a><b></a>",
        "<rdf:RDF/>",
        "<a>",
        deep.as_str(),
        "<a/><b/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description>&who;</rdf:Description></rdf:RDF>",
    ] {
        assert!(matches!(read(bad.as_bytes()), Err(MetaError::NotXmp(_))), "{bad}");
        assert!(merge(Some(bad.as_bytes()), &tags(vec![])).is_err(), "{bad}");
    }
    assert!(read(b"\xff\xfe<\0a\0").unwrap_err().to_string().contains("UTF-16"));
    assert!(read(b"<a>\xff</a>").is_err());
    let attribute = r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:subject="Paris"/></rdf:RDF>"#;
    let error = merge(Some(attribute.as_bytes()), &tags(vec![face("Ada", 0.5, 0.5, 0.1)])).unwrap_err();
    assert!(matches!(error, MetaError::Unusual("dc:subject")) && !error.hint().is_empty());
}

#[test]
fn packets_are_found_in_any_file() {
    let inside = format!("\x7fRIFF....{}....", DIGIKAM);
    let found = embedded(inside.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(read(&found[0]).unwrap().regions.len(), 3);
    assert!(embedded(b"<x:xmpmeta without an end").is_empty());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(cut in 0..DIGIKAM.len(), at in 0..DIGIKAM.len(), with in "[<>/&;:a-z\"' ]{0,12}") {
        let mut broken = DIGIKAM.as_bytes()[..cut].to_vec();
        let at = at.min(broken.len());
        broken.splice(at..at, with.bytes());
        let _ = embedded(&broken);
        if let Ok(merged) = merge(Some(&broken), &tags(vec![face("Ada", 0.5, 0.5, 0.1)])) {
            prop_assert!(read(&merged.packet).is_ok());
        }
    }

    #[test]
    fn any_name_comes_back(name in "[^\\p{C}\u{fffe}\u{ffff}]{1,20}", x in 0.1..0.9f64, y in 0.1..0.9f64) {
        let name = name.trim().to_owned();
        prop_assume!(!name.is_empty());
        let merged = merge(Some(DIGIKAM.as_bytes()), &tags(vec![face(&name, x, y, 0.01)])).unwrap();
        let found = read(&merged.packet).unwrap();
        let there = found.regions.iter().find(|region| region.ours).unwrap();
        prop_assert_eq!(there.name.as_deref(), Some(name.as_str()));
        prop_assert!((there.area.x - x).abs() < 1e-6 && (there.area.y - y).abs() < 1e-6);
    }
}
