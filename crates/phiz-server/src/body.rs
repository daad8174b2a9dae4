//! Bodies: read whole, within limits of size, time and memory, then as photos or JSON.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::error::{ApiError, Code, Result};

/// Largest body that holds no photo.
const MOST_JSON: u64 = 1_000_000;
/// Longest name of a photo that is kept, in characters.
const LONGEST_SOURCE: usize = 200;
/// A body must not stand still for so long.
const STANDSTILL: Duration = Duration::from_secs(10);

/// A body in memory. While it lives, it counts against the memory that all bodies may take.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

fn too_large(most: u64) -> ApiError {
    ApiError::new(
        Code::TooLargeBody,
        format!("the body is larger than {most} bytes"),
        "send fewer or smaller photos, or raise max_body_mb",
    )
}

fn too_slow() -> ApiError {
    ApiError::new(Code::Timeout, "the body came too slowly", "send it again over a better connection")
}

/// Reads on what a refused request still sends, for a while: a connection that is closed with bytes unread is reset, and the
/// caller would never see the answer.
fn linger(mut body: Body) {
    const TIME: Duration = Duration::from_secs(3);
    const MOST: usize = 64_000_000;
    tokio::spawn(tokio::time::timeout(TIME, async move {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > MOST {
                return;
            }
        }
    }));
}

/// Reads a body.
pub(crate) async fn hold(app: &App, headers: &HeaderMap, body: Body, most: u64) -> Result<Held> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|said| said > most) {
        linger(body);
        return Err(too_large(most));
    }
    // A thousand bytes each. What tells no size may become as large as is allowed.
    let wanted = u32::try_from(said.unwrap_or(most).div_ceil(1000).max(1)).unwrap_or(u32::MAX);
    let permit = app.memory.clone().try_acquire_many_owned(wanted.min(app.memory_units));
    let Ok(permit) = permit else {
        linger(body);
        return Err(ApiError::overloaded());
    };
    let read = async {
        let mut body = body;
        let mut bytes = Vec::with_capacity(usize::try_from(said.unwrap_or(0)).unwrap_or(0));
        loop {
            let frame = tokio::time::timeout(STANDSTILL, body.frame()).await.map_err(|_| too_slow())?;
            let Some(frame) = frame else { return Ok(bytes) };
            let cut = |_| ApiError::bad("the body ended before its time", "send the request again");
            if let Ok(data) = frame.map_err(cut)?.into_data() {
                if bytes.len() as u64 + data.len() as u64 > most {
                    linger(body);
                    return Err(too_large(most));
                }
                bytes.extend_from_slice(&data);
            }
        }
    };
    let time = Duration::from_secs(app.settings.body_seconds);
    let bytes = tokio::time::timeout(time, read).await.map_err(|_| too_slow())??;
    Ok(Held { bytes: bytes.into(), _permit: permit })
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn wrong_type(takes: &str) -> ApiError {
    ApiError::new(Code::WrongType, "the content type is none that this route takes", format!("send {takes}"))
}

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, app: &App) -> Result<Json<T>> {
        let (parts, body) = request.into_parts();
        if essence(content_type(&parts.headers)) != "application/json" {
            return Err(wrong_type("application/json"));
        }
        let held = hold(app, &parts.headers, body, MOST_JSON).await?;
        parse(&held.bytes).map(Json)
    }
}

/// A JSON body that may be left out.
pub(crate) struct MaybeJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for MaybeJson<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, app: &App) -> Result<MaybeJson<T>> {
        let (parts, body) = request.into_parts();
        let held = hold(app, &parts.headers, body, MOST_JSON).await?;
        if held.bytes.is_empty() {
            return Ok(MaybeJson(T::default()));
        }
        if essence(content_type(&parts.headers)) != "application/json" {
            return Err(wrong_type("application/json, or nothing"));
        }
        parse(&held.bytes).map(MaybeJson)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The kind and the place, but not the text: it may hold a passphrase.
        let message = match error.classify() {
            serde_json::error::Category::Data => format!("the JSON does not fit: {}", told(&error)),
            _ => format!("the JSON is broken at line {}, column {}", error.line(), error.column()),
        };
        ApiError::bad(message, "docs/reference/http.md shows what the route takes")
    })
}

