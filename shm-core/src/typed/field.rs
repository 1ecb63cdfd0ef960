//! `Field`: a typed handle to one field of a struct, so that a counter in a 64 KiB struct costs
//! what a counter costs.

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use crate::layout::{FixedVec, SharedLayout};
use crate::protocol::Span;

/// A field of type `F` somewhere in a `T`, as [`field!`](crate::field!) names it.
///
/// [`SharedView::load`](crate::SharedView::load) and [`SharedBox::store`](crate::SharedBox::store)
/// move just those bytes.
///
/// ```
/// use shm_core::{Field, Key, SharedBox, SharedLayout, field};
///
/// #[derive(SharedLayout, Clone, Copy)]
/// #[repr(C)]
/// struct Process {
///     pid: u32,
///     beats: u64,
/// }
///
/// #[derive(SharedLayout, Clone, Copy)]
/// #[repr(C)]
/// struct Table {
///     used: u32,
///     rows: [Process; 1000],
/// }
///
/// const USED: Field<Table, u32> = field!(Table.used);
///
/// # fn main() -> Result<(), shm_core::Error> {
/// let empty = Table { used: 0, rows: [Process { pid: 0, beats: 0 }; 1000] };
/// let table = SharedBox::options().remove_on_drop(true).create_new(Key::PRIVATE, empty)?;
/// table.store(USED, 1)?;
/// table.store(field!(Table.rows[7]), Process { pid: 42, beats: 0 })?;
///
/// let row = 7; // known at run time only
/// table.store(field!(Table.rows[row].beats), 1)?;
/// assert!(field!(Table.rows).at(1000).is_none());
/// assert_eq!(table.load(field!(Table.rows[7]))?.beats, 1);
/// # Ok(())
/// # }
/// ```
pub struct Field<T, F> {
    /// `offset + size_of::<F>() <= size_of::<T>()` always.
    offset: usize,
    /// Whether it is in an element of a `FixedVec`, which may not be there.
    element: bool,
    types: PhantomData<fn(&T) -> F>,
}

impl<T> Field<T, T> {
    pub(crate) const WHOLE: Field<T, T> = Field::of(0, false);
}

impl<T, F> Field<T, F> {
    /// For [`field!`](crate::field!). The function is not called: it tells the type.
    ///
    /// # Panics
    ///
    /// If no `F` fits at `offset` of a `T`, or has no bytes.
    #[doc(hidden)]
    pub const fn __new(offset: usize, _: fn(&T) -> F) -> Field<T, F> {
        Field::at_offset(offset)
    }

    /// The field that lies there.
    ///
    /// # Panics
    ///
    /// As [`Field::__new`].
    pub(super) const fn at_offset(offset: usize) -> Field<T, F> {
        assert!(
            size_of::<F>() <= size_of::<T>() && offset <= size_of::<T>() - size_of::<F>(),
            "no field of that type lies there"
        );
        assert!(
            size_of::<F>() > 0,
            "a field without bytes has nothing to load or store"
        );
        Field::of(offset, false)
    }

    /// The one that lies there, within the `T`.
    const fn of(offset: usize, element: bool) -> Field<T, F> {
        Field {
            offset,
            element,
            types: PhantomData,
        }
    }

    /// Bytes from the start of the `T` to the field.
    pub const fn offset(self) -> usize {
        self.offset
    }

    /// A field of this field.
    pub const fn then<G>(self, inner: Field<F, G>) -> Field<T, G> {
        // Within an `F` that lies within the `T`.
        Field::of(self.offset + inner.offset, self.element | inner.element)
    }

    /// For [`field!`](crate::field!): a place like the field's, at which nothing is looked.
    #[doc(hidden)]
    pub const fn __place(self) -> MaybeUninit<F> {
        MaybeUninit::uninit()
    }

    /// For [`field!`](crate::field!): the field that lies at `to` in a place like this one.
    ///
    /// # Safety
    ///
    /// `from` is a place for an `F`, and `to` is one of its fields.
    #[doc(hidden)]
    pub const unsafe fn __step<G>(self, from: *const F, to: *const G) -> Field<F, G> {
        // SAFETY: both pointers are of one place (this function's contract).
        Field::at_offset(unsafe { to.cast::<u8>().offset_from(from.cast()) } as usize)
    }

