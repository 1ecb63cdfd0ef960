//! System V segments, by the kernel's figures.

use shm_core::sysv::{Kind, Mode, shm};
use shm_core::{Key, Place};

use crate::failure::Failure;

/// A segment, and what the kernel says of it.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub id: shm::Id,
    pub stat: shm::Stat,
}

impl Segment {
    /// All segments of this IPC namespace. Those about which the kernel is silent are counted.
    pub fn all() -> Result<(Vec<Segment>, u64), Failure> {
        let mut silent = 0;
        let mut all = Vec::new();
        for segment in shm::segments().map_err(|error| Failure::of_sysv("segments", &error))? {
            match segment {
                Ok((id, stat)) => all.push(Segment { id, stat }),
                Err(_) => silent += 1,
            }
        }
        Ok((all, silent))
    }

    /// The segment that a place leads to.
    pub fn at(place: &Place) -> Result<Segment, Failure> {
        let id = id_of(place)?;
        let refused = match shm::stat(id) {
            Ok(stat) => return Ok(Segment { id, stat }),
            Err(error) => error,
        };
        // What the kernel tells of one segment only to those who may read it, it tells of all to everybody.
        let (all, _) = Segment::all()?;
        let found = all.into_iter().find(|found| found.id == id);
        found.ok_or_else(|| Failure::of_sysv(place, &refused))
    }

    /// What leads to it: its key, or its id where it has none.
    pub fn place(&self) -> Place {
        if self.stat.key.is_private() {
            Place::id(self.id)
        } else {
            self.stat.key.into()
        }
    }

    /// Whether no process has it attached and none will find it: it has no key, and its creator has gone. One of another pid
    /// namespace, which the kernel gives the number 0, may live.
    pub fn is_orphan(&self) -> bool {
        let Segment { stat, .. } = self;
        let has_gone = stat.cpid > 0 && !super::processes::lives(stat.cpid);
        stat.attached == 0 && stat.key.is_private() && has_gone
    }
}

/// The id that a place leads to.
fn id_of(place: &Place) -> Result<shm::Id, Failure> {
    let key = match (place.segment_id(), place.key()) {
        (Some(id), _) => return Ok(id),
        (None, Some(key)) if !key.is_zero() && !key.is_private() => key,
        _ => {
            return Err(Failure::usage(
                "key 0 leads to no segment; name one without a key by its id, such as id:5",
            ));
        }
    };
    shm::get(key, 0, shm::GetFlags::NONE, Mode::new(0)).map_err(|error| {
        // `ipcs -m` shows ids as bare numbers.
        let id = shm::Id::from_raw(key.raw());
        match (error.kind(), shm::stat(id)) {
            (Kind::NotFound, Ok(_)) => Failure::not_found(format!(
                "{place}: no segment has this key, but one has this id; write id:{id}"
            )),
            _ => Failure::of_sysv(place, &error),
        }
    })
}

/// The key as JSON has it: none for a segment without one.
pub fn key_text(key: Key) -> Option<String> {
    (!key.is_private()).then(|| key.to_string())
}
