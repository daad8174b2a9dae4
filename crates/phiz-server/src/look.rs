//! What the query says: how faces are looked for, which rates hold, which part of a list is meant.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use phiz_gallery::{Filter, Rate};
use phiz_service::{Choice, Looking};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::error::{ApiError, Code, Result};
use crate::settings::Settings;

/// The query, with errors in our form.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(query) => Ok(Query(query.0)),
            Err(error) => Err(ApiError::bad(
                format!("the query: {error}"),
                "docs/reference/http.md lists the parameters",
            )),
        }
    }
}

/// An id in the path, with errors in our form.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Sync + Send, T: DeserializeOwned + Send> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id<T>> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(id) => Ok(Id(id.0)),
            Err(_) => Err(ApiError::new(
                Code::BadId,
                "the path holds no id of this kind",
                "ids read p12 (people), f12 (faces), n12 (negatives), o12 (operations), s12 (sightings), i12 (photos); strangers are numbers",
            )),
        }
    }
}

/// How faces are looked for, and which one is meant where one is needed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LookQuery {
    /// Smallest face worth finding, in pixels; 20 unless it is set
    #[param(minimum = 1)]
    min_face: Option<f32>,
    /// Least score that counts as a face
    #[param(minimum = 0, maximum = 1)]
    score: Option<f32>,
    /// Whether photos that lie on their side without saying so are turned
    rotate: Option<bool>,
    /// Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
    /// pictures of up to a thousand pixels
    quick: Option<bool>,
    /// Which face is meant where one is needed: `dominant`, `largest`, or its number
    face: Option<String>,
    /// Instead: the face at this point, as `X,Y` in pixels
    at: Option<String>,
}

impl LookQuery {
    pub(crate) fn looking(&self, settings: &Settings) -> Result<Looking> {
        let mut looking = Looking::default().rotated(self.rotate.unwrap_or(false));
        if let Some(pixels) = self.min_face {
            if !(pixels >= 1.0 && pixels.is_finite()) {
                return Err(ApiError::value("min_face", "is not a number of pixels", "give 1 or more"));
            }
            looking.detect.min_face = pixels;
        }
        if let Some(score) = self.score {
            if !(0.0..=1.0).contains(&score) {
                return Err(ApiError::value("score", "is not a score", "give a number from 0 to 1"));
            }
            looking.detect.score = Some(score);
        }
        if self.quick.unwrap_or(false) {
            looking = looking.quick();
        }
        // Each tile costs a pass of the detector: a caller may not ask for as many as a person at a terminal.
        looking.detect.max_tiles = 64;
        looking.limits.max_pixels = settings.max_megapixels * 1_000_000;
        looking.limits.max_bytes = settings.max_body_mb * 1_000_000;
        looking.max_faces = Some(settings.max_faces);
        Ok(looking)
    }

    pub(crate) fn choice(&self) -> Result<Choice> {
        if let Some(at) = &self.at {
            let number = |text: &str| text.trim().parse::<f32>().ok().filter(|n| n.is_finite());
            let point = at.split_once(',').and_then(|(x, y)| Some([number(x)?, number(y)?]));
            let wrong =
                || ApiError::value("at", "is not a point", "give two numbers of pixels, such as at=120,80");
            return point.map(Choice::At).ok_or_else(wrong);
        }
        match self.face.as_deref() {
            None | Some("dominant") => Ok(Choice::Dominant),
            Some("largest") => Ok(Choice::Largest),
            Some(number) => number.parse().map(Choice::Number).map_err(|_| {
                ApiError::value("face", "is neither dominant, largest nor a number", "give one of these")
            }),
        }
    }
}

fn rate(field: &str, rate: f64) -> Result<f64> {
    if rate > 0.0 && rate < 1.0 {
        return Ok(rate);
    }
    Err(ApiError::value(
        field,
        "is not a rate",
        "give a number between 0 and 1, such as 0.001 for one in a thousand",
    ))
}

/// How often a stranger may be named, and who is searched.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// False positive identification rate; 0.01 unless it is set
    #[param(exclusive_minimum = 0, exclusive_maximum = 1)]
    fpir: Option<f64>,
    /// Instead: false match rate of each comparison
    #[param(exclusive_minimum = 0, exclusive_maximum = 1)]
    fmr: Option<f64>,
    /// Only people on this watch list
    list: Option<String>,
    /// How many candidates are listed for each face; 5 unless it is set
    #[param(minimum = 1, maximum = 100)]
    top: Option<usize>,
    /// Whether one person may be in the photo more than once: in a collage or a mirror, or who has a twin
    pub(crate) twins: Option<bool>,
}

impl SearchQuery {
    pub(crate) fn rate(&self) -> Result<Rate> {
        match (self.fpir, self.fmr) {
            (Some(_), Some(_)) => Err(ApiError::value("fmr", "stands beside fpir", "give one of the two")),
            (_, Some(fmr)) => rate("fmr", fmr).map(Rate::Fmr),
            (fpir, None) => rate("fpir", fpir.unwrap_or(0.01)).map(Rate::Fpir),
        }
    }

    pub(crate) fn among(&self) -> Result<Filter> {
        match self.list.as_deref() {
            None => Ok(Filter::default()),
            Some(list) if list.trim().is_empty() => {
                Err(ApiError::value("list", "names no watch list", "give its name, or leave it out"))
            }
            Some(list) => Ok(Filter::list(list)),
        }
    }

    pub(crate) fn top(&self) -> Result<usize> {
        match self.top.unwrap_or(5) {
            top @ 1..=100 => Ok(top),
            _ => Err(ApiError::value("top", "is out of range", "give a number from 1 to 100")),
        }
    }
}

