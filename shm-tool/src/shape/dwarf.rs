//! Types from DWARF: the debug information of a C or C++ program that knows nothing of this library.
//!
//! The file is not trusted: types that contain themselves, fields outside of their struct and numbers beyond all bounds
//! are errors, or bytes without a value.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use gimli::constants as dw;
use gimli::{AttributeValue, DebuggingInformationEntry, Operation, RunTimeEndian, UnitOffset};
use object::{Object, ObjectSection};

use super::{ATOMIC, Field, Kind, Type};

type Reader = gimli::EndianRcSlice<RunTimeEndian>;
type Entry = DebuggingInformationEntry<Reader>;
type Unit = gimli::Unit<Reader>;

/// How deep types may nest.
pub const DEPTH: u32 = 64;

/// How many types one type may consist of.
pub const TYPES: usize = 1 << 16;

/// How many members and variants all of them may have: an alias of what has no name is a copy of it. And how many types and
/// variants one has as a tree: what is shared is compared and written wherever it stands.
pub const PARTS: usize = 1 << 18;

/// How many different types of one name are told apart.
pub const DIFFERENT: usize = 32;

/// Bytes of a name that are read. Many that end in one place would each take all of it.
const NAME: usize = 4096;

/// That of a file.
pub struct Dwarf {
    dwarf: gimli::Dwarf<Reader>,
    /// Its own, and behind them those of the file that it shares with others (`dwz`).
    units: Vec<Unit>,
    own: usize,
}

/// A definition that bears the name that was asked for.
struct Found {
    unit: usize,
    offset: UnitOffset,
}

/// What was asked for: `struct motion_status`, `ns::Point`, `point_t`.
struct Wanted<'a> {
    tags: &'a [dw::DwTag],
    name: &'a str,
}

const STRUCTS: &[dw::DwTag] = &[dw::DW_TAG_structure_type, dw::DW_TAG_class_type];
const NAMED: &[dw::DwTag] = &[
    dw::DW_TAG_structure_type,
    dw::DW_TAG_class_type,
    dw::DW_TAG_union_type,
    dw::DW_TAG_enumeration_type,
    dw::DW_TAG_typedef,
    dw::DW_TAG_base_type,
];

impl Dwarf {
    pub fn of(path: &Path, file: &object::File<'_>) -> Result<Dwarf, gimli::Error> {
        let mut dwarf = gimli::Dwarf::load(|id| Ok::<_, gimli::Error>(section(file, id)))?;
        if let Some(data) = shared_file(path, file)
            && let Ok(shared) = object::File::parse(&*data)
        {
            dwarf.load_sup(|id| Ok::<_, gimli::Error>(section(&shared, id)))?;
        }
        let mut units = units_of(&dwarf)?;
        let own = units.len();
        if let Some(shared) = dwarf.sup() {
            units.extend(units_of(shared)?);
        }
        Ok(Dwarf { dwarf, units, own })
    }

    /// All types of the name that differ; a struct, if `word` says so. The names of all others come into `names`.
    pub fn types_named(
        &self,
        word: &str,
        name: &str,
        names: &mut BTreeSet<String>,
    ) -> Result<Vec<Arc<Type>>, Wrong> {
        let tags = match word {
            "struct" | "class" => STRUCTS,
            "union" => &[dw::DW_TAG_union_type],
            "enum" => &[dw::DW_TAG_enumeration_type],
            _ => NAMED,
        };
        let found = self.search(&Wanted { tags, name }, names).map_err(wrong)?;
        let mut types: Vec<Arc<Type>> = Vec::new();
        // What others share with it has types of theirs, too.
        let has_own = found.iter().any(|found| found.unit < self.own);
        for found in found
            .into_iter()
            .filter(|found| found.unit < self.own || !has_own)
        {
            let ty = Resolver::new(self).resolve(found.unit, found.offset, 0)?;
            if !types.contains(&ty) {
                types.push(ty);
            }
            if types.len() >= DIFFERENT {
                break;
            }
        }
        Ok(types)
    }

