//! Types from BTF, which the kernel has of its own (`/sys/kernel/btf/vmlinux`), and programs built with `-gbtf` or run through
//! `pahole -J` have in a section. As little trusted as DWARF.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::dwarf::{
    DEPTH, DIFFERENT, ENDLESS, Parts, TYPES, alignment, natural, with_flexible_end,
};
use super::{Field, Kind, Type};

pub const MAGIC: u16 = 0xeb9f;

const INT: u32 = 1;
const POINTER: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FORWARD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNCTION_TYPE: u32 = 13;
const FLOAT: u32 = 16;
const TYPE_TAG: u32 = 18;
const ENUM_64: u32 = 19;

/// Bytes of a name that are read: the kernel takes no longer ones. Of many types with one that never ends each would take all of it.
const NAME: usize = 1024;

/// What was wrong.
type Wrong = &'static str;

pub struct Btf {
    data: Vec<u8>,
    strings: usize,
    /// Where each type begins; the first one has the number 1.
    starts: Vec<usize>,
    /// Bytes of an address.
    address: u64,
}

/// What was made of types so far.
#[derive(Default)]
struct Known {
    types: HashMap<u32, Arc<Type>>,
    parts: Parts,
}

/// A type as it is written there.
struct Entry {
    name: String,
    kind: u32,
    /// Of members, variants or parameters.
    count: usize,
    flag: bool,
    /// Its size, or the number of another type.
    size: u32,
    behind: usize,
}

impl Btf {
    pub fn parse(data: Vec<u8>, address: u64) -> Result<Btf, Wrong> {
        let mut btf = Btf {
            data,
            strings: 0,
            starts: Vec::new(),
            address,
        };
        let header = btf.word(4).ok_or(CUT)? as usize;
        let offset = |btf: &Btf, at| header.checked_add(btf.word(at)? as usize);
        let mut at = offset(&btf, 8).ok_or(CUT)?;
        let end = at.checked_add(btf.word(12).ok_or(CUT)? as usize);
        let end = end.filter(|end| *end <= btf.data.len()).ok_or(CUT)?;
        btf.strings = offset(&btf, 16).ok_or(CUT)?;
        while at < end {
            btf.starts.push(at);
            let entry = btf.entry(btf.starts.len() as u32).ok_or(CUT)?;
            let each = match entry.kind {
                INT | 14 | 17 => 4,
                ARRAY => 12,
                STRUCT | UNION | 15 | ENUM_64 => 12 * entry.count,
                ENUM | FUNCTION_TYPE => 8 * entry.count,
                POINTER | FORWARD..=RESTRICT | 12 | FLOAT | TYPE_TAG => 0,
                _ => return Err("a kind of type that is not known"),
            };
            at = entry.behind + each;
        }
        if at == end { Ok(btf) } else { Err(CUT) }
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.data.get(at..at.checked_add(4)?)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }

