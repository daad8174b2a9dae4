//! `phiz completions`: scripts for shells, and manual pages.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::Target;
use super::{Done, Failure, out};

/// Arguments of `phiz completions`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz completions bash > ~/.local/share/bash-completion/completions/phiz
  phiz completions fish > ~/.config/fish/completions/phiz.fish
  phiz completions --man ~/.local/share/man/man1")]
pub(crate) struct Arguments {
    /// The shell that the script is for
    #[arg(value_enum, required_unless_present = "man")]
    shell: Option<clap_complete::Shell>,
    /// Write one manual page per command to this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "shell")]
    man: Option<PathBuf>,
    /// Let --man overwrite pages that exist
    #[arg(long, requires = "man")]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let mut command = super::command();
    if let Some(folder) = &arguments.man {
        return pages(command, folder, arguments.force);
    }
    if let Some(shell) = arguments.shell {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "phiz", &mut script);
        out::raw(&String::from_utf8_lossy(&script));
    }
    Ok(Done::Well)
}

/// Writes a manual page for each command: all of them, or none where one exists.
fn pages(command: clap::Command, folder: &Path, force: bool) -> Result<Done, Failure> {
    let failed = |e: std::io::Error| Failure::writing(folder, &e);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let made = tempfile::tempdir().map_err(|e| Failure::writing(&std::env::temp_dir(), &e))?;
    clap_mangen::generate_to(command, made.path()).map_err(|e| Failure::writing(made.path(), &e))?;
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(made.path()).map_err(failed)? {
        let page = entry.map_err(failed)?;
        let target = Target::new("--man", &folder.join(page.file_name()), [], force)?;
        pages.push((target, std::fs::read(page.path()).map_err(failed)?));
    }
    for (target, page) in pages {
        target.write(&page).map_err(|e| Failure::writing(target.path(), &e))?;
    }
    Ok(Done::Well)
}