    pub fn structs_of_size(&self, size: u64) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (i, unit) in self.units.iter().enumerate() {
            let mut entries = unit.entries();
            while let Ok(Some(entry)) = entries.next_dfs() {
                if STRUCTS.contains(&entry.tag())
                    && number(entry, dw::DW_AT_byte_size) == Some(size)
                    && let Some(name) = self.name_of(i, entry)
                {
                    names.insert(format!("struct {name}"));
                }
            }
        }
        names
    }

    /// All definitions of the name; the names of all others of its sort come into `names`.
    fn search(
        &self,
        wanted: &Wanted<'_>,
        names: &mut BTreeSet<String>,
    ) -> Result<Vec<Found>, gimli::Error> {
        let mut found = Vec::new();
        for (i, unit) in self.units.iter().enumerate() {
            // The namespaces and classes around an entry, with their depths.
            let mut around: Vec<(isize, String)> = Vec::new();
            let mut entries = unit.entries();
            while let Some(entry) = entries.next_dfs()? {
                let depth = entry.depth();
                around.retain(|(outer, _)| *outer < depth);
                let is_wanted = wanted.tags.contains(&entry.tag());
                let is_scope =
                    entry.tag() == dw::DW_TAG_namespace || STRUCTS.contains(&entry.tag());
                if !is_wanted && !is_scope {
                    continue;
                }
                let Some(name) = self.name_of(i, entry) else {
                    continue;
                };
                if is_wanted && entry.attr(dw::DW_AT_declaration).is_none() {
                    let mut qualified: Vec<&str> = around.iter().map(|(_, name)| &**name).collect();
                    qualified.push(&name);
                    if wanted.name == name || wanted.name == qualified.join("::") {
                        found.push(Found {
                            unit: i,
                            offset: entry.offset(),
                        });
                    } else if entry.tag() != dw::DW_TAG_base_type {
                        names.insert(name.clone());
                    }
                }
                around.push((depth, name));
            }
        }
        Ok(found)
    }

    fn name_of(&self, unit: usize, entry: &Entry) -> Option<String> {
        let value = entry.attr_value(dw::DW_AT_name)?;
        let dwarf = if unit < self.own {
            &self.dwarf
        } else {
            self.dwarf.sup()?
        };
        let name = dwarf.attr_string(&self.units[unit], value).ok()?;
        let name = name.bytes();
        Some(String::from_utf8_lossy(&name[..name.len().min(NAME)]).into_owned())
    }
}

fn section(file: &object::File<'_>, id: gimli::SectionId) -> Reader {
    let endian = if file.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    let section = file.section_by_name(id.name());
    let data = section.and_then(|section| section.uncompressed_data().ok());
    Reader::new(Rc::from(&*data.unwrap_or_default()), endian)
}

fn units_of(dwarf: &gimli::Dwarf<Reader>) -> Result<Vec<Unit>, gimli::Error> {
    let mut units = Vec::new();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        units.push(dwarf.unit(header)?);
    }
    Ok(units)
}

/// What `dwz` took out of several files, if it is where the file says, or under its number.
fn shared_file(path: &Path, file: &object::File<'_>) -> Option<Vec<u8>> {
    let (name, id) = file.gnu_debugaltlink().ok()??;
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let named = std::str::from_utf8(name).ok();
    let named = named.and_then(|name| Some(real.parent()?.join(name)));
    let candidates = named.into_iter().chain(by_number(id));
    candidates.into_iter().find_map(|candidate| {
        let data = fs::read(candidate).ok()?;
        let is_it = object::File::parse(&*data)
            .is_ok_and(|found| found.build_id().ok().flatten() == Some(id));
        is_it.then_some(data)
    })
}

/// Where systems keep the separate files of their programs.
pub const DEBUG: &str = "/usr/lib/debug";

/// Where the debug information of a file with this number is kept.
pub fn by_number(id: &[u8]) -> Option<PathBuf> {
    let [first, rest @ ..] = id else {
        return None;
    };
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("{DEBUG}/.build-id/{first:02x}/{rest}.debug").into())
}

/// A number that an attribute holds.
fn number(entry: &Entry, name: dw::DwAt) -> Option<u64> {
    let value = entry.attr_value(name)?;
    value
        .udata_value()
        .or_else(|| u64::try_from(value.sdata_value()?).ok())
}

/// What was wrong.
type Wrong = String;

fn wrong(error: gimli::Error) -> Wrong {
    error.to_string()
}

