//! The candidates, all in one shape: a value that several processes share.

use crate::place::Place;
use crate::value::Value;

mod boost;
mod copy;
mod iceoryx;
mod ours;
mod pthread;
mod raw_sync;

#[cfg(boost)]
pub use boost::Boost;
pub use copy::{Fixed, RuntimeLength};
pub use iceoryx::{Board, Iceoryx, node, open_and_get};
pub use ours::{Held, Ours, View};
pub use pthread::{Plain, Pthread, Robust, Segment};
pub use raw_sync::RawSync;

/// One process's way to the shared value.
pub trait Peer<T: Value>: Sized {
    /// Makes the place; removed when this is dropped.
    fn create(place: Place, value: &T) -> Self;
    /// Finds the place that another process made.
    fn open(place: Place) -> Self;
    /// Copies the value to private memory in the candidate's own way and shows it.
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R;
    /// Copies the value over an older one, where there is a call for that.
    fn read_into(&mut self, _place: &mut T) {
        unreachable!("no call of this candidate");
    }
    /// Replaces the value.
    fn set(&mut self, value: &T);
    /// Changes the value where it is, or as near to that as the candidate comes.
    fn update(&mut self, change: impl FnOnce(&mut T));

    /// Reads one field, where there is a way to read no more than that.
    #[inline(always)]
    fn load(&mut self) -> u64 {
        self.get(T::count)
    }

    /// Changes one field, where there is a way to write no more than that.
    #[inline(always)]
    fn store(&mut self, _value: u64) {
        self.update(T::bump);
    }
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Candidate {
    /// `memcpy` with a length that the compiler does not know; no protocol at all.
    RuntimeLength,
    /// The same with a fixed length.
    Fixed,
    /// `SharedBox`.
    Ours,
    /// `SharedView`.
    View,
    /// `Writer`, held.
    Held,
    /// iceoryx2's blackboard: a single writer that holds its entry.
    Iceoryx,
    /// A pthread mutex in shared memory.
    Plain,
    /// A robust one.
    Robust,
    /// `shared_memory` and `raw_sync`.
    RawSync,
    /// Boost.Interprocess.
    #[cfg_attr(not(boost), expect(dead_code))]
    Boost,
}

/// All there are in this build.
pub const ALL: &[Candidate] = &[
    Candidate::RuntimeLength,
    Candidate::Fixed,
    Candidate::Ours,
    Candidate::View,
    Candidate::Held,
    Candidate::Iceoryx,
    Candidate::Plain,
    Candidate::Robust,
    Candidate::RawSync,
    #[cfg(boost)]
    Candidate::Boost,
];

impl Candidate {
    /// In tables and plots.
    pub fn name(self) -> &'static str {
        match self {
            Candidate::RuntimeLength => "memcpy",
            Candidate::Fixed => "memcpy, fixed size",
            Candidate::Ours => "SharedBox",
            Candidate::View => "SharedView",
            Candidate::Held => "Writer",
            Candidate::Iceoryx => "iceoryx2",
            Candidate::Plain => "pthread mutex",
            Candidate::Robust => "robust mutex",
            Candidate::RawSync => "raw_sync",
            Candidate::Boost => "Boost",
        }
    }

    /// Whether it gives each reader a value of one commit.
    pub fn is_consistent(self) -> bool {
        !matches!(self, Candidate::RuntimeLength | Candidate::Fixed)
    }

    /// Whether it can copy the value to where the caller wants it.
    pub fn reads_into(self) -> bool {
        matches!(
            self,
            Candidate::RuntimeLength | Candidate::Fixed | Candidate::Ours | Candidate::View
        )
    }

    /// Whether several processes may write.
    pub fn many_writers(self) -> bool {
        self.is_consistent()
            && !matches!(self, Candidate::View | Candidate::Held | Candidate::Iceoryx)
    }
}

/// Evaluates an expression with `$p` naming the candidate's `Peer` for `$t`.
#[macro_export]
macro_rules! with_peer {
    ($candidate:expr, $t:ty, $p:ident => $body:expr) => {{
        use $crate::peer::{self, Candidate};
        match $candidate {
            Candidate::RuntimeLength => {
                type $p = peer::RuntimeLength<$t>;
                $body
            }
            Candidate::Fixed => {
                type $p = peer::Fixed<$t>;
                $body
            }
            Candidate::Ours => {
                type $p = peer::Ours<$t>;
                $body
            }
            Candidate::View => {
                type $p = peer::View<$t>;
                $body
            }
            Candidate::Held => {
                type $p = peer::Held<$t>;
                $body
            }
            Candidate::Iceoryx => {
                type $p = peer::Iceoryx<$t>;
                $body
            }
            Candidate::Plain => {
                type $p = peer::Pthread<$t, peer::Plain>;
                $body
            }
            Candidate::Robust => {
                type $p = peer::Pthread<$t, peer::Robust>;
                $body
            }
            Candidate::RawSync => {
                type $p = peer::RawSync<$t>;
                $body
            }
            #[cfg(boost)]
            Candidate::Boost => {
                type $p = peer::Boost<$t>;
                $body
            }
            #[cfg(not(boost))]
            Candidate::Boost => unreachable!("Boost.Interprocess is not in this build"),
        }
    }};
}
