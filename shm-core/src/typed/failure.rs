//! What can go wrong between a type and a segment. Who asked, and for which place, the public face
//! adds.

use std::borrow::Cow;

use crate::layout::{InvalidValue, Mismatch, Unfit};
use crate::protocol::Fault;

/// Why a typed access failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Between processes.
    Fault(Fault),
    /// Bytes of a segment without a control block, which are not the `adoptable` ones that a call
    /// would adopt.
    NotAdoptable { size: usize, adoptable: usize },
    /// A segment that another program laid out has less bytes from `offset` on than the type.
    TooSmall { size: usize, offset: usize },
    /// A table that another program laid out has less rows.
    NoRow { index: usize, len: usize },
    /// The segment holds another layout.
    Mismatch(Box<Mismatch>),
    /// The segment is a table of so many rows, and the call is for a box; or, if 0, the other way round.
    OtherKind { rows: u32 },
    /// A field that is a counter, or is none, where the other was wanted.
    Counter { path: Box<str>, why: Counting },
    /// The row has another owner by now, or none.
    Stale,
    /// The segment holds an earlier version, and the call would write.
    NeedsUpgrade { found: u32 },
    /// Bytes that capacity and schema room lack for the type.
    NoRoom { value: usize, schema: usize },
    /// The value is none of its type.
    Invalid(Box<InvalidValue>),
    /// A `FixedVec` of this length lacks what the path leads to.
    NoElement { path: Box<str>, len: u32 },
    /// What is stored contradicts itself.
    Damaged(Cow<'static, str>),
    /// The value has more `what` than an inspector may read.
    TooLarge { what: &'static str, limit: usize },
    /// A path leads nowhere, or what is to be stored there is no value of the part's type.
    Unfit(Box<Unfit>),
    /// What was asked for can't be had: what it is, and what would be right.
    Options(Cow<'static, str>),
    /// The guard of a raw value can't be used: why, and what would be right.
    Guard(Cow<'static, str>),
    /// The segment does not fit, and was not replaced since it is attached so often besides.
    Kept { why: Box<Failure>, others: u64 },
}

/// What is wrong with a field as a counter, or as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The table counts in it, and the type does not.
    InTableAlone,
    /// The type counts in it, and the table does not.
    InTypeAlone,
    /// It was to be stored.
    Stored,
    /// Its total was asked for, and it is none.
    NoCounter,
}

impl Failure {
    /// Whether the segment has been removed.
    pub(crate) fn is_removed(&self) -> bool {
        matches!(self, Failure::Fault(Fault::Removed))
    }

    pub(crate) fn damaged(what: &'static str) -> Failure {
        Failure::Damaged(what.into())
    }
}

/// Refuses options, or another argument, for a reason that says what would be right.
pub(crate) fn refused<R>(what: impl Into<Cow<'static, str>>) -> Result<R, Failure> {
    Err(Failure::Options(what.into()))
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Failure {
        match unfit {
            Unfit::Invalid(invalid) => Failure::Invalid(Box::new(invalid)),
            unfit => Failure::Unfit(Box::new(unfit)),
        }
    }
}

impl<W> From<W> for Failure
where
    Fault: From<W>,
{
    #[inline]
    fn from(why: W) -> Failure {
        Failure::Fault(why.into())
    }
}