/// Turns entries into types.
struct Resolver<'a> {
    info: &'a Dwarf,
    known: HashMap<(usize, usize), Arc<Type>>,
    parts: Parts,
}

/// An entry below a type: what is needed of it.
struct Child {
    tag: dw::DwTag,
    name: Option<String>,
    ty: Option<(usize, UnitOffset)>,
    entry: Entry,
}

impl<'a> Resolver<'a> {
    fn new(info: &'a Dwarf) -> Resolver<'a> {
        Resolver {
            info,
            known: HashMap::new(),
            parts: Parts::default(),
        }
    }

    fn resolve(&mut self, unit: usize, offset: UnitOffset, depth: u32) -> Result<Arc<Type>, Wrong> {
        if let Some(known) = self.known.get(&(unit, offset.0)) {
            return Ok(known.clone());
        }
        if depth > DEPTH || self.known.len() > TYPES {
            return Err(ENDLESS.to_owned());
        }
        let (entry, children) = self.entry_at(unit, offset)?;
        self.parts.add(children.len())?;
        let ty = self.made_of(unit, &entry, &children, depth)?;
        self.parts.as_tree(&ty)?;
        self.known.insert((unit, offset.0), ty.clone());
        Ok(ty)
    }

    fn entry_at(&self, unit: usize, offset: UnitOffset) -> Result<(Entry, Vec<Child>), Wrong> {
        let found = &self.info.units[unit];
        let mut tree = found.entries_tree(Some(offset)).map_err(wrong)?;
        let root = tree.root().map_err(wrong)?;
        let entry = root.entry().clone();
        let mut children = Vec::new();
        let mut below = root.children();
        while let Some(child) = below.next().map_err(wrong)? {
            let child = child.entry();
            children.push(Child {
                tag: child.tag(),
                name: self.info.name_of(unit, child),
                ty: self.type_of(unit, child),
                entry: child.clone(),
            });
        }
        Ok((entry, children))
    }

    /// Unit and offset of the entry that `DW_AT_type` names.
    fn type_of(&self, unit: usize, entry: &Entry) -> Option<(usize, UnitOffset)> {
        match entry.attr_value(dw::DW_AT_type)? {
            AttributeValue::UnitRef(offset) => Some((unit, offset)),
            AttributeValue::DebugInfoRef(offset) => self.unit_at(offset, unit < self.info.own),
            AttributeValue::DebugInfoRefSup(offset) => self.unit_at(offset, false),
            _ => None,
        }
    }

    /// The unit that has an offset of the file's own section, or of that which it shares.
    fn unit_at(&self, offset: gimli::DebugInfoOffset, own: bool) -> Option<(usize, UnitOffset)> {
        let units = self.info.units.iter().enumerate();
        let mut units = units.filter(|(i, _)| (*i < self.info.own) == own);
        units.find_map(|(i, unit)| Some((i, offset.to_unit_offset(&unit.header)?)))
    }

    fn target(
        &mut self,
        unit: usize,
        entry: &Entry,
        depth: u32,
    ) -> Result<Option<Arc<Type>>, Wrong> {
        match self.type_of(unit, entry) {
            Some((unit, offset)) => self.resolve(unit, offset, depth + 1).map(Some),
            None => Ok(None),
        }
    }

    fn made_of(
        &mut self,
        unit: usize,
        entry: &Entry,
        children: &[Child],
        depth: u32,
    ) -> Result<Arc<Type>, Wrong> {
        let name = self.info.name_of(unit, entry);
        let size = number(entry, dw::DW_AT_byte_size);
        let opaque = |size: u64| Type::plain(size, 1, Kind::Opaque);
        Ok(Arc::new(match entry.tag() {
            dw::DW_TAG_base_type => base(entry, name, size.unwrap_or(0)),
            dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type
            | dw::DW_TAG_ptr_to_member_type => {
                let size =
                    size.unwrap_or_else(|| self.info.units[unit].header.address_size().into());
                let written = format!("{} *", self.written(unit, entry, 0));
                Type::plain(size, natural(size), Kind::Pointer { written })
            }
            dw::DW_TAG_typedef => match self.target(unit, entry, depth)? {
                Some(ty) => return self.parts.renamed(ty, name).map_err(str::to_owned),
                None => opaque(0),
            },
            dw::DW_TAG_const_type | dw::DW_TAG_volatile_type | dw::DW_TAG_restrict_type => {
                match self.target(unit, entry, depth)? {
                    Some(ty) => return Ok(ty),
                    None => opaque(0),
                }
            }
            dw::DW_TAG_atomic_type => match self.target(unit, entry, depth)? {
                Some(ty) if ty.is_leaf() && ty.name.is_none() => {
                    self.parts.add(ty.parts())?;
                    Type {
                        name: Some(ATOMIC.to_owned()),
                        ..Type::clone(&ty)
                    }
                }
                Some(ty) => return Ok(ty),
                None => opaque(0),
            },
            tag @ (dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type) => {
                let size = size.ok_or("a struct or union without a size (a declaration alone)")?;
                let fields = self.members(children, size, depth)?;
                Type {
                    name,
                    size,
                    align: alignment(&fields, size),
                    kind: match tag {
                        dw::DW_TAG_union_type => Kind::Union { members: fields },
                        _ => Kind::Struct {
                            version: None,
                            fields,
                        },
                    },
                }
            }
            dw::DW_TAG_enumeration_type => {
                let of = self.target(unit, entry, depth)?;
                enumeration(name, size, of.as_deref(), children)
            }
            dw::DW_TAG_array_type => {
                let element = self
                    .target(unit, entry, depth)?
                    .ok_or("an array of nothing")?;
                array(element, children)?
            }
            _ => opaque(size.unwrap_or(0)),
        }))
    }

    fn members(&mut self, children: &[Child], size: u64, depth: u32) -> Result<Vec<Field>, Wrong> {
        let mut fields = Vec::new();
        for child in children {
            let inherits = child.tag == dw::DW_TAG_inheritance;
            // A static member lies elsewhere.
            let is_static = child.entry.attr(dw::DW_AT_external).is_some()
                || child.entry.attr(dw::DW_AT_declaration).is_some();
            if is_static || !(inherits || child.tag == dw::DW_TAG_member) {
                continue;
            }
            let Some((unit, offset)) = child.ty else {
                continue;
            };
            let ty = self.resolve(unit, offset, depth + 1)?;
            let bits = bits(&child.entry, &ty);
            let offset = match bits {
                Some((first, _)) => first / 8,
                None => location(&child.entry).ok_or("a member whose place is not known")?,
            };
            let end = match bits {
                Some((first, count)) => first.checked_add(count).map(|end| end.div_ceil(8)),
                None => offset.checked_add(ty.size),
            };
            if end.is_none_or(|end| end > size) {
                return Err(format!(
                    "a member ({}) outside of its struct",
                    child.name.as_deref().unwrap_or("?")
                ));
            }
            let name = match (&child.name, inherits) {
                (None, true) => ty.name.clone().unwrap_or_default(),
                (name, _) => name.clone().unwrap_or_default(),
            };
            fields.push(Field {
                name,
                offset,
                bits,
                ty,
                since: 1,
                former_names: Vec::new(),
            });
        }
        Ok(with_flexible_end(fields))
    }

    /// What a pointer points to, as C writes it.
    fn written(&self, unit: usize, entry: &Entry, depth: u32) -> String {
        let Some((unit, offset)) = self.type_of(unit, entry).filter(|_| depth < 8) else {
            return "void".to_owned();
        };
        let found = &self.info.units[unit];
        let Ok(target) = found.entry(offset) else {
            return "?".to_owned();
        };
        let name = self.info.name_of(unit, &target);
        match target.tag() {
            dw::DW_TAG_structure_type => format!("struct {}", name.as_deref().unwrap_or("{…}")),
            dw::DW_TAG_union_type => format!("union {}", name.as_deref().unwrap_or("{…}")),
            dw::DW_TAG_enumeration_type => format!("enum {}", name.as_deref().unwrap_or("{…}")),
            dw::DW_TAG_const_type => format!("const {}", self.written(unit, &target, depth + 1)),
            dw::DW_TAG_pointer_type => format!("{} *", self.written(unit, &target, depth + 1)),
            dw::DW_TAG_subroutine_type => "function".to_owned(),
            _ => name.unwrap_or_else(|| self.written(unit, &target, depth + 1)),
        }
    }
}

/// How many [parts](PARTS) there are so far.
#[derive(Default)]
pub struct Parts {
    count: usize,
    /// Size and height of each type as a tree, by its address: all of them are kept until the last one is made.
    trees: HashMap<*const Type, (usize, u32)>,
}

impl Parts {
    pub fn add(&mut self, count: usize) -> Result<(), &'static str> {
        self.count += count;
        within(self.count)
    }