    fn text(&self, offset: u32) -> Option<String> {
        let bytes = self
            .data
            .get(self.strings.checked_add(offset as usize)?..)?;
        let bytes = &bytes[..bytes.len().min(NAME)];
        let end = bytes.iter().position(|byte| *byte == 0);
        let end = end.or((bytes.len() == NAME).then_some(NAME))?;
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    fn entry(&self, id: u32) -> Option<Entry> {
        let start = *self.starts.get((id as usize).checked_sub(1)?)?;
        let info = self.word(start + 4)?;
        Some(Entry {
            name: self.text(self.word(start)?)?,
            kind: info >> 24 & 0x1f,
            count: info as usize & 0xffff,
            flag: info >> 31 == 1,
            size: self.word(start + 8)?,
            behind: start + 12,
        })
    }

    fn entries(&self) -> impl Iterator<Item = (u32, Entry)> {
        (1..=self.starts.len() as u32).filter_map(|id| Some((id, self.entry(id)?)))
    }

    /// All types of the name: a struct, if `word` says so. The names of the others come into `names`.
    pub fn types_named(
        &self,
        word: &str,
        name: &str,
        names: &mut BTreeSet<String>,
    ) -> Result<Vec<Arc<Type>>, Wrong> {
        let mut found: Vec<Arc<Type>> = Vec::new();
        let mut known = Known::default();
        for (id, entry) in self.entries() {
            let is_wanted = match entry.kind {
                STRUCT => ["struct", "class", ""].contains(&word),
                UNION => ["union", ""].contains(&word),
                ENUM | ENUM_64 => ["enum", ""].contains(&word),
                INT | FLOAT | TYPEDEF => word.is_empty(),
                _ => false,
            };
            if is_wanted && entry.name == name {
                let ty = self.resolve(id, 0, &mut known)?;
                if !found.contains(&ty) {
                    found.push(ty);
                }
                if found.len() >= DIFFERENT {
                    break;
                }
            } else if is_wanted && !entry.name.is_empty() {
                names.insert(entry.name);
            }
        }
        Ok(found)
    }

    pub fn structs_of_size(&self, size: u64) -> BTreeSet<String> {
        let structs = self.entries().filter(|(_, entry)| {
            entry.kind == STRUCT && u64::from(entry.size) == size && !entry.name.is_empty()
        });
        structs
            .map(|(_, entry)| format!("struct {}", entry.name))
            .collect()
    }

    fn resolve(&self, id: u32, depth: u32, known: &mut Known) -> Result<Arc<Type>, Wrong> {
        if let Some(known) = known.types.get(&id) {
            return Ok(known.clone());
        }
        if depth > DEPTH || known.types.len() > TYPES {
            return Err(ENDLESS);
        }
        let ty = match id {
            0 => Arc::new(Type::plain(0, 1, Kind::Opaque)),
            id => self.made_of(&self.entry(id).ok_or(CUT)?, depth, known)?,
        };
        known.parts.as_tree(&ty)?;
        known.types.insert(id, ty.clone());
        Ok(ty)
    }

    fn made_of(&self, entry: &Entry, depth: u32, known: &mut Known) -> Result<Arc<Type>, Wrong> {
        if matches!(entry.kind, STRUCT | UNION | ENUM | ENUM_64) {
            known.parts.add(entry.count)?;
        }
        let size = u64::from(entry.size);
        let named = |align, kind| Type {
            name: Some(entry.name.clone()).filter(|name| !name.is_empty()),
            size,
            align,
            kind,
        };
        Ok(Arc::new(match entry.kind {
            INT => {
                let encoding = self.word(entry.behind).ok_or(CUT)? >> 24;
                let kind = match (encoding & 1 == 1, encoding & 4 == 4) {
                    _ if size > 16 => Kind::Opaque,
                    (_, true) => Kind::Bool,
                    (signed, _) if entry.name == "char" => Kind::CChar { signed },
                    (signed, _) => Kind::Int { signed },
                };
                Type::plain(size, natural(size), kind)
            }
            FLOAT => Type::plain(size, natural(size), Kind::Float),
            POINTER => {
                let written = format!("{} *", self.written(entry.size, 0));
                Type::plain(self.address, self.address, Kind::Pointer { written })
            }
            ARRAY => {
                let of = self.word(entry.behind).ok_or(CUT)?;
                let element = self.resolve(of, depth + 1, known)?;
                let count = u64::from(self.word(entry.behind + 8).ok_or(CUT)?);
                let size = element.size.checked_mul(count);
                let size = size.ok_or("an array beyond all bounds")?;
                let (align, count) = (element.align, Some(count));
                Type::plain(size, align, Kind::Array { element, count })
            }
            STRUCT | UNION => {
                let fields = self.members(entry, depth, known)?;
                let align = alignment(&fields, size);
                let version = None;
                match entry.kind {
                    STRUCT => named(align, Kind::Struct { version, fields }),
                    _ => named(align, Kind::Union { members: fields }),
                }
            }
            ENUM | ENUM_64 => {
                let signed = entry.flag;
                let variants = self.variants(entry).ok_or(CUT)?;
                named(natural(size), Kind::Enum { signed, variants })
            }
            TYPEDEF => {
                let ty = self.resolve(entry.size, depth + 1, known)?;
                return known.parts.renamed(ty, Some(entry.name.clone()));
            }
            VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                return self.resolve(entry.size, depth + 1, known);
            }
            _ => Type::plain(0, 1, Kind::Opaque),
        }))
    }

    fn members(&self, entry: &Entry, depth: u32, known: &mut Known) -> Result<Vec<Field>, Wrong> {
        let mut fields = Vec::new();
        for at in (entry.behind..).step_by(12).take(entry.count) {
            let word = |behind| self.word(at + behind).ok_or(CUT);
            let ty = self.resolve(word(4)?, depth + 1, known)?;
            let place = u64::from(word(8)?);
            let (first, count) = match entry.flag {
                true => (place & 0xff_ffff, place >> 24),
                false => (place, 0),
            };
            let bits = (count > 0).then_some((first, count));
            let end = first + bits.map_or(ty.size.saturating_mul(8), |(_, count)| count);
            if end > u64::from(entry.size) * 8 {
                return Err("a member outside of its struct");
            }
            fields.push(Field {
                name: self.text(word(0)?).ok_or(CUT)?,
                offset: first / 8,
                bits,
                ty,
                since: 1,
                former_names: Vec::new(),
            });
        }
        Ok(with_flexible_end(fields))
    }

