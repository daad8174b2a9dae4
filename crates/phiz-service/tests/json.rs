//! The JSON of every answer, letter by letter: scripts and clients rely on the names of its fields. Whoever changes one
//! of these lines breaks them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::Path;

use phiz_gallery::{FaceId, OperationId, PersonId, Refusal};
use phiz_service::walk::LeftOut;
use phiz_service::{
    CandidateAnswer, Code, DoubtAnswer, EnrolAnswer, EnrolledPhoto, FaceAnswer, IdentifiedFace, PathName,
    PhotoAnswer, PhotoResult, PoseAnswer, Problem, Verdict, VerifiedPair, VerifiedPerson,
};
use serde::Serialize;

fn face() -> FaceAnswer {
    FaceAnswer {
        bbox: [1.0, 2.0, 3.0, 4.0],
        score: 0.5,
        landmarks: [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]],
        quality: 0.25,
        pose: PoseAnswer { yaw: -1.5, pitch: 0.0, roll: 2.5 },
    }
}

fn candidate() -> CandidateAnswer {
    CandidateAnswer {
        person: "Ada".into(),
        id: PersonId(1),
        similarity: 0.5,
        fmr: 0.25,
        fpir: 0.125,
        face: FaceId(2),
    }
}

#[track_caller]
fn check(value: &impl Serialize, json: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), json);
}

const FACE: &str = r#""box":[1.0,2.0,3.0,4.0],"score":0.5,"landmarks":[[1.0,2.0],[3.0,4.0],[5.0,6.0],[7.0,8.0],[9.0,10.0]],"quality":0.25,"pose":{"yaw":-1.5,"pitch":0.0,"roll":2.5}"#;
const CANDIDATE: &str = r#"{"person":"Ada","id":"p1","similarity":0.5,"fmr":0.25,"fpir":0.125,"face":"f2"}"#;

