//! Command lines that are wrong: one line for each, with the nearest name or what to write, in the place of clap's many.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};

use crate::cli::Cli;
use crate::failure::{Exit, Failure};

/// Prints what was asked for, if that is the help or the version; else says what is wrong with the command line.
pub fn ended(error: &Error) -> Failure {
    let exit = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Closed,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Exit::Usage,
        _ => return Failure::usage(line(error)),
    };
    // Where nothing can be printed to, the exit code says enough.
    let _ = error.print();
    Failure::silent(exit)
}

fn line(error: &Error) -> String {
    let of = |kind| text(error.get(kind)?);
    let argument = of(ContextKind::InvalidArg).unwrap_or_else(|| "an argument".to_owned());
    let value = of(ContextKind::InvalidValue).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = of(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("there is no command `{name}`")
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("there is no `{argument}`")
        }
        ErrorKind::UnknownArgument => format!("`{argument}` is one argument too many"),
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        ErrorKind::ArgumentConflict => {
            let other = of(ContextKind::PriorArg).unwrap_or_else(|| "what is there".to_owned());
            format!("{argument} does not go with {other}")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} wants a value"),
        ErrorKind::InvalidValue => {
            let valid = of(ContextKind::ValidValue).unwrap_or_default();
            format!("{argument}: {value:?} is none of {valid}")
        }
        ErrorKind::TooManyValues => format!("{argument} takes no value {value:?}"),
        ErrorKind::ValueValidation => {
            let why = error
                .source()
                .map_or_else(String::new, |why| why.to_string());
            // As `std` says of a number.
            let is_none = ["invalid digit", "cannot parse integer"];
            if is_none.iter().any(|words| why.starts_with(words)) {
                return format!("{argument} can't be {value:?}; write a whole number");
            }
            match why.strip_prefix("write ") {
                Some(wanted) => {
                    return format!("{argument} can't be {value:?}; write {wanted}");
                }
                None if why.contains("; ") => return format!("{argument}: {why}"),
                None => format!("{argument} can't be {value:?}: {why}"),
            }
        }
        ErrorKind::InvalidUtf8 => {
            return "an argument is no UTF-8; write such a byte of a place as \\xFF, as in 'posix:/a\\xFF'".to_owned();
        }
        _ => {
            let whole = error.to_string();
            let first = whole.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    };
    let near = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ];
    if let Some(near) = near.into_iter().find_map(of) {
        return format!("{what}; did you mean `{near}`?");
    }
    let usage = of(ContextKind::Usage).filter(|_| {
        use ErrorKind::{MissingRequiredArgument, UnknownArgument};
        let of_arguments = [MissingRequiredArgument, UnknownArgument].contains(&error.kind());
        of_arguments && !argument.starts_with('-')
    });
    match usage.as_deref().and_then(|usage| usage.split_once(": ")) {
        Some((_, usage)) => format!("{what}; write {}", usage.trim_end()),
        None => format!("{what}; `{}--help` has what to write", command()),
    }
}

/// A name, or all of several.
fn text(value: &ContextValue) -> Option<String> {
    match value {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        ContextValue::Strings(texts) if !texts.is_empty() => Some(texts.join(", ")),
        _ => None,
    }
}

/// `shm show `, with the command that was given, if one was.
fn command() -> String {
    let names = Cli::command();
    let given = std::env::args().skip(1);
    let mut given = given.filter(|given| names.find_subcommand(given).is_some());
    given
        .next()
        .map_or("shm ".to_owned(), |name| format!("shm {name} "))
}