    fn variants(&self, entry: &Entry) -> Option<Vec<(String, i128)>> {
        let wide = entry.kind == ENUM_64;
        let each = (entry.behind..).step_by(if wide { 12 } else { 8 });
        let variant = |at| {
            let low = self.word(at + 4)?;
            let value = match (wide, entry.flag) {
                (false, true) => low.cast_signed().into(),
                (false, false) => low.into(),
                (true, signed) => {
                    let whole = u64::from(self.word(at + 8)?) << 32 | u64::from(low);
                    if signed {
                        whole.cast_signed().into()
                    } else {
                        whole.into()
                    }
                }
            };
            Some((self.text(self.word(at)?)?, value))
        };
        each.take(entry.count).map(variant).collect()
    }

    /// What a pointer points to, as C writes it.
    fn written(&self, id: u32, depth: u32) -> String {
        let Some(entry) = self.entry(id).filter(|_| depth < 8) else {
            return "void".to_owned();
        };
        let name = if entry.name.is_empty() {
            "{…}"
        } else {
            &entry.name
        };
        match entry.kind {
            STRUCT => format!("struct {name}"),
            FORWARD if !entry.flag => format!("struct {name}"),
            UNION | FORWARD => format!("union {name}"),
            ENUM | ENUM_64 => format!("enum {name}"),
            CONST => format!("const {}", self.written(entry.size, depth + 1)),
            POINTER => format!("{} *", self.written(entry.size, depth + 1)),
            FUNCTION_TYPE => "function".to_owned(),
            INT | FLOAT | TYPEDEF => entry.name,
            _ => self.written(entry.size, depth + 1),
        }
    }
}

