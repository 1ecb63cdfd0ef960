//! Which bytes of a value carry it, and which are padding.

use super::{Primitive, Schema, TypeKind};

/// `count` stretches of `len` bytes, the first at `offset`, each `stride` bytes after the one
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where the first stretch begins, in bytes from the start of the value.
    pub offset: usize,
    /// Bytes in each stretch.
    pub len: usize,
    /// How many stretches there are; at least 1.
    pub count: usize,
    /// Bytes from the start of one stretch to the start of the next; `len` if there is only one.
    pub stride: usize,
}

/// The stretches of a value that are not padding.
///
/// No byte is in two of them, and neighbours that can be one run are. The stretches of strided runs
/// may lie between each other: `[(u8, u16); 9]` in C's layout is `u8`s with stride 4 and `u16`s
/// with stride 4. So a value has about as many runs as it has fields, however long its arrays are.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    runs: [Run; Runs::WINDOW],
    len: usize,
    more: bool,
}

impl Runs {
    /// How many runs one window holds.
    pub const WINDOW: usize = 16;

    /// The runs of `schema` from the `first`-th on, as many as one window holds.
    pub const fn of(schema: &Schema, first: usize) -> Runs {
        let mut collector = Collector {
            window: Runs::EMPTY,
            skip: first,
            pending: None,
        };
        collector.walk(schema, 0, ONCE);
        collector.flush();
        collector.window
    }

    /// The runs in this window.
    pub const fn as_slice(&self) -> &[Run] {
        self.runs.split_at(self.len).0
    }

    /// Whether further runs follow this window: ask [`Runs::of`] with `first` raised by
    /// [`Runs::WINDOW`].
    pub const fn more(&self) -> bool {
        self.more
    }

    /// Whether the value has no padding at all: one run covers all `size` bytes.
    ///
    /// Asked of the window that begins with the first run.
    pub const fn cover(&self, size: usize) -> bool {
        self.len == 1
            && self.runs[0].offset == 0
            && self.runs[0].count == 1
            && self.runs[0].len == size
    }

    const EMPTY: Runs = Runs {
        runs: [Run {
            offset: 0,
            len: 0,
            count: 0,
            stride: 0,
        }; Runs::WINDOW],
        len: 0,
        more: false,
    };
}

/// How often what is being walked repeats, and how far apart.
#[derive(Clone, Copy)]
struct Repeat {
    count: u64,
    stride: u64,
}

const ONCE: Repeat = Repeat {
    count: 1,
    stride: 0,
};

struct Collector {
    window: Runs,
    skip: usize,
    /// The last run seen; kept back, since it may yet grow.
    pending: Option<Run>,
}

impl Collector {
    const fn walk(&mut self, schema: &Schema, base: u64, repeat: Repeat) {
        match schema.kind() {
            TypeKind::Primitive(_) | TypeKind::Str { .. } | TypeKind::Enum { .. } => {
                self.emit(base, schema.size, repeat)
            }
            TypeKind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() && !self.window.more {
                    self.walk(fields[i].schema(), base + fields[i].offset, repeat);
                    i += 1;
                }
            }
            TypeKind::Array { .. } | TypeKind::Vec { .. } | TypeKind::Opaque { .. } => {}
        }
        if let Some(elements) = schema.elements() {
            if elements.counted {
                self.emit(base, Primitive::U32.size() as u64, repeat);
            }
            self.array(
                elements.schema,
                elements.places,
                base + elements.offset,
                repeat,
            );
        }
    }

    const fn array(&mut self, element: &Schema, len: u64, base: u64, repeat: Repeat) {
        let size = len * element.size;
        // Else nothing would end the loops below.
        if len == 0 || element.is_bare() {
            return;
        }
        if is_dense(element) {
            return self.emit(base, size, repeat);
        }
        let inner = Repeat {
            count: len,
            stride: element.size,
        };
        if repeat.count == 1 {
            self.walk(element, base, inner);
        } else if size == repeat.stride {
            self.walk(
                element,
                base,
                Repeat {
                    count: repeat.count * len,
                    stride: inner.stride,
                },
            );
        } else {
            // Two strides do not make one: spell out the shorter of the two repetitions.
            let (spelled, kept) = if len <= repeat.count {
                (inner, repeat)
            } else {
                (repeat, inner)
            };
            let mut i = 0;
            while i < spelled.count && !self.window.more {
                self.walk(element, base + i * spelled.stride, kept);
                i += 1;
            }
        }
    }

    const fn emit(&mut self, base: u64, len: u64, repeat: Repeat) {
        let (offset, len, count) = (base as usize, len as usize, repeat.count as usize);
        let stride = if count == 1 {
            len
        } else {
            repeat.stride as usize
        };
        if let Some(last) = &mut self.pending {
            let same_repeat = last.count == count && (count == 1 || last.stride == stride);
            if same_repeat && last.offset + last.len == offset {
                last.len += len;
                if count == 1 {
                    last.stride = last.len;
                }
                return;
            }
        }
        self.flush();
        self.pending = Some(Run {
            offset,
            len,
            count,
            stride,
        });
    }

    const fn flush(&mut self) {
        let Some(run) = self.pending.take() else {
            return;
        };
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.window.len == Runs::WINDOW {
            self.window.more = true;
        } else {
            self.window.runs[self.window.len] = run;
            self.window.len += 1;
        }
    }
}