    /// Refuses a type that is too large or too deep for what walks it as a tree.
    pub fn as_tree(&mut self, ty: &Arc<Type>) -> Result<(usize, u32), &'static str> {
        if let Some(tree) = self.trees.get(&Arc::as_ptr(ty)) {
            return Ok(*tree);
        }
        let (inside, own): (Vec<&Arc<Type>>, usize) = match &ty.kind {
            Kind::Struct { fields, .. } | Kind::Union { members: fields } => {
                (fields.iter().map(|field| &field.ty).collect(), 1)
            }
            Kind::Array { element, .. } => (vec![element], 1),
            _ => (Vec::new(), 1 + ty.parts()),
        };
        let (mut size, mut height) = (own, 0);
        for ty in inside {
            let tree = self.as_tree(ty)?;
            size += tree.0;
            height = height.max(tree.1 + 1);
            within(size)?;
        }
        if height > DEPTH {
            return Err(ENDLESS);
        }
        self.trees.insert(Arc::as_ptr(ty), (size, height));
        Ok((size, height))
    }

    /// What a `typedef` makes of a type: what has no name of its own has this one.
    pub fn renamed(
        &mut self,
        ty: Arc<Type>,
        name: Option<String>,
    ) -> Result<Arc<Type>, &'static str> {
        let is_named = matches!(
            ty.kind,
            Kind::Struct { .. } | Kind::Union { .. } | Kind::Enum { .. }
        );
        if !is_named || ty.name.is_some() {
            return Ok(ty);
        }
        self.add(ty.parts())?;
        Ok(Arc::new(Type {
            name,
            ..Type::clone(&ty)
        }))
    }
}