/// What does not fit, without the value that was sent.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for known in ["missing field", "unknown field", "duplicate field"] {
        if text.starts_with(known) {
            return text;
        }
    }
    format!("a value of the wrong kind at line {}, column {}", error.line(), error.column())
}

/// A photo as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The field.
    pub(crate) field: String,
    /// The name that was sent along, without what could garble a list; `photo 1` if there is none.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Sent {
    pub(crate) fn photo(self) -> phiz_service::Photo {
        phiz_service::Photo::from_bytes(self.name, self.bytes)
    }
}

/// What a route that takes photos was sent: photos, or JSON without one.
pub(crate) struct Photos {
    pub(crate) photos: Vec<Sent>,
    /// The JSON, if the body was JSON.
    pub(crate) json: Option<Value>,
    _held: Option<OwnedSemaphorePermit>,
}

impl FromRequest<App> for Photos {
    type Rejection = ApiError;
    async fn from_request(request: Request, app: &App) -> Result<Photos> {
        // Whoever would have to wait too long is told before they send megabytes.
        let (parts, body) = request.into_parts();
        if app.pool.is_full() {
            linger(body);
            return Err(ApiError::overloaded());
        }
        let kind = content_type(&parts.headers).to_owned();
        let essence = essence(&kind);
        let takes =
            "multipart/form-data, a picture as image/jpeg or application/octet-stream, or application/json";
        let is_picture = essence.starts_with("image/") || essence == "application/octet-stream";
        if !(is_picture || essence == "application/json" || essence == "multipart/form-data") {
            linger(body);
            return Err(wrong_type(takes));
        }
        let held = hold(app, &parts.headers, body, app.settings.max_body_mb * 1_000_000).await?;
        let Held { bytes, _permit } = held;
        let mut found = match essence.as_str() {
            "multipart/form-data" => multipart(&kind, bytes, app.settings.max_photos).await?,
            "application/json" => json(&bytes, app.settings.max_photos)?,
            _ if bytes.is_empty() => return Err(ApiError::bad("the body is empty", "send a picture")),
            _ => {
                let sent = Sent { field: "photo".into(), name: "photo 1".into(), bytes: bytes.into() };
                Photos { photos: vec![sent], json: None, _held: None }
            }
        };
        found._held = Some(_permit);
        Ok(found)
    }
}

impl Photos {
    /// The one photo of a field.
    pub(crate) fn one(&mut self, field: &str) -> Result<Sent> {
        let mut of_field = self.photos.extract_if(.., |sent| sent.field == field);
        let first = of_field.next();
        let second = of_field.next();
        drop(of_field);
        match (first, second) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(ApiError::bad(
                format!("the field {field:?} is missing"),
                format!("send a picture as {field:?}"),
            )),
            _ => {
                Err(ApiError::bad(format!("the field {field:?} is there several times"), "send one picture"))
            }
        }
    }
}

fn too_many(most: usize) -> ApiError {
    ApiError::new(
        Code::TooLargeBody,
        format!("the request holds more than {most} photos"),
        "send them in several requests",
    )
}

async fn multipart(content_type: &str, bytes: Bytes, most: usize) -> Result<Photos> {
    let broken = |error: multer::Error| {
        // Its text holds no more than the names of fields.
        ApiError::bad(
            format!("the multipart body is broken: {error}"),
            "let your HTTP library build the body",
        )
    };
    let boundary = multer::parse_boundary(content_type).map_err(broken)?;
    let whole = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut photos = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        if photos.len() >= most {
            return Err(too_many(most));
        }
        let field = part.name().unwrap_or_default().to_owned();
        let name = clean(part.file_name().unwrap_or_default(), photos.len() + 1);
        let bytes = part.bytes().await.map_err(broken)?.into();
        photos.push(Sent { field, name, bytes });
    }
    Ok(Photos { photos, json: None, _held: None })
}

/// A photo's name as it is kept: its last part, without what acts on a terminal or garbles a list.
fn clean(name: &str, number: usize) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let name: String = last.chars().filter(|c| !harmful(*c)).take(LONGEST_SOURCE).collect();
    let name = name.trim();
    if name.is_empty() || name == "." || name == ".." { format!("photo {number}") } else { name.to_owned() }
}

