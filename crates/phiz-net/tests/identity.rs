//! Identities of the bundled models: galleries hold them, so a change of code must never change one.
//!
//! New weights have a new identity: then the value here is replaced, knowing that galleries must adopt them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use phiz_net::bundled;
use phiz_net::card::Card;

#[test]
fn bundled_models_keep_their_identity() {
    for (name, (card, onnx), second, id) in [
        ("detector", bundled::DETECTOR, bundled::SECOND, "55a76163647f2378"),
        ("embedder", bundled::EMBEDDER, &[][..], "c7264f56bd6e9862"),
        ("small detector", bundled::SMALL_DETECTOR, bundled::SMALL_SECOND, "39014dd4866c0b24"),
        ("small embedder", bundled::SMALL_EMBEDDER, &[][..], "543aec7dedab7c29"),
    ] {
        let card = Card::from_toml(card).unwrap();
        assert_eq!(card.model_id(&[onnx, second].concat()).as_str(), id, "{name}");
    }
}
