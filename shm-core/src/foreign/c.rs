//! A C11 and C++17 header from a schema: the struct, checks of its layout, and the functions that
//! speak the protocol.
//!
//! Most of it is the same text for every struct (`shmbox/*.h`); what differs is a description of
//! the struct, and thin functions that give the common ones its type.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Added;
use crate::layout::{
    BYTE_ORDER, FieldSchema, Fingerprint, Schema, SharedLayout, TypeKind, is_dense,
};
use crate::room;

mod bytes;
pub(super) mod names;
mod types;

use names::Scope;
use types::Member;

/// The part that all headers have in common.
const COMMON: &str = concat!(
    include_str!("shmbox/face.h"),
    include_str!("shmbox/words.h"),
    include_str!("shmbox/schema.h"),
    include_str!("shmbox/attach.h"),
    include_str!("shmbox/alive.h"),
    include_str!("shmbox/lock.h"),
    include_str!("shmbox/access.h"),
);

/// The functions of one struct; `@` is its name in C.
const FUNCTIONS: &str = include_str!("shmbox/functions.h");

/// What a type without a name is called: the one member of a struct.
const NAMELESS: &str = "SharedValue";

impl Schema {
    /// A header for C11 and C++17 with this layout as a struct, and with functions that share it
    /// with programs that use this library: no library to link.
    ///
    /// For gcc and clang on Linux; `README.md` shows what is in it. Two headers may be included
    /// together. A type that is no struct becomes the one member, `value`, of `struct
    /// shared_value`. [`SharedLayout::c_header`](crate::SharedLayout::c_header) knows the defaults of
    /// fields too, and so reads segments of earlier versions.
    ///
    /// ```
    /// use shm_core::{FixedStr, SharedLayout};
    ///
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[repr(C)]
    /// struct StPid {
    ///     pid: i32,
    ///     names: FixedStr<51>,
    /// }
    ///
    /// let header = StPid::SCHEMA.c_header();
    /// assert!(header.contains("struct st_pid {\n\tint32_t pid;\n\tchar names[51];\n};"));
    /// assert!(header.contains("int st_pid_get(shmbox *box, struct st_pid *value, uint64_t *version)"));
    /// ```
    #[must_use]
    pub fn c_header(&self) -> String {
        self.c_header_with(None)
    }

    /// The same, with what the type adds to its earlier versions: no schema knows defaults.
    pub(crate) fn c_header_with(&self, added: Option<&[Added]>) -> String {
        // Where no field came later, there is no default to know.
        let complete = self.fields().iter().all(|field| field.since() <= 1);
        let added = added.or(complete.then_some(&[]));
        let added = added.filter(|_| self.version() > Some(1));
        let mut types = Types::default();
        let name = match self.kind() {
            TypeKind::Struct { .. } => types.name(self),
            _ => types.wrap(self),
        };
        header(self, &name, &types.text, added)
    }
}

/// The types defined so far.
#[derive(Default)]
struct Types {
    text: String,
    /// By identity.
    names: BTreeMap<u64, String>,
    scope: Scope,
}

impl Types {
    /// The name in C of a struct or an enum, which is defined unless it was before.
    fn name(&mut self, schema: &Schema) -> String {
        let identity = identity(schema);
        if let Some(name) = self.names.get(&identity) {
            return name.clone();
        }
        let name = match schema.kind() {
            TypeKind::Vec { .. } => types::vec_name(schema),
            _ => names::snake(schema.name().unwrap_or(NAMELESS)),
        };
        let name = self.scope.give(name);
        self.names.insert(identity, name.clone());
        match schema.kind() {
            TypeKind::Enum { .. } => types::define_enum(self, &name, schema, identity),
            TypeKind::Vec {
                element,
                capacity,
                offset,
            } => {
                let members = vec_members(element, capacity, offset);
                types::define_struct(self, &name, schema, &members, identity);
            }
            _ => {
                let members: Vec<_> = schema.fields().iter().map(member).collect();
                types::define_struct(self, &name, schema, &members, identity);
            }
        }
        name
    }

    /// A struct whose one member is `schema`.
    fn wrap(&mut self, schema: &Schema) -> String {
        let name = self.scope.give(names::snake(NAMELESS));
        let members = [Member {
            name: "value".to_owned(),
            offset: 0,
            schema,
            count: None,
        }];
        types::define_struct(self, &name, schema, &members, identity(schema));
        name
    }
}

fn member(field: &FieldSchema) -> Member<'_> {
    Member {
        name: field.name().to_owned(),
        offset: field.offset() as u64,
        schema: field.schema(),
        count: None,
    }
}

