//! What a file tells of types: by debug information in it (DWARF or BTF), or in the separate file that belongs to it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection};

use super::Type;
use super::btf::{self, Btf};
use super::dwarf::{DEBUG, Dwarf, by_number};
use crate::failure::{Exit, Failure, near};
use crate::output::visible;

/// The debug information of a file.
pub struct DebugInfo {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Dwarf(Box<Dwarf>),
    Btf(Btf),
}

impl DebugInfo {
    /// Reads that of a file, or of the separate file that belongs to it.
    pub fn of(path: &Path) -> Result<DebugInfo, Failure> {
        let unreadable = |why: &dyn Display| {
            Failure::new(
                Exit::Misfit,
                format!(
                    "{}: {why}; name an ELF file that was built with -g",
                    path.display()
                ),
            )
        };
        let next = "name the program's file";
        // Which may have no end.
        let is_device = fs::metadata(path).is_ok_and(|there| {
            let kind = there.file_type();
            kind.is_char_device() || kind.is_block_device()
        });
        if is_device {
            return Err(unreadable(&"it is a device"));
        }
        let data = fs::read(path)
            .map_err(|error| Failure::of_file(path.display(), "read", &error, next))?;
        let of_btf = |data: Vec<u8>, address| {
            let btf = Btf::parse(data, address).map_err(|why| unreadable(&why))?;
            let (path, kind) = (path.to_owned(), Kind::Btf(btf));
            Ok(DebugInfo { path, kind })
        };
        if data.starts_with(&btf::MAGIC.to_ne_bytes()) {
            return of_btf(data, size_of::<usize>() as u64);
        }
        let file = object::File::parse(&*data).map_err(|_| unreadable(&"it is no ELF file"))?;
        if file.is_little_endian() != cfg!(target_endian = "little") {
            return Err(unreadable(&"it is for a machine of the other byte order"));
        }
        let of_dwarf = |path: &Path, file: &object::File<'_>| {
            let dwarf = Dwarf::of(path, file).map_err(|why| unreadable(&why))?;
            let (path, kind) = (path.to_owned(), Kind::Dwarf(Box::new(dwarf)));
            Ok(DebugInfo { path, kind })
        };
        if has_dwarf(&file) {
            return of_dwarf(path, &file);
        }
        for (candidate, sum) in separate_files(path, &file) {
            let Ok(data) = fs::read(&candidate) else {
                continue;
            };
            let Ok(separate) = object::File::parse(&*data) else {
                continue;
            };
            let same = match (file.build_id(), separate.build_id()) {
                (Ok(Some(id)), Ok(other)) => other == Some(id),
                _ => sum == Some(crc32fast::hash(&data)),
            };
            if same && has_dwarf(&separate) {
                return of_dwarf(&candidate, &separate);
            }
        }
        match file
            .section_by_name(".BTF")
            .map(|section| section.uncompressed_data())
        {
            Some(Ok(data)) => of_btf(data.into_owned(), if file.is_64() { 8 } else { 4 }),
            _ => Err(unreadable(&"it has no debug information")),
        }
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The type of this name: `struct motion_status`, `union u`, `enum e`, a `typedef`, `ns::Point`.
    pub fn type_named(&self, written: &str) -> Result<Type, Failure> {
        let (word, name) = match written.trim().split_once(char::is_whitespace) {
            Some((word @ ("struct" | "class" | "union" | "enum"), name)) => (word, name.trim()),
            _ => ("", written.trim()),
        };
        let mut names = BTreeSet::new();
        let types = match &self.kind {
            Kind::Dwarf(dwarf) => dwarf.types_named(word, name, &mut names),
            Kind::Btf(btf) => btf
                .types_named(word, name, &mut names)
                .map_err(str::to_owned),
        };
        match &types.map_err(|why| self.damaged(why))?[..] {
            [] => Err(self.unknown(name, written, &names)),
            [one] => Ok(Type::clone(one)),
            several => {
                let sizes: Vec<String> = several.iter().map(|ty| ty.size.to_string()).collect();
                Err(Failure::new(
                    Exit::Misfit,
                    format!(
                        "{}: several different types are called `{written}` (of {} bytes); name an object file that has one",
                        self.path.display(),
                        sizes.join(", ")
                    ),
                ))
            }
        }
    }

    /// Structs of this size, for one who does not know the name.
    pub fn structs_of_size(&self, size: u64) -> Vec<String> {
        let names = match &self.kind {
            Kind::Dwarf(dwarf) => dwarf.structs_of_size(size),
            Kind::Btf(btf) => btf.structs_of_size(size),
        };
        names.into_iter().collect()
    }

    fn damaged(&self, why: impl Display) -> Failure {
        Failure::new(
            Exit::Misfit,
            format!(
                "{}: its debug information is of no use: {why}; build the program anew with -g",
                self.path.display()
            ),
        )
    }

    fn unknown(&self, name: &str, written: &str, names: &BTreeSet<String>) -> Failure {
        let hint = match (near(name, names.iter().map(|name| &**name)), &self.kind) {
            (Some(near), _) => format!("did you mean `{}`?", visible(near)),
            (None, Kind::Dwarf(_)) => format!(
                "`readelf --debug-dump=info {}` has all names",
                self.path.display()
            ),
            (None, Kind::Btf(_)) => format!(
                "`bpftool btf dump file {} format c` has all names",
                self.path.display()
            ),
        };
        Failure::not_found(format!(
            "{}: no type is called `{written}`; {hint}",
            self.path.display()
        ))
    }
}

fn has_dwarf(file: &object::File<'_>) -> bool {
    file.section_by_name(".debug_info")
        .is_some_and(|section| section.size() > 0)
        || file.section_by_name(".zdebug_info").is_some()
}

/// Where debuggers look for the debug information of a stripped file, and where the file says so its checksum.
fn separate_files(path: &Path, file: &object::File<'_>) -> Vec<(PathBuf, Option<u32>)> {
    let mut files = Vec::new();
    if let Ok(Some(id)) = file.build_id() {
        files.extend(by_number(id).map(|file| (file, None)));
    }
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(Some((name, sum))) = file.gnu_debuglink()
        && let Ok(name) = std::str::from_utf8(name)
        && let Some(folder) = real.parent()
        && !name.contains('/')
    {
        let beside = folder.strip_prefix("/").unwrap_or(folder);
        let folders = [
            folder.to_owned(),
            folder.join(".debug"),
            Path::new(DEBUG).join(beside),
        ];
        files.extend(folders.map(|folder| (folder.join(name), Some(sum))));
    }
    files
}
