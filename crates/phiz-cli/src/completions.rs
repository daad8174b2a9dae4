//! `phiz completions`: scripts for shells, and manual pages.

use std::path::PathBuf;

use clap::Args;

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
}

pub(crate) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let mut command = super::command();
    if let Some(folder) = &arguments.man {
        std::fs::create_dir_all(folder).map_err(|e| Failure::writing(folder, &e))?;
        clap_mangen::generate_to(command, folder).map_err(|e| Failure::writing(folder, &e))?;
        return Ok(Done::Well);
    }
    if let Some(shell) = arguments.shell {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "phiz", &mut script);
        out::raw(&String::from_utf8_lossy(&script));
    }
    Ok(Done::Well)
}
