//! The description of the API: generated from the routes, with what is the same for all of them, and a page to read it.

use axum::response::{Html, IntoResponse as _, Response};
use serde_json::Value;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Ref,
    ResponseBuilder, Type,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::error::{Code, ErrorBody, ErrorFields, ItemError};

const DESCRIPTION: &str = "Who is in this photo, among people that you have enrolled. Answers have the field names of \
the command line's --json. docs/reference/http.md explains what is the same for all routes.";

/// The document.
pub(crate) fn document() -> OpenApi {
    let (_, mut api) = crate::routes::all().split_for_parts();
    let base = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Phiz")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .build(),
        )
        .components(Some(
            ComponentsBuilder::new()
                .schema(ErrorBody::name(), ErrorBody::schema())
                .schema(ErrorFields::name(), ErrorFields::schema())
                .schema(ItemError::name(), ItemError::schema())
                .schema(Code::name(), Code::schema())
                .security_scheme(
                    "key",
                    SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
                )
                .security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("phiz"))))
                .build(),
        ))
        .security(Some([
            SecurityRequirement::new("key", Vec::<String>::new()),
            SecurityRequirement::new("session", Vec::<String>::new()),
        ]))
        .build();
    api.info = base.info;
    api.security = base.security;
    let mut components = api.components.take().unwrap_or_default();
    if let Some(own) = base.components {
        components.schemas.extend(own.schemas);
        components.security_schemes.extend(own.security_schemes);
    }
    api.components = Some(components);
    for (path, item) in &mut api.paths.paths {
        let of_gallery = [
            "/v1/people",
            "/v1/faces",
            "/v1/negatives",
            "/v1/lists",
            "/v1/history",
            "/v1/undo",
            "/v1/gallery",
            "/v1/streams",
            "/v1/photos",
            "/v1/sightings",
            "/v1/strangers",
            "/v1/review",
            "/v1/doubts",
            "/v1/archive",
            "/v1/scan",
            "/v1/enrol",
        ]
        .iter()
        .any(|start| path.starts_with(start))
            || ["/v1/identify", "/v1/verify"].contains(&path.as_str());
        let of_gallery = of_gallery && path != "/v1/galleries";
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
        {
            complete(operation, of_gallery);
        }
    }
    api
}

/// What all operations have: errors in one form, and the gallery that is meant.
fn complete(operation: &mut Operation, of_gallery: bool) {
    let error = ResponseBuilder::new()
        .description("An error: see the table of codes")
        .content(
            "application/json",
            ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name()))).build(),
        )
        .build();
    operation.responses.responses.insert("default".into(), error.into());
    if of_gallery {
        let gallery = ParameterBuilder::new()
            .name("gallery")
            .parameter_in(ParameterIn::Query)
            .description(Some(
                "The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery",
            ))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
            .build();
        operation.parameters.get_or_insert_default().push(gallery);
    }
}

/// The document as it is committed.
#[must_use]
pub fn json() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

pub(crate) async fn give() -> Response {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], json()).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The document for reading: without script, and without a request to anybody.
pub(crate) async fn read() -> Html<String> {
    Html(page())
}

