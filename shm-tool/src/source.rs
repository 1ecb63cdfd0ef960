//! Where values come from: a segment and the type by which its bytes are read.

use std::time::Duration;

use shm_core::{Inspector, Place};

use crate::failure::{Failure, of_place};
use crate::kernel::segments::{Found, inspect};
use crate::shape::{Type, from_schema};
use crate::value::Node;

/// How long a copy may be overtaken by writers.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A segment whose values have names.
pub struct Source {
    pub found: Found,
    pub inspector: Inspector,
    place: Place,
}

/// A value at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub node: Node,
    pub version: u64,
}

impl Source {
    pub fn open(place: &Place) -> Result<Source, Failure> {
        let found = Found::at(place)?;
        let inspector = inspect(found.id, TIMEOUT).map_err(of_place(place))?;
        Ok(Source {
            found,
            inspector,
            place: place.clone(),
        })
    }

    /// All of one commit.
    pub fn read(&self) -> Result<Reading, Failure> {
        let seen = self.inspector.snapshot().map_err(self.failed())?;
        Ok(Reading {
            node: seen.value.into(),
            version: seen.version,
        })
    }

    /// The bytes of one commit.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let seen = self.inspector.snapshot_bytes().map_err(self.failed())?;
        Ok(seen.value)
    }

    pub fn schema(&self) -> Result<shm_core::layout::Schema, Failure> {
        self.inspector.schema().map_err(self.failed())
    }

    pub fn shape(&self) -> Result<Type, Failure> {
        Ok(from_schema(&self.schema()?))
    }

    pub fn failed(&self) -> impl Fn(shm_core::Error) -> Failure + '_ {
        of_place(&self.place)
    }
}
