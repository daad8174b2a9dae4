//! What the program is made of.

/// Each bundled network is in the program exactly once: a constant instead of a static would be copied into every crate
/// that names it.
#[test]
fn each_network_is_in_the_program_once() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_phiz")).unwrap();
    for (name, network) in [
        ("detector", phiz_net::bundled::DETECTOR.1),
        ("refinement", phiz_net::bundled::SECOND),
        ("embedder", phiz_net::bundled::EMBEDDER.1),
        ("small detector", phiz_net::bundled::SMALL_DETECTOR.1),
        ("small refinement", phiz_net::bundled::SMALL_SECOND),
        ("small embedder", phiz_net::bundled::SMALL_EMBEDDER.1),
    ] {
        let middle = &network[network.len() / 2..][..64];
        let found = program.windows(middle.len()).filter(|window| *window == middle).count();
        assert_eq!(found, 1, "copies of the {name}'s network in the program");
    }
}
