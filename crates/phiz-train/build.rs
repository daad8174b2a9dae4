//! Compiles what LibTorch's tape needs of ours in C++, with the feature `libtorch` only.

fn main() {
    println!("cargo::rerun-if-changed=src/torch/record.cpp");
    #[cfg(feature = "libtorch")]
    compile();
}

#[cfg(feature = "libtorch")]
fn compile() {
    use std::path::PathBuf;

    // Where torch-sys found it says torch-sys; headers lie beside, or where LibTorch's own variable says, as for torch-sys.
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
    let library = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from);
    let root = std::env::var_os("LIBTORCH_INCLUDE").map(PathBuf::from);
    let root =
        root.or_else(|| Some(library?.parent()?.to_path_buf())).expect("torch-sys says where LibTorch is");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(root.join("include"))
        .file("src/torch/record.cpp")
        .compile("phiz_record");
}
