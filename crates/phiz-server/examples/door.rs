//! A door opener in sixty lines: asks the server who stands before the camera, and opens for people on one watch list.
//!
//! ```console
//! $ PHIZ_KEY=$(phiz key new --scope read --name door) cargo run -p phiz-server --example door -- picture.jpg staff
//! ```

use serde_json::Value;

/// What the door does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// It opens for this person.
    Opens(String),
    /// It stays shut, for this reason.
    Stays(&'static str),
}

/// Asks a server. Only people on the watch list are searched: then the rate holds for as many people as may come in.
///
/// # Errors
/// The server cannot be reached, or refuses the photo.
pub(crate) fn ask(
    server: &str,
    key: &str,
    photo: &[u8],
    list: &str,
) -> Result<Door, Box<dyn std::error::Error>> {
    // One stranger in ten thousand may be let in.
    let url = format!("{server}/v1/identify?fpir=0.0001&list={list}");
    let mut answer = ureq::post(&url)
        .config()
        .http_status_as_error(false)
        .build()
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "image/jpeg")
        .send(photo)?;
    let body: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
    if let Some(error) = body.get("error") {
        return Err(format!("{}: {}", error["message"], error["remedy"]).into());
    }
    let faces = body["faces"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [face] = faces else {
        return Ok(Door::Stays(if faces.is_empty() { "nobody is there" } else { "come one by one" }));
    };
    Ok(match (face["decision"].as_str(), face["person"].as_str()) {
        (Some("match"), Some(name)) => Door::Opens(name.to_owned()),
        (Some("ambiguous"), _) => Door::Stays("too alike to somebody else"),
        _ => Door::Stays("not known"),
    })
}

#[allow(dead_code, reason = "the test calls ask alone")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, photo, list] = arguments.as_slice() else { return Err("give a photo and a watch list".into()) };
    let server = std::env::var("PHIZ_SERVER").unwrap_or_else(|_| "http://127.0.0.1:7449".into());
    let done = ask(&server, &std::env::var("PHIZ_KEY")?, &std::fs::read(photo)?, list)?;
    println!("{done:?}");
    Ok(())
}