const CUT: Wrong = "it is cut short";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NAMES: &str = "\0int\0grid\0at\0low\0E\0minus\0huge\0loop\0";

    fn name(text: &str) -> u32 {
        NAMES.find(&format!("\0{text}\0")).unwrap() as u32 + 1
    }

    fn btf(types: &[&[u32]]) -> Result<Btf, Wrong> {
        with_names(types, NAMES)
    }

    fn with_names(types: &[&[u32]], names: &str) -> Result<Btf, Wrong> {
        let types: Vec<u32> = types.concat();
        let len = types.len() as u32 * 4;
        let mut data = [MAGIC.to_ne_bytes(), [1, 0]].concat();
        let header = [24, 0, len, len, names.len() as u32];
        let words = header.into_iter().chain(types);
        data.extend(words.flat_map(u32::to_ne_bytes));
        data.extend(names.as_bytes());
        Btf::parse(data, 8)
    }

    fn info(kind: u32, count: u32, flag: u32) -> u32 {
        flag << 31 | kind << 24 | count
    }

    fn named(btf: &Btf, word: &str, name: &str) -> Result<Type, Wrong> {
        let found = btf.types_named(word, name, &mut BTreeSet::new())?;
        Ok(Type::clone(&found[0]))
    }

    #[test]
    fn arrays_bit_fields_and_wide_enums_are_as_their_words_say() {
        let btf = btf(&[
            &[name("int"), info(INT, 0, 0), 4, 1 << 24 | 32],
            &[0, info(ARRAY, 0, 0), 0, 1, 1, 3],
            &[0, info(ARRAY, 0, 0), 0, 2, 1, 2],
            &[
                name("grid"),
                info(STRUCT, 2, 1),
                28,
                name("at"),
                3,
                0,
                name("low"),
                1,
                3 << 24 | 194,
            ],
            &[
                name("E"),
                info(ENUM_64, 2, 1),
                8,
                name("minus"),
                0xffff_ffff,
                0xffff_ffff,
                name("huge"),
                0,
                1,
            ],
        ])
        .unwrap();
        let grid = named(&btf, "struct", "grid").unwrap();
        let Kind::Struct { fields, .. } = &grid.kind else {
            panic!("{grid:?}");
        };
        let Kind::Array { element, count } = &fields[0].ty.kind else {
            panic!("{grid:?}");
        };
        assert_eq!((count, element.size, grid.size), (&Some(2), 12, 28));
        assert_eq!(fields[1].bits, Some((194, 3)));
        let Kind::Enum { signed, variants } = named(&btf, "", "E").unwrap().kind else {
            panic!();
        };
        let wanted = [("minus".to_owned(), -1), ("huge".to_owned(), 1 << 32)];
        assert_eq!((signed, &variants[..]), (true, &wanted[..]));
        assert!(
            btf.types_named("union", "grid", &mut BTreeSet::new())
                .unwrap()
                .is_empty()
        );
        assert_eq!(btf.structs_of_size(28).len(), 1);
    }

    #[test]
    fn of_a_name_that_does_not_end_a_beginning_is_read() {
        let names = format!("\0{}", "x".repeat(1 << 20));
        let btf = with_names(&[&[1, info(INT, 0, 0), 4, 32]], &names).unwrap();
        assert_eq!(btf.entry(1).unwrap().name, "x".repeat(NAME));
    }

    /// Aliases of a large struct: as copies they and it would have more members than may be.
    #[test]
    fn aliases_share_what_they_stand_for_and_copies_without_end_are_refused() {
        const MEMBERS: u32 = 65_000;
        const ALIASES: u32 = 4;
        let of = |struct_name: u32| {
            let int = [name("int"), info(INT, 0, 0), 4, 32];
            let with_members = |name, count, types: &mut dyn FnMut(u32) -> [u32; 3]| {
                let mut words = vec![name, info(STRUCT, count, 0), 4 * MEMBERS];
                words.extend((0..count).flat_map(types));
                words
            };
            let large = with_members(struct_name, MEMBERS, &mut |i| [name("at"), 1, 32 * i]);
            let constant = [0, info(CONST, 0, 0), 2];
            let alias = |_| [name("low"), info(TYPEDEF, 0, 0), 3];
            let aliases: Vec<u32> = (0..ALIASES).flat_map(alias).collect();
            let all = with_members(name("grid"), ALIASES, &mut |i| [name("at"), 4 + i, 0]);
            let btf = btf(&[&int, &large, &constant, &aliases, &all]).unwrap();
            named(&btf, "struct", "grid")
        };
        let Kind::Struct { fields, .. } = of(name("E")).unwrap().kind else {
            panic!("a struct");
        };
        assert!(
            fields
                .iter()
                .all(|field| Arc::ptr_eq(&field.ty, &fields[0].ty))
        );
        let refused = Err("types of more parts than any program has");
        assert_eq!(of(0).map(|copies| copies.size), refused);
    }

    /// Structs of no bytes, each of which has two members of the one before it.
    #[test]
    fn what_is_shared_counts_wherever_it_stands() {
        let chain = |structs: u32| {
            let each = |i| match i {
                0 => vec![0, info(STRUCT, 0, 0), 0],
                _ => {
                    let name = if i + 1 == structs { name("grid") } else { 0 };
                    vec![name, info(STRUCT, 2, 0), 0, 0, i, 0, 0, i, 0]
                }
            };
            let all: Vec<u32> = (0..structs).flat_map(each).collect();
            named(&btf(&[&all])?, "struct", "grid")
        };
        let tree = Parts::default().as_tree(&Arc::new(chain(18).unwrap()));
        assert_eq!(tree, Ok(((1 << 18) - 1, 17)));
        let refused = Err("types of more parts than any program has");
        let size = |structs| chain(structs).map(|ty| ty.size);
        assert_eq!((size(19), size(60)), (refused, refused));
    }

    /// Each struct is the member of the next one, and every 50th has the name: the first of them is known when the second is
    /// made.
    #[test]
    fn what_nests_in_known_types_counts_as_deep_as_it_is() {
        let nested = |structs: u32| {
            let one = |i: u32| {
                let name = if (i + 1).is_multiple_of(50) {
                    name("grid")
                } else {
                    0
                };
                vec![name, info(STRUCT, 1, 0), 0, 0, i, 0]
            };
            let all: Vec<u32> = (0..structs).flat_map(one).collect();
            named(&btf(&[&all])?, "struct", "grid").map(|ty| ty.size)
        };
        assert_eq!(nested(50), Ok(0));
        assert_eq!(nested(100), Err(ENDLESS));
    }

    #[test]
    fn what_is_cut_short_contains_itself_or_leaves_its_struct_is_refused() {
        let of = |types: &[&[u32]]| {
            let (one, two) = (named(&btf(types)?, "", "loop"), btf(types)?);
            one.map(|_| two.starts.len())
        };
        let own = [name("loop"), info(TYPEDEF, 0, 0), 1];
        assert_eq!(of(&[&own]), Err("types nest without end"));
        assert_eq!(
            of(&[&[name("loop"), info(31, 0, 0), 1]]),
            Err("a kind of type that is not known")
        );
        assert_eq!(of(&[&[name("loop"), info(STRUCT, 9, 0), 8]]), Err(CUT));
        assert_eq!(of(&[&[1 << 20, info(TYPEDEF, 0, 0), 1]]), Err(CUT));
        let int = [name("int"), info(INT, 0, 0), 4, 32];
        let outside = [name("loop"), info(STRUCT, 1, 0), 4, name("at"), 1, 8];
        assert_eq!(of(&[&int, &outside]), Err("a member outside of its struct"));
        let array = [0, info(ARRAY, 0, 0), 0, 3, 1, u32::MAX];
        let vast = [name("loop"), info(ARRAY, 0, 0), 0, 2, 1, u32::MAX];
        let alias = [name("loop"), info(TYPEDEF, 0, 0), 3];
        assert!(of(&[&int, &array, &vast, &alias]).is_err());
    }
}
