//! `shm schema`: the type in a segment, as source.

use clap::{Args, ValueEnum};
use serde::Serialize;
use shm_core::Place;

use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::shape::{TypeJson, rust_source};
use crate::source::Source;

/// Print the type in a segment as source, ready to compile
///
/// Example: shm schema 0x1234 --format c >st_pid.h
#[derive(Debug, Args)]
#[command(name = "schema", verbatim_doc_comment)]
pub struct SchemaOf {
    /// The segment: 0x1234, id:5 or ftok:PATH:ID
    place: Place,

    /// rust, c, python or json
    #[arg(short, long, default_value = "rust", hide_possible_values = true)]
    format: Format,
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
        let source = Source::open(&self.place)?;
        match self.format {
            Format::Rust => print(&rust_source(&source.shape()?)),
            Format::C => print(&source.schema()?.c_header()),
            Format::Python => print(&source.schema()?.python_module()),
            Format::Json => print_json(&Answer {
                r#type: TypeJson(&source.shape()?),
            }),
        }
    }
}