pub const ENDLESS: &str = "types nest without end";

fn within(parts: usize) -> Result<(), &'static str> {
    match parts <= PARTS {
        true => Ok(()),
        false => Err("types of more parts than any program has"),
    }
}

/// An array of no elements at the end is what C programs wrote before they had flexible ones.
pub fn with_flexible_end(mut fields: Vec<Field>) -> Vec<Field> {
    if let Some(last) = fields.last_mut()
        && let Kind::Array {
            element,
            count: Some(0),
        } = &last.ty.kind
    {
        let kind = Kind::Array {
            element: element.clone(),
            count: None,
        };
        last.ty = Arc::new(Type::plain(0, last.ty.align, kind));
    }
    fields
}

/// The alignment of a scalar of this size.
pub fn natural(size: u64) -> u64 {
    if size.is_power_of_two() {
        size.min(16)
    } else {
        1
    }
}

fn base(entry: &Entry, name: Option<String>, size: u64) -> Type {
    let encoding = match entry.attr_value(dw::DW_AT_encoding) {
        Some(AttributeValue::Encoding(encoding)) => encoding,
        _ => dw::DW_ATE_address,
    };
    let plain_char = name.as_deref() == Some("char") && size == 1;
    let kind = match encoding {
        dw::DW_ATE_boolean => Kind::Bool,
        dw::DW_ATE_float => Kind::Float,
        dw::DW_ATE_signed_char if plain_char => Kind::CChar { signed: true },
        dw::DW_ATE_unsigned_char if plain_char => Kind::CChar { signed: false },
        dw::DW_ATE_signed | dw::DW_ATE_signed_char => Kind::Int { signed: true },
        dw::DW_ATE_unsigned | dw::DW_ATE_unsigned_char | dw::DW_ATE_UTF => {
            Kind::Int { signed: false }
        }
        _ => Kind::Opaque,
    };
    let kind = if size > 16 { Kind::Opaque } else { kind };
    Type::plain(size, natural(size), kind)
}

