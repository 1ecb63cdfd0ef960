//! A C11 and C++17 header from a schema: the struct, checks of its layout, and the functions that
//! speak the protocol.
//!
//! Most of it is the same text for every struct (`shmbox.h`); what differs is a description of
//! the struct, and thin functions that give the common ones its type.

use std::fmt::{self, Write};

use bytes::Member;
use fields::Of;

use crate::foreign::scope::ascii;
use crate::layout::{BYTE_ORDER, FieldSchema, ForEachMissing, Schema, SharedLayout};
use crate::typed::room;

mod bytes;
mod check;
mod fields;
mod names;
pub(super) mod structs;

/// One header that compiles alone. Cut at [`CUT`], it is the part that all headers have in common, an example of what
/// differs, and the functions of one struct, which is called [`ANY`].
const SHMBOX: &str = include_str!("../shmbox.h");
/// What headers for tables have besides. Cut at [`CUT`], it is an include, the common part, and the functions of one struct.
const SHMTABLE: &str = include_str!("../shmtable.h");
const CUT: &str = "/* cut here */\n";

/// What a struct is called where each has its own name.
pub(super) const ANY: &str = "any_struct";

impl Schema {
    /// A header for C11 and C++17 with this layout as a struct, and with functions that share it
    /// with programs that use this library: no library to link.
    ///
    /// For gcc and clang on Linux; `docs/c.md` shows what is in it. Two headers may be included
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
        CHeader::new(self).to_string()
    }

    /// The same, with what tells the defaults of the type's fields: no schema knows them.
    pub(crate) fn c_header_with(&self, missing: Option<ForEachMissing>) -> String {
        let mut header = CHeader::new(self);
        header.missing = missing;
        header.to_string()
    }
}

/// A header for C and C++ that is to have other names, or is for a struct that exists: its text is what `to_string`
/// makes of it. Otherwise the same as [`SharedLayout::c_header`].
///
/// ```
/// use shm_core::{CHeader, SharedLayout};
///
/// #[derive(SharedLayout, Clone, Copy)]
/// #[repr(C)]
/// struct Station {
///     pid: i32,
/// }
///
/// let header = CHeader::of::<Station>().prefix("acme_").to_string();
/// assert!(header.contains("struct acme_station {\n\tint32_t pid;\n};"));
/// assert!(header.contains("int acme_station_open(shmbox *box, key_t key)"));
///
/// let header = CHeader::of::<Station>().existing("station.h", "struct station").to_string();
/// assert!(header.contains("#include \"station.h\"") && !header.contains("struct station {"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CHeader<'a> {
    schema: &'a Schema,
    missing: Option<ForEachMissing>,
    prefix: String,
    /// A header, and what it calls the struct.
    existing: Option<(&'a str, &'a str)>,
    fields: bool,
    table: bool,
}

impl CHeader<'static> {
    /// The header of a type.
    pub fn of<T: SharedLayout>() -> CHeader<'static> {
        CHeader {
            missing: Some(T::for_each_missing),
            ..CHeader::new(T::SCHEMA)
        }
    }
}

impl<'a> CHeader<'a> {
    /// The header of a schema, which does not know the defaults of fields: see [`Schema::c_header`].
    pub fn new(schema: &'a Schema) -> CHeader<'a> {
        CHeader {
            schema,
            missing: None,
            prefix: String::new(),
            existing: None,
            fields: true,
            table: false,
        }
    }

    /// For a program that knows the bytes by itself.
    pub(super) fn without_fields(schema: &'a Schema, missing: Option<ForEachMissing>) -> Self {
        CHeader {
            missing,
            fields: false,
            ..CHeader::new(schema)
        }
    }

    /// What the names of all types, functions and constants begin with: `acme_` gives `acme_st_pid_open` and
    /// `ACME_ST_PID_SEGMENT_SIZE`. So two layouts of one name go into one program.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = ascii(prefix);
        self
    }

    /// Another header, `include`, defines the struct, which C calls `of`: `struct station`, or a name that `typedef`
    /// gave. The members' names are those of the Rust type. Instead of definitions, for this struct and for those in it,
    /// the text has assertions on each size and offset.
    pub fn existing(mut self, include: &'a str, of: &'a str) -> Self {
        self.existing = Some((include, of));
        self
    }

    /// Also the functions for a [`SharedTable`](crate::SharedTable) whose rows are of this type: claiming, writing, releasing, and
    /// iterating.
    ///
    /// ```
    /// use shm_core::{CHeader, SharedLayout};
    ///
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[repr(C)]
    /// struct Worker {
    ///     beats: u64,
    /// }
    ///
    /// let header = CHeader::of::<Worker>().table().to_string();
    /// assert!(header.contains("int worker_table_open(shmbox_table *table, key_t key)"));
    /// ```
    pub fn table(mut self) -> Self {
        self.table = true;
        self
    }
}