#[test]
fn detection() {
    let answer = PhotoAnswer { width: 640, height: 480, faces: vec![face()] };
    check(&answer, &format!(r#"{{"width":640,"height":480,"faces":[{{{FACE}}}]}}"#));
}

#[test]
fn identification() {
    let mut found = IdentifiedFace {
        face: face(),
        person: Some("Ada".into()),
        decision: Verdict::Match,
        threshold: 0.5,
        candidates: vec![candidate()],
        denied: Vec::new(),
        tied: 0,
        people: 7,
        least_measured: 1e-6,
    };
    let json = |person: &str, decision: &str| {
        format!(
            r#"{{{FACE},"person":{person},"decision":"{decision}","threshold":0.5,"candidates":[{CANDIDATE}],"denied":[]}}"#
        )
    };
    check(&found, &json("\"Ada\"", "match"));
    found.person = None;
    for (verdict, name) in [(Verdict::Ambiguous, "ambiguous"), (Verdict::Unknown, "unknown")] {
        found.decision = verdict;
        check(&found, &json("null", name));
    }
    found.denied = found.candidates.clone();
    check(&found, &json("null", "unknown").replace("\"denied\":[]", &format!("\"denied\":[{CANDIDATE}]")));
}

#[test]
fn verification() {
    let pair =
        VerifiedPair { similarity: 0.5, fmr: Some(0.25), same: Some(true), least_measured: Some(1e-6) };
    check(&pair, r#"{"similarity":0.5,"fmr":0.25,"same":true}"#);
    let pair = VerifiedPair { similarity: 0.5, fmr: None, same: None, least_measured: None };
    check(&pair, r#"{"similarity":0.5,"fmr":null,"same":null}"#);
    let person = VerifiedPerson {
        similarity: 0.5,
        fmr: 0.25,
        same: false,
        person: "Ada".into(),
        id: PersonId(1),
        denied: true,
        least_measured: 1e-6,
    };
    check(&person, r#"{"similarity":0.5,"fmr":0.25,"same":false,"person":"Ada","id":"p1","denied":true}"#);
}

#[test]
fn enrolment() {
    let path = || Some(PathName::from(Path::new("a.jpg")));
    let enrolled = |doubt| PhotoResult::Enrolled {
        face: FaceId(3),
        like_own: Some(0.5),
        similar: vec![candidate()],
        doubt,
    };
    let unlike = |nearest| DoubtAnswer::Unlike { like_own: 0.25, nearest };
    let refused =
        |details| PhotoResult::Refused { error: Problem::new(Code::NoFace, "why", "what to do"), details };
    let error = r#""error":{"kind":"no_face","reason":"why","hint":"what to do"}"#;
    let enrolled_json = |doubt: &str| {
        format!(r#"{{"path":"a.jpg","face":"f3","like_own":0.5,"similar":[{CANDIDATE}],"doubt":{doubt}}}"#)
    };
    for (result, json) in [
        (enrolled(None), enrolled_json("null")),
        (enrolled(Some(unlike(None))), enrolled_json(r#"{"kind":"unlike","like_own":0.25,"nearest":null}"#)),
        (
            enrolled(Some(unlike(Some(candidate())))),
            enrolled_json(&format!(r#"{{"kind":"unlike","like_own":0.25,"nearest":{CANDIDATE}}}"#)),
        ),
        (
            enrolled(Some(DoubtAnswer::AlsoLike { other: candidate() })),
            enrolled_json(&format!(r#"{{"kind":"also_like","other":{CANDIDATE}}}"#)),
        ),
        (PhotoResult::Known { known: FaceId(3) }, r#"{"path":"a.jpg","known":"f3"}"#.into()),
        (refused(None), format!(r#"{{"path":"a.jpg",{error}}}"#)),
        (
            refused(Some(Refusal::Duplicate { face: FaceId(3), person: PersonId(1) })),
            format!(
                r#"{{"path":"a.jpg",{error},"details":{{"reason":"duplicate","face":"f3","person":"p1"}}}}"#
            ),
        ),
        (
            refused(Some(Refusal::Negative { person: PersonId(1) })),
            format!(r#"{{"path":"a.jpg",{error},"details":{{"reason":"negative","person":"p1"}}}}"#),
        ),
        (
            refused(Some(Refusal::Quality { quality: 0.25, least: 0.5 })),
            format!(
                r#"{{"path":"a.jpg",{error},"details":{{"reason":"quality","quality":0.25,"least":0.5}}}}"#
            ),
        ),
    ] {
        check(&EnrolledPhoto { path: path(), result }, &json);
    }
    let mut answer = EnrolAnswer {
        person: "Ada".into(),
        id: Some(PersonId(1)),
        new: true,
        photos: vec![EnrolledPhoto { path: None, result: PhotoResult::Known { known: FaceId(3) } }],
        operation: Some(OperationId(2)),
    };
    check(&answer, r#"{"person":"Ada","id":"p1","new":true,"photos":[{"known":"f3"}],"operation":"o2"}"#);
    (answer.id, answer.operation, answer.new) = (None, None, false);
    answer.photos.clear();
    check(&answer, r#"{"person":"Ada","id":null,"new":false,"photos":[],"operation":null}"#);
}

#[test]
fn paths() {
    check(&PathName::from(Path::new("é.jpg")), r#"{"path":"é.jpg"}"#);
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"a\xff.jpg"));
        check(&PathName::from(odd), "{\"path\":\"a\u{fffd}.jpg\",\"path_bytes\":\"Yf8uanBn\"}");
    }
}

#[test]
fn codes() {
    for (code, name) in [
        (Code::Unreadable, "unreadable"),
        (Code::UnknownFormat, "unknown_format"),
        (Code::Damaged, "damaged"),
        (Code::TooLarge, "too_large"),
        (Code::Unusable, "unusable"),
        (Code::NoFace, "no_face"),
        (Code::SeveralFaces, "several_faces"),
        (Code::NoSuchFace, "no_such_face"),
        (Code::FaceTooSmall, "face_too_small"),
        (Code::FaceTooPoor, "face_too_poor"),
        (Code::Refused, "refused"),
        (Code::Model, "model"),
        (Code::Unwritable, "unwritable"),
        (Code::NotAligned, "not_aligned"),
    ] {
        assert_eq!(code.as_str(), name);
        check(&code, &format!("\"{name}\""));
    }
    for (reason, name) in [
        (LeftOut::UnreadFormat, "unread_format"),
        (LeftOut::Video, "video"),
        (LeftOut::DanglingLink, "dangling_link"),
        (LeftOut::LinkedFolder, "linked_folder"),
        (LeftOut::Special, "special"),
        (LeftOut::NoPicture, "no_picture"),
    ] {
        check(&reason, &format!("\"{name}\""));
    }
}