/// Texts in base64 under `photo`, `a` and `b`, or several under `photos`.
fn json(bytes: &[u8], most: usize) -> Result<Photos> {
    let mut value: Value = parse(bytes)?;
    let fields = value
        .as_object_mut()
        .ok_or_else(|| ApiError::bad("the JSON is no object", "send {\"photo\": \"base64\"}"))?;
    let mut photos = Vec::new();
    for field in ["photo", "a", "b"] {
        if let Some(text) = fields.remove(field) {
            photos.push(from_base64(field, &text, None, photos.len() + 1)?);
        }
    }
    if let Some(several) = fields.remove("photos") {
        let several = several
            .as_array()
            .cloned()
            .ok_or_else(|| ApiError::value("photos", "is no list", "send a list"))?;
        if several.len() > most {
            return Err(too_many(most));
        }
        for item in several {
            let (text, source) = match &item {
                Value::Object(fields) => (fields.get("photo").unwrap_or(&Value::Null), fields.get("source")),
                text => (text, None),
            };
            photos.push(from_base64("photo", text, source.and_then(Value::as_str), photos.len() + 1)?);
        }
    }
    Ok(Photos { photos, json: Some(value), _held: None })
}

fn from_base64(field: &str, text: &Value, source: Option<&str>, number: usize) -> Result<Sent> {
    let wrong = || ApiError::value(field, "is not a picture in base64", "send the file's bytes in base64");
    let text = text.as_str().ok_or_else(wrong)?;
    let text = match text.strip_prefix("data:") {
        Some(url) => url.split_once(";base64,").map(|(_, data)| data).ok_or_else(wrong)?,
        None => text,
    };
    let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).map_err(|_| wrong())?;
    Ok(Sent { field: field.into(), name: clean(source.unwrap_or_default(), number), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_photos_cannot_act() {
        for (sent, kept) in [
            ("ada.jpg", "ada.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\photos\\ada.jpg", "ada.jpg"),
            ("a\u{1b}[31m\r\n\u{202e}gpj.jpg", "a[31mgpj.jpg"),
            ("", "photo 3"),
            ("..", "photo 3"),
            ("/", "photo 3"),
            ("<img src=x onerror=alert(1)>.jpg", "<img src=x onerror=alert(1)>.jpg"),
        ] {
            assert_eq!(clean(sent, 3), kept, "{sent:?}");
        }
        assert_eq!(clean(&"ä".repeat(500), 1).chars().count(), LONGEST_SOURCE);
    }

    #[test]
    fn base64_is_read_in_its_forms() {
        let photos = |text: &str| json(text.as_bytes(), 2);
        for text in
            [r#"{"photo": "/9j/"}"#, r#"{"photo": "data:image/jpeg;base64,/9j/"}"#, r#"{"photos": ["/9j/"]}"#]
        {
            assert_eq!(photos(text).ok().unwrap().photos[0].bytes, [0xff, 0xd8, 0xff], "{text}");
        }
        let named = photos(r#"{"photos": [{"photo": "/9j/", "source": "x/ada.jpg"}]}"#).ok().unwrap();
        assert_eq!(named.photos[0].name, "ada.jpg");
        for (text, code) in [
            (r#"{"photo": "!!"}"#, Code::BadValue),
            (r#"{"photo": 7}"#, Code::BadValue),
            (r#"{"photo": "data:image/jpeg,x"}"#, Code::BadValue),
            (r#"{"photos": ["/9j/", "/9j/", "/9j/"]}"#, Code::TooLargeBody),
            (r#"{"photos": 7}"#, Code::BadValue),
            ("[]", Code::BadRequest),
            ("{", Code::BadRequest),
        ] {
            assert_eq!(photos(text).err().map(|e| e.code), Some(code), "{text}");
        }
    }

    #[test]
    fn broken_json_is_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "only read")]
        struct Wanted {
            passphrase: u32,
        }
        let error = parse::<Wanted>(br#"{"passphrase": "secret words"}"#).unwrap_err();
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
}