    #[inline(always)]
    pub(super) const fn is_element(self) -> bool {
        self.element
    }

    #[inline(always)]
    pub(crate) const fn span(self) -> Span {
        Span {
            offset: self.offset,
            len: size_of::<F>(),
        }
    }
}

impl<T, E, const N: usize> Field<T, [E; N]> {
    /// An element of this array; `None` if there is none with this index.
    pub const fn at(self, index: usize) -> Option<Field<T, E>> {
        if index >= N {
            return None;
        }
        let offset = self.offset + index * size_of::<E>();
        Some(Field::of(offset, self.element))
    }

    /// For [`field!`](crate::field!).
    ///
    /// # Panics
    ///
    /// If there is no element with this index.
    #[doc(hidden)]
    pub const fn __at(self, index: usize) -> Field<T, E> {
        match self.at(index) {
            Some(field) => field,
            None => panic!("the array has no element with this index"),
        }
    }
}

impl<T, E: SharedLayout, const N: usize> Field<T, FixedVec<E, N>> {
    /// Where this vector has the element with this index, if it has so many; `None` if it has no room
    /// for it.
    ///
    /// Access to an element that the vector in the segment does not have is
    /// [`ErrorKind::NoElement`](crate::ErrorKind::NoElement).
    pub const fn at(self, index: usize) -> Option<Field<T, E>> {
        if index >= N {
            return None;
        }
        let first = self.offset + FixedVec::<E, N>::SCHEMA.align();
        Some(Field::of(first + index * size_of::<E>(), true))
    }

    /// For [`field!`](crate::field!).
    ///
    /// # Panics
    ///
    /// If there is no room for an element with this index.
    #[doc(hidden)]
    pub const fn __at(self, index: usize) -> Field<T, E> {
        match self.at(index) {
            Some(field) => field,
            None => panic!("the vector has no room for an element with this index"),
        }
    }
}

// Not derived: a handle to a field is `Copy` whatever it leads to.
impl<T, F> Clone for Field<T, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, F> Copy for Field<T, F> {}

impl<T, F> fmt::Debug for Field<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("offset", &self.offset)
            .finish()
    }
}

