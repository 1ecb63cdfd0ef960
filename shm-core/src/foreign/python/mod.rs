//! A Python module from a schema: `ctypes` classes, checks of their layout, and the protocol.
//!
//! Most of it is the same text for every struct (`shmbox.py`); what differs is a class for
//! each struct and each enum, and the C header, whose functions do what Python can't.

use std::fmt::Write;

use super::c::{ANY, CHeader, structs::struct_name};
use super::scope::{Scope, TypeNames};
use crate::layout::{
    BYTE_ORDER, ForEachMissing, Id128, Ipv4, Ipv6, Nanoseconds, Primitive, Schema,
    SharedLayout as _, Timestamp, TypeKind, Variant, other_of,
};

mod names;

/// The part that all modules have in common: a module itself, which lacks what it shares.
const COMMON: &str = include_str!("../shmbox.py");

/// What a module calls of its C header, whose struct is called [`ANY`].
const GLUE: &str = include_str!("glue.c");

/// What a type without a name is called: the one member of a struct, as in C.
const NAMELESS: &str = "SharedValue";

impl Schema {
    /// A Python module with this layout as a `ctypes` class, and with a `SharedBox` that shares it
    /// with programs that use this library. For CPython 3.8 and later on Linux, without
    /// dependencies.
    ///
    /// Save it as `st_pid.py`, say, and
    ///
    /// ```python
    /// import st_pid
    ///
    /// with st_pid.open(0x1234) as box:
    ///     print(box.get().names)
    ///     box.set(st_pid.StPid(pid=7, names="alice"))
    /// ```
    ///
    /// Reading on x86-64 is plain Python. All else goes through functions in C, which the system's C
    /// compiler builds when they are first needed; `docs/python.md` says more. A type that is no struct
    /// becomes the one field, `value`, of `SharedValue`.
    /// [`SharedLayout::python_module`](crate::SharedLayout::python_module) knows the defaults of
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
    /// let module = StPid::SCHEMA.python_module();
    /// assert!(module.contains("class StPid(_Struct):"));
    /// ```
    #[must_use]
    pub fn python_module(&self) -> String {
        self.python_module_with(None)
    }

    /// The same, with what tells the defaults of the type's fields: no schema knows them.
    pub(crate) fn python_module_with(&self, missing: Option<ForEachMissing>) -> String {
        let mut types = Types::default();
        let name = match self.kind() {
            TypeKind::Struct { .. } => types.name(self),
            _ => types.wrap(self),
        };
        let order = if BYTE_ORDER == 1 { "little" } else { "big" };
        let (size, version) = (self.size(), self.version().unwrap_or(1));
        let mut text = format!(
            "\"\"\"`{self}`, schema version {version}, {size} bytes, shared with Rust programs that use shm-core.\n\n\
             Generated from the Rust type: change it there.\n\"\"\"\n\n{COMMON}\n\n\
             # This module's own part.\n\n\
             if _sys.byteorder != \"{order}\":\n    \
                 raise ImportError(\"this module was generated for processors of the other byte order\")\n\
             {}\n\n_TYPE = {name}\n_ROOT = _Nested(_TYPE)\n\
             FINGERPRINT = {}\nSCHEMA_VERSION = {version}\n",
            types.text,
            self.fingerprint(),
        );
        text.push_str("_SCHEMA = bytes.fromhex(\n");
        for line in self.encode().chunks(48) {
            text.push_str("    \"");
            line.iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
            text.push_str("\"\n");
        }
        text.push_str(")\n# Fields of later versions than 1: since, offset and size.\n_LATER = (");
        for field in self.fields().iter().filter(|field| field.since() > 1) {
            let (since, at, size) = (field.since(), field.offset(), field.schema().size());
            let _ = write!(text, "({since}, {at}, {size}), ");
        }
        text.push_str(")\n\n");
        let glue = GLUE.replace(ANY, &struct_name(self));
        let source = format!("{}{glue}", CHeader::without_fields(self, missing));
        debug_assert!(!source.contains("'''"), "it would end the text in Python");
        let _ = write!(text, "_C_SOURCE = r'''\n{source}'''\n");
        text
    }
}

/// The classes so far.
#[derive(Default)]
struct Types {
    text: String,
    names: TypeNames,
}

impl Types {
    /// The name of a struct's or an enum's class, which is defined unless it was before.
    fn name(&mut self, schema: &Schema) -> String {
        if let Some(name) = self.names.of(schema) {
            return name;
        }
        let name = names::class(schema.name().unwrap_or(NAMELESS));
        let name = self.names.give(schema, name);
        match schema.kind() {
            TypeKind::Enum { .. } => self.define_enum(&name, schema),
            _ => {
                let fields: Vec<_> = schema
                    .fields()
                    .iter()
                    .map(|field| (field.name(), field.offset(), field.schema()))
                    .collect();
                self.define_struct(&name, schema, &fields);
            }
        }
        name
    }

    /// A struct whose one field is `schema`.
    fn wrap(&mut self, schema: &Schema) -> String {
        let name = self.names.scope.give(NAMELESS.to_owned());
        self.define_struct(&name, schema, &[("value", 0, schema)]);
        name
    }

