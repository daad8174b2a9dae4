//! The page: files that were built from `web/`, inside the program. Without them a plain page says so.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::RustEmbed;

use crate::error::{ApiError, Code};

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// What is shown where the page was not built.
const PLAIN: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Phiz</title><meta name="viewport" content="width=device-width">
</head><body><h1>Phiz is running</h1>
<p>This build has no page inside: build it in <code>web/</code> with <code>npm ci &amp;&amp; npm run build</code>, then build the
program again. The HTTP API works all the same: <a href="/docs">its description</a>.</p></body></html>
"#;

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn no_route() -> ApiError {
    ApiError::new(
        Code::NotFound,
        "there is no such route",
        "docs/reference/http.md and /docs list all routes",
    )
}

/// A file of the page; its `index.html` for any path without one, because the page has routes of its own.
pub(crate) async fn file(request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/v1") || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return no_route().into_response();
    }
    let name = path.trim_start_matches('/');
    let is_route = name.is_empty() || !name.rsplit('/').next().unwrap_or_default().contains('.');
    // Only what was built is found, whatever the path holds.
    let safe = !name.split('/').any(|part| part == ".." || part == ".") && !name.contains(['\\', '\0']);
    let (name, found) = match Files::get(name).filter(|_| safe && !name.is_empty()) {
        Some(found) => (name, Some(found)),
        None if is_route && safe => ("index.html", Files::get("index.html")),
        None => return no_route().into_response(),
    };
    let Some(found) = found else {
        return ([(header::CONTENT_TYPE, content_type("index.html"))], PLAIN).into_response();
    };
    let hash: String = found.metadata.sha256_hash()[..16].iter().map(|b| format!("{b:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let known =
        request.headers().get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    // Names below assets/ hold a hash of their content.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, content_type(name))], found.data.into_owned()).into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