fn vec_members(element: &Schema, capacity: u64, offset: u64) -> [Member<'_>; 2] {
    let len = Member {
        name: "len".to_owned(),
        offset: 0,
        schema: u32::SCHEMA,
        count: None,
    };
    let items = Member {
        name: "items".to_owned(),
        offset,
        schema: element,
        count: Some(capacity),
    };
    [len, items]
}

/// What two definitions of one C type have in common: everything, names and alignments too.
fn identity(schema: &Schema) -> u64 {
    Fingerprint::of_bytes(&schema.encode()).to_bits()
}

/// The name of the struct that `c_header` makes of a schema.
pub(super) fn struct_name(schema: &Schema) -> String {
    match schema.kind() {
        TypeKind::Struct { name, .. } => names::snake(name),
        _ => names::snake(NAMELESS),
    }
}

fn header(schema: &Schema, name: &str, types: &str, added: Option<&[Added]>) -> String {
    let fingerprint = schema.fingerprint();
    let bits = fingerprint.to_bits();
    let upper = name.to_ascii_uppercase();
    let guard = format!("SHMBOX_HEADER_{upper}_{bits:016X}");
    let order = if BYTE_ORDER == 1 { "LITTLE" } else { "BIG" };
    let (size, version) = (schema.size(), schema.version().unwrap_or(1));
    let mut text = format!(
        "/*\n * `{schema}`, schema version {version}, {size} bytes, shared with Rust programs that use shm-core.\n\
         \x20* Generated from the Rust type: change it there.\n */\n\
         #ifndef {guard}\n#define {guard}\n\n{COMMON}\n\
         #if __BYTE_ORDER__ != __ORDER_{order}_ENDIAN__\n\
         #error \"this header was generated for processors of the other byte order\"\n#endif\n{types}\n"
    );
    let _ = writeln!(text, "#define {upper}_FINGERPRINT UINT64_C({fingerprint})");
    let _ = writeln!(text, "#define {upper}_SCHEMA_VERSION {version}");
    if let Some(size) = room::segment_size(schema) {
        let _ = writeln!(
            text,
            "/* Bytes of a segment: shmget(key, {upper}_SEGMENT_SIZE, IPC_CREAT | 0600) makes one for a Rust program to adopt. */\n\
             #define {upper}_SEGMENT_SIZE UINT64_C({size})"
        );
    }
    let _ = writeln!(
        text,
        "\nstatic inline const shmbox_type *{name}_type_(void)\n{{\n\tstatic const unsigned char schema[] = {{{}\n\t}};",
        listed(&schema.encode())
    );
    let function = |exists: bool, what: &str| {
        if exists {
            format!("{name}_{what}_")
        } else {
            "SHMBOX_NULL_".to_owned()
        }
    };
    let _ = writeln!(
        text,
        "{}\tstatic const shmbox_type type = {{\n\t\t{upper}_FINGERPRINT, sizeof(struct {name}), {}, {}, schema, \
         sizeof schema, {}\n\t}};\n\n\treturn &type;\n}}\n",
        added.map_or_else(String::new, list_added),
        function(!schema.any_bits(), "is_valid"),
        function(!is_dense(schema), "store"),
        added.map_or("SHMBOX_NULL_", |_| "added"),
    );
    text.push_str(&FUNCTIONS.replace('@', name));
    let _ = writeln!(text, "\n#endif /* {guard} */");
    text
}

/// The defaults, and the list of them, as static data of a function.
fn list_added(added: &[Added]) -> String {
    let mut text = String::new();
    let mut list = String::new();
    for (number, part) in added.iter().enumerate() {
        let Added {
            since,
            offset,
            default,
        } = part;
        let bytes = if default.iter().all(|byte| *byte == 0) {
            "SHMBOX_NULL_".to_owned()
        } else {
            let bytes = listed(default);
            let _ = writeln!(
                text,
                "\tstatic const unsigned char default_{number}[] = {{{bytes}\n\t}};"
            );
            format!("default_{number}")
        };
        let size = default.len();
        let _ = writeln!(
            list,
            "\t\t{{ UINT32_C({since}), {offset}, {size}, {bytes} }},"
        );
    }
    let _ = writeln!(
        text,
        "\tstatic const shmbox_added added[] = {{\n{list}\t\t{{ 0, 0, 0, SHMBOX_NULL_ }}\n\t}};"
    );
    text
}

/// Bytes as an initialiser.
fn listed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 6);
    for (index, byte) in bytes.iter().enumerate() {
        text.push_str(if index % 16 == 0 { "\n\t\t" } else { " " });
        let _ = write!(text, "0x{byte:02x}");
        if index + 1 < bytes.len() {
            text.push(',');
        }
    }
    text
}
