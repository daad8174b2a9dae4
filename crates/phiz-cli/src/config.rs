//! `phiz config`: the server's settings, and where each value comes from.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use phiz_server::Settings;
use phiz_server::settings::{SETTINGS, SettingError};
use serde_json::json;

use super::out::{self, say};
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz config`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print every setting with its value, and where the value comes from
    Show {
        /// Print one JSON object per setting, one per line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        from: SettingArguments,
    },
}

/// Where settings come from.
#[derive(Args, Clone, Debug)]
pub(crate) struct SettingArguments {
    /// The file with the settings [default: phiz.toml in the home folder, if there is one]
    #[arg(long, value_name = "FILE", env = "PHIZ_CONFIG")]
    config: Option<PathBuf>,
    /// Set a setting, whatever file and environment say (see `phiz config show` for all of them)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give a setting as NAME=VALUE")?;
    Ok((name.trim().into(), value.into()))
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Failure {
        let hint = error.hint.clone();
        Failure::new(error).hint(hint)
    }
}

impl SettingArguments {
    /// The settings, with what arguments of their own set.
    pub(crate) fn read(&self, shared: &Shared, more: &[(String, String)]) -> Result<Settings, Failure> {
        let file = match &self.config {
            Some(file) => file.clone(),
            None => phiz_server::settings_file(&shared.home()?),
        };
        let arguments: Vec<(String, String)> = self.set.iter().chain(more).cloned().collect();
        let variable = |name: &str| std::env::var(name).ok();
        Ok(Settings::read(&file, self.config.is_some(), variable, &arguments)?)
    }
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let Action::Show { json, from } = &arguments.action;
    let settings = from.read(shared, &[])?;
    let mut rows = Vec::new();
    for setting in SETTINGS {
        let (value, source) = settings.value(setting);
        if *json {
            out::json(
                &json!({ "name": setting.name, "value": value, "source": source, "help": setting.help }),
            );
        } else {
            rows.push(vec![setting.name.to_owned(), value.to_owned(), source.to_string()]);
        }
    }
    if !json {
        table::print(&["setting", "value", "from"], &rows);
        say!("docs/reference/phiz.toml says what each one means");
    }
    Ok(Done::Well)
}