/// Names a field of a struct: `field!(StPid.pid)`, a field of a field: `field!(Scene.sun.height)`,
/// an element of an array or a [`FixedVec`](crate::FixedVec): `field!(Table.rows[7])`, or a field of one:
/// `field!(Table.rows[7].beats)`. The answer is a [`Field`](crate::Field), in a constant too.
///
/// A type may be a path: `field!(v1::Cfg.rps)`. One that is more than names goes in angle brackets: `field!(<Matrix<3>>.rows)`,
/// `field!(<[u64; 8]>[3])`. An index may be known at run time only; where it may be beyond the array, see [`Field::at`](crate::Field::at).
///
/// A `FixedVec` has room for elements that are not there. To load or store one of those is
/// [`ErrorKind::NoElement`](crate::ErrorKind::NoElement), since no reader of the vector would see it: `update` with `push` adds
/// one.
///
/// ```
/// # use shm_core::field;
/// #[derive(Clone, Copy)]
/// #[repr(C)]
/// struct Matrix<const N: usize> {
///     scale: f32,
///     rows: [[f32; N]; N],
/// }
///
/// assert_eq!(field!(<Matrix<3>>.rows[2]).offset(), 4 + 2 * 12);
/// assert_eq!(field!(<[[u64; 8]; 2]>[1][3]).offset(), 11 * 8);
/// assert_eq!(field!(<[Matrix<3>; 2]>[1].rows[2]).offset(), 40 + 4 + 2 * 12);
///
/// mod v1 {
///     #[derive(Clone, Copy)]
///     #[repr(C)]
///     pub struct Cfg {
///         pub limits: (u32, [u32; 2]),
///         pub rps: u32,
///     }
/// }
///
/// assert_eq!(field!(v1::Cfg.rps).offset(), 12);
/// assert!(field!(v1::Cfg.limits.1[1]).offset() < 12);
/// ```
///
/// ```compile_fail,E0080
/// # use shm_core::field;
/// # #[derive(Clone, Copy)]
/// # struct Table { rows: [u32; 3] }
/// let none = field!(Table.rows[3]); // the array has no element with this index
/// ```
///
/// # Panics
///
/// If an index is beyond its array; that of a literal, and in a constant, is an error of the
/// compiler's.
#[macro_export]
macro_rules! field {
    // An element of an array that is the whole value.
    (< $type:ty > $([ $index:literal ])+) => {
        const { $crate::Field::<$type, _>::__new(0, |__value: &$type| *__value) $(.__at($index))+ }
    };
    (< $type:ty > $([ $index:expr ])+) => {
        $crate::Field::<$type, _>::__new(0, |__value: &$type| *__value) $(.__at($index))+
    };
    (< $type:ty > $([ $($index:tt)+ ])+ . $($rest:tt)+) => {
        $crate::field!(
            @of ($crate::field!(< $type > $([ $($index)+ ])+))
            ($crate::field!(< $type > $([ $crate::field!(@0 $($index)+) ])+))
            . $($rest)+
        )
    };
    (< $type:ty > $(. $step:tt)+ $([ $index:literal ])+) => {
        const { $crate::field!(< $type > $(. $step)+) $(.__at($index))+ }
    };
    (< $type:ty > $(. $step:tt)+ $([ $index:expr ])*) => {
        $crate::Field::<$type, _>::__new(
            ::core::mem::offset_of!($type, $($step).+),
            |__value: &$type| __value $(. $step)+,
        ) $(.__at($index))*
    };
    (< $type:ty > $(. $step:tt)+ $([ $($index:tt)+ ])+ . $($rest:tt)+) => {
        $crate::field!(
            @of ($crate::field!(< $type > $(. $step)+ $([ $($index)+ ])+))
            ($crate::field!(< $type > $(. $step)+) $(.__at($crate::field!(@0 $($index)+)))+)
            . $($rest)+
        )
    };
    // Fields of an element, whose type has no name here: `$field` leads to it, and so does `$alike`,
    // which is a constant.
    (@of ($field:expr) ($alike:expr) $(. $step:tt)+ $([ $index:literal ])+) => {
        $field.then(const { $crate::field!(@step ($alike) $(. $step)+) $(.__at($index))+ })
    };
    (@of ($field:expr) ($alike:expr) $(. $step:tt)+ $([ $index:expr ])*) => {
        $field.then(const { $crate::field!(@step ($alike) $(. $step)+) }) $(.__at($index))*
    };
    (@of ($field:expr) ($alike:expr) $(. $step:tt)+ $([ $($index:tt)+ ])+ . $($rest:tt)+) => {
        $crate::field!(
            @of ($crate::field!(@of ($field) ($alike) $(. $step)+ $([ $($index)+ ])+))
            ($crate::field!(@step ($alike) $(. $step)+) $(.__at($crate::field!(@0 $($index)+)))+)
            . $($rest)+
        )
    };
    (@step ($alike:expr) $(. $step:tt)+) => {{
        // A constant of the caller's that has one of these names would be meant by it.
        let __alike = $alike;
        let __place = __alike.__place();
        let __from = __place.as_ptr();
        // SAFETY: `__place` is one for the type of `__from`, and this names a field of it: no `Deref` can
        // be called in a constant.
        unsafe { __alike.__step(__from, &raw const (*__from) $(. $step)+) }
    }};
    (@0 $($index:tt)+) => {
        0
    };
    ($first:ident $(:: $name:ident)* . $($rest:tt)+) => {
        $crate::field!(< $first $(:: $name)* > . $($rest)+)
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "a field is named by a type and a path in it: `field!(StPid.pid)`; a type that is more than names goes in \
             angle brackets: `field!(<Matrix<3>>.rows)`, `field!(<[u64; 8]>[3])`"
        )
    };
}