impl fmt::Display for CHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.schema;
        let later = schema.fields().iter().filter(|field| field.since() > 1);
        let added = match self.missing {
            Some(missing) => added(schema, missing),
            None => later.map(Added::unknown).collect(),
        };
        // Where no field came later, there is no default to know.
        let known = self.missing.is_some() || added.is_empty();
        f.write_str(&header(self, &added, known && schema.version() > Some(1)))
    }
}

/// Bytes that came with a version of a struct.
struct Added {
    since: u32,
    offset: usize,
    default: Vec<u8>,
}

impl Added {
    /// A field whose default the schema does not tell.
    fn unknown(field: &FieldSchema) -> Added {
        Added {
            since: field.since(),
            offset: field.offset(),
            default: vec![0; field.schema().size()],
        }
    }
}

/// What a type adds to its earlier versions.
fn added(schema: &Schema, missing: ForEachMissing) -> Vec<Added> {
    let fields = schema.fields();
    let mut added = Vec::new();
    // Of all versions, the first one lacks most.
    missing(1, &mut |offset, default| {
        let field = fields.iter().rfind(|field| field.offset() <= offset);
        added.push(Added {
            since: field.map_or(1, |field| field.since()),
            offset,
            default: default.to_vec(),
        });
    });
    added
}

fn header(of: &CHeader<'_>, added: &[Added], known: bool) -> String {
    let schema = of.schema;
    let mut parts = SHMBOX.split(CUT);
    let mut part = || parts.next().unwrap_or_default();
    let (common, _example, functions) = (part(), part(), part());
    let name = format!("{}{}", of.prefix, structs::struct_name(schema));
    let (include, c_type) = match of.existing {
        Some((include, c_type)) => (format!("#include \"{include}\"\n"), c_type.to_owned()),
        None => (String::new(), format!("struct {name}")),
    };
    let existing = of.existing.map(|(_, c_type)| c_type);
    let (types, names) = structs::definitions(schema, &of.prefix, existing);
    let fingerprint = schema.fingerprint();
    let bits = fingerprint.to_bits();
    let upper = name.to_ascii_uppercase();
    let guard = format!("SHMBOX_HEADER_{upper}_{bits:016X}");
    let order = if BYTE_ORDER == 1 { "LITTLE" } else { "BIG" };
    let (size, version) = (schema.size(), schema.version().unwrap_or(1));
    let mut text = format!(
        "/*\n * `{schema}`, schema version {version}, {size} bytes, shared with Rust programs that use shm-core.\n\
         \x20* Generated from the Rust type: change it there.\n */\n\
         #ifndef {guard}\n#define {guard}\n\n{common}\n\
         #if __BYTE_ORDER__ != __ORDER_{order}_ENDIAN__\n\
         #error \"this header was generated for processors of the other byte order\"\n#endif\n{include}{types}\n"
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
    let has_list = known || !added.is_empty();
    let _ = writeln!(
        text,
        "{}\tstatic const shmbox_type type = {{\n\t\t{upper}_FINGERPRINT, sizeof({c_type}), {version}, {}, {}, {}, schema, \
         sizeof schema, {}, {}\n\t}};\n\n\treturn &type;\n}}\n",
        if has_list {
            list_added(added)
        } else {
            String::new()
        },
        schema.align(),
        function(!schema.any_bits(), "is_value"),
        function(!bytes::is_stored_whole(schema), "store"),
        if has_list { "added" } else { "SHMBOX_NULL_" },
        u8::from(known),
    );
    let named = |functions: &str| {
        let functions = functions.replace(&format!("struct {ANY}"), &c_type);
        functions.replace(ANY, &name)
    };
    let of_fields = |what| {
        let members = Member::of_root(schema);
        fields::functions(what, &names, existing.is_some(), (&name, &c_type), &members)
    };
    text.push_str(&named(functions));
    if of.fields {
        text.push_str(&of_fields(Of::Value));
    }
    let _ = writeln!(text, "\n#endif /* {guard} */");
    if of.table {
        let mut parts = SHMTABLE.split(CUT).skip(1);
        let (common, functions) = (parts.next(), parts.next());
        let (common, functions) = (
            common.unwrap_or_default(),
            named(functions.unwrap_or_default()),
        );
        let (stride, fields) = (
            schema.size().next_multiple_of(64),
            of_fields(Of::Row(schema.counters())),
        );
        let row = bytes::row_functions(&names, &name, schema, &Member::of_root(schema));
        let _ = write!(
            text,
            "#ifndef {guard}_TABLE\n#define {guard}_TABLE\n\n{common}\n\
             /* From one row to the next in a table's segment, unless its creator asked for more room; the first is at offset 0. */\n\
             #define {upper}_TABLE_STRIDE UINT64_C({stride})\n\n{row}\n{functions}{fields}\n#endif /* {guard}_TABLE */\n"
        );
    }
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