/// Calls `each` with offset and length of every stretch that is not padding.
pub(super) fn for_each_stretch(schema: &Schema, mut each: impl FnMut(usize, usize)) {
    for_each_window(schema, 0, |runs| {
        for run in runs {
            for repetition in 0..run.count {
                each(run.offset + repetition * run.stride, run.len);
            }
        }
    });
}

/// Calls `each` with the runs of a schema from the `first`-th on, as many at once as a window holds.
pub(crate) fn for_each_window(schema: &Schema, mut first: usize, mut each: impl FnMut(&[Run])) {
    loop {
        let window = Runs::of(schema, first);
        each(window.as_slice());
        if !window.more() {
            return;
        }
        first += Runs::WINDOW;
    }
}

/// Calls `each` with offset, bytes and count of the parts of a value, which lies at `base`, that have no parts, all but padding:
/// primitives, enums and texts, those of a plain array at once. (By a recursion of its own: each access of a raw box goes
/// through it, and takes half as long again by the walk over all parts.)
pub(crate) fn for_each_leaf(
    schema: &Schema,
    base: usize,
    each: &mut impl FnMut(usize, usize, usize),
) {
    match schema.kind() {
        TypeKind::Primitive(_) | TypeKind::Str { .. } | TypeKind::Enum { .. } => {
            return each(base, schema.size(), 1);
        }
        TypeKind::Struct { fields, .. } => {
            for field in fields {
                for_each_leaf(field.schema(), base + field.offset(), each);
            }
        }
        TypeKind::Array { .. } | TypeKind::Vec { .. } | TypeKind::Opaque { .. } => {}
    }
    let Some(elements) = schema.elements() else {
        return;
    };
    if elements.counted {
        each(base, Primitive::U32.size(), 1);
    }
    let (base, places) = (base + elements.offset as usize, elements.places as usize);
    let (element, size) = (elements.schema, elements.schema.size());
    if let TypeKind::Primitive(_) | TypeKind::Enum { .. } = element.kind() {
        return each(base, size, places);
    }
    for index in 0..places {
        for_each_leaf(element, base + index * size, each);
    }
}

/// Whether every byte carries a value.
pub(crate) const fn is_dense(schema: &Schema) -> bool {
    match schema.kind() {
        TypeKind::Primitive(_) | TypeKind::Str { .. } | TypeKind::Enum { .. } => true,
        TypeKind::Array { element, len } => len == 0 || is_dense(element),
        TypeKind::Opaque { .. } => false,
        TypeKind::Vec {
            element,
            capacity,
            offset,
        } => {
            Primitive::U32.size() as u64 == offset
                && schema.size == offset + capacity * element.size
                && is_dense(element)
        }
        TypeKind::Struct { fields, .. } => {
            let mut end = 0;
            let mut i = 0;
            while i < fields.len() {
                if fields[i].offset != end || !is_dense(fields[i].schema()) {
                    return false;
                }
                end += fields[i].schema().size;
                i += 1;
            }
            end == schema.size
        }
    }
}
