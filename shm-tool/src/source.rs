//! Where values come from: a segment and the type by which its bytes are read.

use std::time::Duration;

use shm_core::layout::Value;
use shm_core::{Inspector, Place, Snapshot};

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
    /// Of a segment of the library's.
    pub version: Option<u64>,
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
        Ok(seen.into())
    }

    /// The next reading after `last`, if one comes in time.
    pub fn wait(&self, last: &Reading, timeout: Duration) -> Result<Option<Reading>, Failure> {
        let version = last.version.unwrap_or(0);
        let next = self.inspector.wait_timeout(version, timeout);
        Ok(next.map_err(self.failed())?.map(Reading::from))
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

impl From<Snapshot<Value>> for Reading {
    fn from(seen: Snapshot<Value>) -> Reading {
        Reading {
            node: seen.value.into(),
            version: Some(seen.version),
        }
    }
}