fn page() -> String {
    let document = serde_json::to_value(document()).unwrap_or_default();
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Phiz: HTTP API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body>\
         <h1>Phiz: HTTP API</h1>",
    );
    out += &format!(
        "<p>{}</p><p><a href=\"/v1/openapi.json\">OpenAPI document</a></p><h2>Routes</h2>",
        escaped(DESCRIPTION)
    );
    let empty = serde_json::Map::new();
    let paths = document["paths"].as_object().unwrap_or(&empty);
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap_or(&empty) {
            let Some(summary) = operation["summary"].as_str() else { continue };
            out += &format!(
                "<section><h3><code>{} {}</code></h3><p>{}</p>",
                method.to_uppercase(),
                escaped(path),
                escaped(summary)
            );
            let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            if !parameters.is_empty() {
                out += "<table><tr><th>parameter</th><th>in</th><th>meaning</th></tr>";
                for parameter in parameters {
                    out += &format!(
                        "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                        escaped(parameter["name"].as_str().unwrap_or_default()),
                        escaped(parameter["in"].as_str().unwrap_or_default()),
                        escaped(parameter["description"].as_str().unwrap_or_default())
                    );
                }
                out += "</table>";
            }
            for (title, content) in [("takes", &operation["requestBody"]["content"])] {
                if let Some(kinds) = content.as_object() {
                    let kinds: Vec<String> = kinds
                        .iter()
                        .map(|(kind, content)| {
                            format!("<code>{}</code> {}", escaped(kind), shape(&content["schema"]))
                        })
                        .collect();
                    out += &format!("<p>{title} {}</p>", kinds.join(", or "));
                }
            }
            for (status, answer) in operation["responses"].as_object().unwrap_or(&empty) {
                if status == "default" {
                    continue;
                }
                let shapes: Vec<String> = answer["content"]
                    .as_object()
                    .map(|kinds| kinds.values().map(|content| shape(&content["schema"])).collect())
                    .unwrap_or_default();
                out += &format!("<p>answers {status} {}</p>", shapes.join(", "));
            }
            out += "</section>";
        }
    }
    out += "<h2>Shapes</h2>";
    for (name, schema) in document["components"]["schemas"].as_object().unwrap_or(&empty) {
        out += &format!(
            "<section id=\"{0}\"><h3>{0}</h3><p>{1}</p><pre>{2}</pre></section>",
            escaped(name),
            escaped(schema["description"].as_str().unwrap_or_default()),
            escaped(&serde_json::to_string_pretty(schema).unwrap_or_default())
        );
    }
    out += "<h2>Errors</h2><table><tr><th>code</th><th>status</th><th>when</th></tr>";
    for code in Code::ALL {
        out += &format!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            code.as_str(),
            code.status().as_u16(),
            escaped(code.when())
        );
    }
    out + "</table></body></html>"
}

/// The name of a shape, as a link to it.
fn shape(schema: &Value) -> String {
    let name = |schema: &Value| schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()).map(str::to_owned);
    if let Some(name) = name(schema) {
        return format!("<a href=\"#{0}\">{0}</a>", escaped(&name));
    }
    if let Some(options) = schema["oneOf"].as_array() {
        return options
            .iter()
            .filter_map(name)
            .map(|n| format!("<a href=\"#{0}\">{0}</a>", escaped(&n)))
            .collect();
    }
    String::new()
}

/// How the page looks.
pub(crate) async fn style() -> Response {
    const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}\
        section{border-top:1px solid #8884;padding:.25rem 0}h3{margin:.5rem 0}table{border-collapse:collapse}\
        td,th{border:1px solid #8886;padding:.2rem .5rem;text-align:left;vertical-align:top}pre{overflow:auto;font-size:13px}";
    ([(axum::http::header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_todays() {
        let path = format!("{}/../../docs/reference/openapi.json", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("PHIZ_BLESS").is_some() {
            std::fs::write(&path, json()).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap() == json(), "run this test with PHIZ_BLESS=1");
    }

    #[test]
    fn all_routes_stand_in_the_reference() {
        let path = format!("{}/../../docs/reference/http.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let document = serde_json::to_value(document()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let route = format!("`{} {path}", method.to_uppercase());
                assert!(text.contains(&route), "docs/reference/http.md does not name {route}");
            }
        }
        for code in Code::ALL {
            // Of the table of errors: code, status, meaning.
            let code_of = |line: &&str| {
                let cells: Vec<&str> = line.split('|').collect();
                let is_status = cells.get(2).is_some_and(|cell| cell.trim().parse::<u16>().is_ok());
                is_status && cells[1].contains(&format!("`{}`", code.as_str()))
            };
            let row = text.lines().find(code_of);
            let row =
                row.unwrap_or_else(|| panic!("docs/reference/http.md has no row for {}", code.as_str()));
            assert!(row.contains(&format!("| {} |", code.status().as_u16())), "{row}");
        }
    }

    #[test]
    fn the_page_names_each_route_and_runs_nothing() {
        let page = page();
        assert!(page.contains("<code>POST /v1/identify</code>") && page.contains("setup_needed"));
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    }
}
