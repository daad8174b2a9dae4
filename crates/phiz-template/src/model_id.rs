//! The identity of an embedder: weights and preprocessing together.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::TemplateError;

/// Names an embedder by a hash of its weights and its preprocessing: 16 hexadecimal digits for every model that Phiz
/// has loaded. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(Arc<str>);

impl ModelId {
    /// Takes a text as an identity.
    ///
    /// # Errors
    /// [`TemplateError::ModelId`] unless it consists of 1 to 64 visible ASCII characters.
    pub fn new(text: &str) -> Result<ModelId, TemplateError> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > 64 || !visible {
            return Err(TemplateError::ModelId(text.into()));
        }
        Ok(ModelId(text.into()))
    }

    /// The identity that a SHA-256 hash gives: its first 8 bytes as 16 hexadecimal digits.
    #[must_use]
    pub fn of_hash(hash: &[u8; 32]) -> ModelId {
        let text: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        ModelId(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ModelId {
    type Err = TemplateError;
    fn from_str(text: &str) -> Result<ModelId, TemplateError> {
        ModelId::new(text)
    }
}

impl TryFrom<String> for ModelId {
    type Error = TemplateError;
    fn try_from(text: String) -> Result<ModelId, TemplateError> {
        ModelId::new(&text)
    }
}

impl From<ModelId> for String {
    fn from(id: ModelId) -> String {
        id.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_ascii_is_an_identity() {
        for good in ["0123456789abcdef", "test-model", "x"] {
            assert_eq!(ModelId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\n", "é", &"a".repeat(65)] {
            assert_eq!(ModelId::new(bad), Err(TemplateError::ModelId(bad.into())));
        }
        assert!(serde_json::from_str::<ModelId>("\"a b\"").is_err());
        assert_eq!(serde_json::to_string(&ModelId::new("a").unwrap()).unwrap(), "\"a\"");
    }
}
