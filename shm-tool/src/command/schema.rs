//! `shm schema`: the type in a segment, as source.

use clap::{Args, ValueEnum};
use serde::Serialize;
use shm_core::Place;

use crate::cli::place;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::shape::{TypeJson, c_source, rust_source};
use crate::source::{Source, TypeArgs};

/// Print the type in a segment as source, ready to compile
///
/// Examples:
///   shm schema 0x1234 --format c >st_pid.h
///   shm schema 0x2001 --type 'struct motion_status' --from ./motion >motion_status.rs
#[derive(Debug, Args)]
#[command(name = "schema", verbatim_doc_comment)]
pub struct SchemaOf {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// rust, c, python or json
    #[arg(short, long, default_value = "rust", hide_possible_values = true)]
    format: Format,

    #[command(flatten)]
    told: TypeArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Rust,
    C,
    Python,
    Json,
}

#[derive(Serialize)]
struct Answer<'a> {
    r#type: TypeJson<'a>,
}

impl SchemaOf {
    pub fn run(self) -> Result<(), Failure> {
        let source = Source::open(&self.place, &self.told)?;
        match (self.format, source.schema()?) {
            (Format::Rust, _) => print(&rust_source(&source.shape()?)),
            (Format::C, Some(schema)) => print(&schema.c_header()),
            (Format::C, None) => print(&c_source(&source.shape()?)),
            (Format::Python, Some(schema)) => print(&schema.python_module()),
            (Format::Python, None) => Err(Failure::usage(
                "a type from debug information has no module in Python; --format rust, c and json are to be had",
            )),
            (Format::Json, _) => {
                let ty = source.shape()?;
                print_json(&Answer {
                    r#type: TypeJson(&ty),
                })
            }
        }
    }
}