fn enumeration(
    name: Option<String>,
    size: Option<u64>,
    of: Option<&Type>,
    children: &[Child],
) -> Type {
    let size = size.or(of.map(|of| of.size)).unwrap_or(4);
    let value = |entry: &Entry| {
        let value = entry.attr_value(dw::DW_AT_const_value)?;
        // Constants of 1 to 8 bytes have no sign of their own; those with one are `sdata`.
        match value {
            AttributeValue::Sdata(value) => Some(i128::from(value)),
            value => value.udata_value().map(i128::from),
        }
    };
    let mut variants: Vec<(String, i128)> = children
        .iter()
        .filter(|child| child.tag == dw::DW_TAG_enumerator)
        .filter_map(|child| Some((child.name.clone()?, value(&child.entry)?)))
        .collect();
    let signed = match of.map(|of| &of.kind) {
        Some(Kind::Int { signed } | Kind::CChar { signed }) => *signed,
        _ => variants.iter().any(|(_, value)| *value < 0),
    };
    if signed && size < 16 {
        let unused = 128 - size as u32 * 8;
        for (_, value) in &mut variants {
            *value = *value << unused >> unused;
        }
    }
    Type {
        name,
        size,
        align: natural(size),
        kind: Kind::Enum { signed, variants },
    }
}

/// The dimensions, of which the first one is the outermost.
fn array(element: Arc<Type>, children: &[Child]) -> Result<Type, Wrong> {
    let dimensions = children
        .iter()
        .filter(|child| child.tag == dw::DW_TAG_subrange_type);
    let counts: Vec<Option<u64>> = dimensions
        .map(|child| {
            number(&child.entry, dw::DW_AT_count).or_else(|| {
                // An upper bound of -1 is that of no elements.
                let bound = child.entry.attr_value(dw::DW_AT_upper_bound)?;
                let bound = bound
                    .udata_value()
                    .or_else(|| bound.sdata_value().map(i64::cast_unsigned))?;
                Some(bound.wrapping_add(1))
            })
        })
        .collect();
    if counts.len() > DEPTH as usize {
        return Err(ENDLESS.to_owned());
    }
    let mut ty = element;
    for count in counts.iter().rev() {
        let size = ty
            .size
            .checked_mul(count.unwrap_or(0))
            .ok_or("an array beyond all bounds")?;
        let align = ty.align;
        ty = Arc::new(Type::plain(
            size,
            align,
            Kind::Array {
                element: ty,
                count: *count,
            },
        ));
    }
    if counts.is_empty() {
        let align = ty.align;
        return Ok(Type::plain(
            0,
            align,
            Kind::Array {
                element: ty,
                count: None,
            },
        ));
    }
    Ok(Type::clone(&ty))
}

/// Where a member lies in its struct, in bytes; at its start where nothing is said.
fn location(entry: &Entry) -> Option<u64> {
    match entry.attr_value(dw::DW_AT_data_member_location) {
        None => Some(0),
        // As the first versions of DWARF say it.
        Some(AttributeValue::Exprloc(expression)) => {
            let mut operations = expression.operations(gimli::Encoding {
                address_size: 8,
                format: gimli::Format::Dwarf32,
                version: 4,
            });
            match operations.next() {
                Ok(Some(Operation::PlusConstant { value })) => Some(value),
                Ok(Some(Operation::UnsignedConstant { value })) => Some(value),
                _ => None,
            }
        }
        Some(_) => number(entry, dw::DW_AT_data_member_location),
    }
}

/// First bit and number of bits, if it is a bit-field.
fn bits(entry: &Entry, ty: &Type) -> Option<(u64, u64)> {
    let count = number(entry, dw::DW_AT_bit_size)?;
    let start = location(entry)?.checked_mul(8)?;
    if let Some(first) = number(entry, dw::DW_AT_data_bit_offset) {
        return Some((first.checked_add(start)?, count));
    }
    // Counted from the other end of a unit of storage, in the first versions of DWARF.
    let from_high = entry.attr_value(dw::DW_AT_bit_offset).and_then(|value| {
        value
            .sdata_value()
            .or_else(|| i64::try_from(value.udata_value()?).ok())
    })?;
    let unit = number(entry, dw::DW_AT_byte_size)
        .unwrap_or(ty.size)
        .checked_mul(8)?;
    let first = if cfg!(target_endian = "little") {
        i64::try_from(start.checked_add(unit)?)
            .ok()?
            .checked_sub(from_high)?
            .checked_sub(i64::try_from(count).ok()?)?
    } else {
        i64::try_from(start).ok()?.checked_add(from_high)?
    };
    Some((u64::try_from(first).ok()?, count))
}