/// How often different people may be called the same.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FmrQuery {
    /// False match rate; 0.001 unless it is set
    #[param(exclusive_minimum = 0, exclusive_maximum = 1)]
    fmr: Option<f64>,
}

impl FmrQuery {
    pub(crate) fn fmr(&self) -> Result<f64> {
        rate("fmr", self.fmr.unwrap_or(1e-3))
    }
}

/// How often a stranger may be named.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FpirQuery {
    /// False positive identification rate; 0.01 unless it is set
    #[param(exclusive_minimum = 0, exclusive_maximum = 1)]
    fpir: Option<f64>,
}

impl FpirQuery {
    pub(crate) fn fpir(&self) -> Result<f64> {
        rate("fpir", self.fpir.unwrap_or(0.01))
    }
}

/// How faces are enrolled.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EnrolQuery {
    /// On what ground the faces are kept, in the words of whoever enrols them
    pub(crate) consent: Option<String>,
    /// Whether faces that are small, blurred or dark are taken, too
    pub(crate) force: Option<bool>,
    /// Whether a picture of the face is kept; true unless it is set
    pub(crate) crop: Option<bool>,
    /// Whether the photos are only judged: nothing is stored
    pub(crate) dry_run: Option<bool>,
}

/// Whether poor faces are let through.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ForceQuery {
    /// Whether faces that are small, blurred or dark are taken, too
    pub(crate) force: Option<bool>,
}

/// Which part of a list is meant.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items; 100 unless it is set
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Where to go on: `next` of the part before
    cursor: Option<String>,
}

impl PageQuery {
    pub(crate) fn limit(&self) -> Result<usize> {
        match self.limit.unwrap_or(100) {
            limit @ 1..=500 => Ok(limit),
            _ => Err(ApiError::value("limit", "is out of range", "give a number from 1 to 500")),
        }
    }

    /// The number after which to go on in the list that `of` names.
    pub(crate) fn after(&self, of: &str) -> Result<Option<u64>> {
        self.cursor.as_deref().map(|cursor| number_of(cursor, of)).transpose()
    }
}

/// The number after which a cursor goes on in the list that `of` names.
pub(crate) fn number_of(cursor: &str, of: &str) -> Result<u64> {
    let wrong = || {
        ApiError::new(
            Code::BadCursor,
            "the cursor is not of this list",
            "begin without a cursor, and keep list and filters the same while going on",
        )
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let (number, print) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    if print != cursor_print(of) {
        return Err(wrong());
    }
    Ok(u64::from_le_bytes(*number))
}

/// What binds a cursor to its list and filters.
fn cursor_print(of: &str) -> [u8; 8] {
    let hash = crate::secret::digest(of);
    [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]
}

/// The cursor that goes on after a number.
pub(crate) fn cursor(of: &str, after: u64) -> String {
    let mut bytes = after.to_le_bytes().to_vec();
    bytes.extend(cursor_print(of));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Which people are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeopleQuery {
    /// Only people whose name contains this
    q: Option<String>,
    /// Only people of exactly this name, whatever its case
    name: Option<String>,
    /// Only people on this watch list
    list: Option<String>,
    /// Only people with this attribute, as `KEY=VALUE`
    attribute: Option<String>,
}

impl PeopleQuery {
    pub(crate) fn filter(&self) -> Result<Filter> {
        let mut attributes = BTreeMap::new();
        if let Some(attribute) = &self.attribute {
            let wrong = || ApiError::value("attribute", "is not KEY=VALUE", "give both with = between them");
            let (key, value) = attribute.split_once('=').ok_or_else(wrong)?;
            attributes.insert(key.to_owned(), value.to_owned());
        }
        Ok(Filter {
            name: self.name.clone(),
            text: self.q.clone().filter(|text| !text.is_empty()),
            lists: self.list.iter().cloned().collect(),
            attributes,
            ..Filter::default()
        })
    }
}

/// How many are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TopQuery {
    /// How many people; 5 unless it is set
    #[param(minimum = 1, maximum = 100)]
    top: Option<usize>,
}

impl TopQuery {
    pub(crate) fn get(&self) -> Result<usize> {
        let top = self.top.unwrap_or(5);
        match (1..=100).contains(&top) {
            true => Ok(top),
            false => Err(ApiError::value("top", "is out of range", "give a number from 1 to 100")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_of_one_list() {
        let page = |cursor: String| PageQuery { limit: None, cursor: Some(cursor) };
        assert_eq!(page(cursor("people q=a", 7)).after("people q=a").unwrap(), Some(7));
        for (bad, of) in
            [(cursor("people q=a", 7), "people q=b"), ("x".into(), "people"), (String::new(), "people")]
        {
            assert_eq!(page(bad).after(of).unwrap_err().code, Code::BadCursor);
        }
    }

    #[test]
    fn which_face_is_meant() {
        let of = |face: Option<&str>, at: Option<&str>| {
            LookQuery { face: face.map(Into::into), at: at.map(Into::into), ..LookQuery::default() }.choice()
        };
        assert_eq!(of(None, None).unwrap(), Choice::Dominant);
        assert_eq!(of(Some("largest"), None).unwrap(), Choice::Largest);
        assert_eq!(of(Some("2"), None).unwrap(), Choice::Number(2));
        assert_eq!(of(None, Some("3,4.5")).unwrap(), Choice::At([3.0, 4.5]));
        for (face, at) in [
            (Some("-1"), None),
            (Some(""), None),
            (None, Some("3")),
            (None, Some("a,b")),
            (None, Some("NaN,1")),
        ] {
            assert_eq!(of(face, at).unwrap_err().code, Code::BadValue);
        }
    }
}