    fn define_struct(&mut self, name: &str, schema: &Schema, fields: &[(&str, usize, &Schema)]) {
        let mut scope = Scope::default();
        let (mut layout, mut hints) = (String::new(), String::new());
        let mut renamed = Vec::new();
        for &(in_schema, offset, of_field) in fields {
            let field = scope.give(names::field(in_schema));
            let Described { kind, hint } = self.describe(of_field);
            let size = of_field.size();
            let _ = writeln!(layout, "    (\"{field}\", {offset}, {size}, {kind}),");
            let _ = writeln!(hints, "    {field}: \"{hint}\"");
            renamed.push((field, in_schema));
        }
        let size = schema.size();
        let version = schema
            .version()
            .map_or_else(String::new, |version| format!(", version {version}"));
        let _ = write!(
            self.text,
            "\n\n@_shared({size}, [\n{layout}])\nclass {name}(_Struct):\n    \
             \"\"\"`{schema}`: {size} bytes{version}.\"\"\"\n\n{hints}",
        );
        self.rename(name, &renamed);
    }

    /// Tells what the schema calls that has another name in Python.
    fn rename(&mut self, class: &str, names: &[(String, &str)]) {
        let mut renamed = names
            .iter()
            .filter(|(name, in_schema)| name != in_schema)
            .peekable();
        if renamed.peek().is_some() {
            let _ = write!(self.text, "\n\n_RENAMED[{class}] = {{");
            for (name, in_schema) in renamed {
                let _ = write!(self.text, "\"{name}\": {}, ", names::literal(in_schema));
            }
            self.text.push_str("}\n");
        }
    }

    fn define_enum(&mut self, name: &str, schema: &Schema) {
        let TypeKind::Enum { repr, variants, .. } = schema.kind() else {
            return;
        };
        let mut scope = Scope::default();
        let mut body = String::new();
        let mut renamed = Vec::new();
        for variant in variants {
            let constant = scope.give(names::variant(variant.name()));
            let value = number(repr, variant);
            let _ = writeln!(body, "    {constant} = {value}");
            renamed.push((constant, variant.name()));
        }
        let _ = write!(
            self.text,
            "\n\nclass {name}(_enum.IntEnum):\n    \"\"\"`{schema}`, stored as `{repr}`.\"\"\"\n\n{body}"
        );
        self.rename(name, &renamed);
    }

    fn describe(&mut self, schema: &Schema) -> Described {
        let described = |kind: String, hint: &str| Described {
            kind,
            hint: hint.to_owned(),
        };
        match schema.kind() {
            TypeKind::Primitive(primitive) => described(constant(primitive), hint(primitive)),
            TypeKind::Str { size } => described(format!("_Text({size})"), "str"),
            TypeKind::Opaque { size } => described(format!("_Opaque({size})"), "None"),
            TypeKind::Array { element, len } => {
                let Described { kind, hint } = self.describe(element);
                described(format!("_Array({kind}, {len})"), &format!("Array[{hint}]"))
            }
            TypeKind::Vec {
                element,
                capacity,
                offset,
            } => {
                let Described { kind, hint } = self.describe(element);
                let size = schema.size();
                let kind = format!("_Vec({kind}, {capacity}, {offset}, {size})");
                described(kind, &format!("Vec[{hint}]"))
            }
            TypeKind::Struct { .. } => {
                if let Some((kind, hint)) = ready_made(schema) {
                    return described(kind.to_owned(), hint);
                }
                let name = self.name(schema);
                described(format!("_Nested({name})"), &name)
            }
            TypeKind::Enum { repr, variants, .. } => {
                let name = self.name(schema);
                let other = other_of(variants).map_or_else(String::new, |other| {
                    format!(", {}", number(repr, &variants[other]))
                });
                let kind = match repr {
                    Primitive::U128 => format!("_Bytes16(False, {name}{other})"),
                    Primitive::I128 => format!("_Bytes16(True, {name}{other})"),
                    repr => format!("_Enum({name}, {}{other})", constant(repr)),
                };
                described(kind, &name)
            }
        }
    }
}

/// What converts a type for which Python has a class of its own, and that class.
fn ready_made(schema: &Schema) -> Option<(&'static str, &'static str)> {
    let kinds = [
        (
            Timestamp::SCHEMA,
            "_Units(_ctypes.c_int64, True, _Timestamp)",
            "int",
        ),
        (
            Nanoseconds::SCHEMA,
            "_Units(_ctypes.c_uint64, False, _Nanoseconds)",
            "int",
        ),
        (
            Ipv4::SCHEMA,
            "_Octets(4, \"ipaddress\", \"IPv4Address\", \"packed\")",
            "ipaddress.IPv4Address",
        ),
        (
            Ipv6::SCHEMA,
            "_Octets(16, \"ipaddress\", \"IPv6Address\", \"packed\")",
            "ipaddress.IPv6Address",
        ),
        (
            Id128::SCHEMA,
            "_Octets(16, \"uuid\", \"UUID\", \"bytes\")",
            "uuid.UUID",
        ),
    ];
    let found = kinds.into_iter().find(|(of, ..)| *of == schema);
    found.map(|(_, kind, hint)| (kind, hint))
}

/// How a field is described.
struct Described {
    /// What converts it.
    kind: String,
    /// Its type, for people and their tools.
    hint: String,
}

fn number(repr: Primitive, variant: &Variant) -> String {
    match repr {
        Primitive::U128 => (variant.value() as u128).to_string(),
        _ => variant.value().to_string(),
    }
}

/// `_I32`: what converts a primitive.
fn constant(primitive: Primitive) -> String {
    let constant = format!("_{}", primitive.stored_as().name().to_ascii_uppercase());
    if primitive.is_non_zero() {
        format!("_NonZero({constant}, \"{primitive}\")")
    } else {
        constant
    }
}

fn hint(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Bool => "bool",
        Primitive::Char => "str",
        Primitive::F32 | Primitive::F64 => "float",
        _ => "int",
    }
}