/// The largest one that each field and the size allow: debug information does not say.
pub fn alignment(fields: &[Field], size: u64) -> u64 {
    let plain = fields.iter().filter(|field| field.bits.is_none());
    let mut align = plain.map(|field| field.ty.align).max().unwrap_or(1);
    while align > 1 && !size.is_multiple_of(align) {
        align /= 2;
    }
    align
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A unit of these entries, which begin with what they are: an array (1), a dimension of it (2), a struct (3), a member
    /// (4), or nothing more of what the one before them has (0).
    fn dwarf(entries: &[u8]) -> Dwarf {
        let abbreviations: &[&[u8]] = &[
            &[1, 0x01, 1, 0x49, 0x13, 0, 0],
            &[2, 0x21, 0, 0x37, 0x0b, 0, 0],
            &[3, 0x13, 1, 0x03, 0x08, 0x0b, 0x0b, 0, 0],
            &[4, 0x0d, 0, 0x49, 0x13, 0, 0],
            &[5, 0x11, 1, 0, 0, 0],
        ];
        let abbreviations = abbreviations.concat();
        let mut info = (entries.len() as u32 + 9).to_ne_bytes().to_vec();
        info.extend(4_u16.to_ne_bytes());
        info.extend([0, 0, 0, 0, 8, 5]);
        info.extend(entries);
        info.push(0);
        let endian = match cfg!(target_endian = "little") {
            true => RunTimeEndian::Little,
            false => RunTimeEndian::Big,
        };
        let section = |id| {
            let data: &[u8] = match id {
                gimli::SectionId::DebugAbbrev => &abbreviations,
                gimli::SectionId::DebugInfo => &info,
                _ => &[],
            };
            Ok::<_, gimli::Error>(Reader::new(Rc::from(data), endian))
        };
        let dwarf = gimli::Dwarf::load(section).unwrap();
        let units = units_of(&dwarf).unwrap();
        let own = units.len();
        Dwarf { dwarf, units, own }
    }

    fn named(entries: &[u8]) -> Result<Arc<Type>, Wrong> {
        let found = dwarf(entries).types_named("struct", "s", &mut BTreeSet::new())?;
        Ok(found[0].clone())
    }

    /// Behind the unit's header and its own entry.
    const FIRST: usize = 12;

    /// `struct s` and structs without a name, each of which has two members of the next one.
    fn chain(structs: usize) -> Vec<u8> {
        let mut entries = b"\x03s\0\0".to_vec();
        for _ in 1..structs {
            let next = (FIRST + entries.len() + 11) as u32;
            for _ in 0..2 {
                entries.push(4);
                entries.extend(next.to_ne_bytes());
            }
            entries.extend([0, 3, 0, 0]);
        }
        entries.push(0);
        entries
    }

    #[test]
    fn what_is_shared_counts_wherever_it_stands() {
        let mut parts = Parts::default();
        assert_eq!(
            parts.as_tree(&named(&chain(18)).unwrap()),
            Ok((PARTS - 1, 17))
        );
        let refused = Err("types of more parts than any program has".to_owned());
        let size = |structs| named(&chain(structs)).map(|ty| ty.size);
        assert_eq!((size(19), size(60)), (refused.clone(), refused));
    }

    #[test]
    fn an_array_of_more_dimensions_than_types_may_nest_is_refused() {
        let with = |dimensions: usize| {
            let mut entries = b"\x03s\0\0\x04".to_vec();
            entries.extend((FIRST as u32 + 10).to_ne_bytes());
            entries.extend([0, 1]);
            entries.extend((FIRST as u32 + 15 + 2 * dimensions as u32 + 1).to_ne_bytes());
            entries.extend([2, 1].repeat(dimensions));
            entries.extend([0, 3, 0, 0, 0]);
            named(&entries)
        };
        assert_eq!(Parts::default().as_tree(&with(63).unwrap()), Ok((65, 64)));
        assert_eq!(with(64).map(|ty| ty.size), Err(ENDLESS.to_owned()));
        let many = with(PARTS / 2).map(|ty| ty.size);
        assert_eq!(many, Err(ENDLESS.to_owned()));
    }
}
