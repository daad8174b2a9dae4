//! The program `phiz`: everything it does is in `phiz::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    phiz::cli::main()
}
