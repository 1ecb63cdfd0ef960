//! Where values come from: a segment, and the type by which its bytes are read. That is the segment's own schema, or one
//! that the debug information of a program has.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use shm_core::layout::{Schema, Value};
use shm_core::{ErrorKind, Inspector, Place, Snapshot};

use crate::failure::{Exit, Failure};
use crate::kernel::contents::Contents;
use crate::kernel::found::{Found, inspect, type_text};
use crate::kernel::processes::{AttachedProcesses, lives};
use crate::output::{quoted, visible};
use crate::rows::{Row, whole};
use crate::shape::{DebugInfo, Store, Type, decode, from_schema, sample};
use crate::value::{Node, Path, beyond};

/// How long a copy may be overtaken by writers.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks at a segment that tells no versions, and at a table: commits to rows wake no process.
const NAP: Duration = Duration::from_millis(10);

/// Copies of a segment that tells no versions, until two in a row are alike.
const TRIES: u32 = 64;

/// How to read a segment that does not say what is in it.
#[derive(Clone, Debug, Default, Args)]
pub struct TypeArgs {
    /// Read the bytes as this type of a C or C++ program: 'struct motion_status', 'union u', a typedef, ns::Point
    #[arg(long = "type", value_name = "NAME")]
    name: Option<String>,

    /// The program that has the type: an ELF file built with -g or with BTF, or /sys/kernel/btf/vmlinux; unless given,
    /// the programs of those that have the segment attached
    #[arg(long, value_name = "ELF")]
    from: Option<PathBuf>,

    /// Where the value begins, in bytes from the start of the segment
    #[arg(long, value_name = "OFFSET", default_value_t = 0, requires = "name")]
    at: usize,
}

/// A segment whose values have names.
pub struct Source {
    pub found: Found,
    place: Place,
    way: Way,
}

enum Way {
    /// It says itself what is in it.
    Own(Box<Inspector>),
    /// By a type of the debug information.
    Told {
        memory: Contents,
        ty: Type,
        /// Its name, or the one that was asked for.
        called: String,
        at: usize,
        from: PathBuf,
    },
}

/// A value at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub node: Node,
    /// Of a single value of the library's.
    pub version: Option<u64>,
    /// Of a table: the rows that show a value, in their order.
    pub rows: Option<Vec<Row>>,
}

impl Source {
    pub fn open(place: &Place, told: &TypeArgs) -> Result<Source, Failure> {
        let found = Found::at(place)?;
        let way = match &told.name {
            Some(name) => told.way(place, &found, name)?,
            None if told.from.is_some() => return Err(told.which_type(&found)),
            None => {
                let inspector = inspect(&found.way(), TIMEOUT);
                Way::Own(Box::new(inspector.map_err(|error| opened(place, &error))?))
            }
        };
        let place = place.clone();
        Ok(Source { found, place, way })
    }

    /// How many rows a table has; `None` of a single value.
    pub fn row_count(&self) -> Option<u32> {
        let rows = self.inspector()?.row_count();
        Some(rows).filter(|rows| *rows > 0)
    }

    /// The value as it is: all of one commit, where there are commits.
    pub fn read(&self) -> Result<Reading, Failure> {
        match &self.way {
            Way::Own(inspector) if inspector.row_count() > 0 => {
                let shown = inspector.rows().map_err(self.failed())?;
                let rows = Some(shown.iter().map(Row::from).collect());
                let values = shown.into_iter();
                let values = values.map(|row| (row.id.index(), row.value.into()));
                Ok(Reading {
                    node: whole(inspector.row_count() as usize, values),
                    version: None,
                    rows,
                })
            }
            Way::Own(inspector) => Ok(inspector.snapshot().map_err(self.failed())?.into()),
            Way::Told { ty, .. } => {
                let node = decode(ty, &self.settled()?)?;
                Ok(Reading {
                    node,
                    version: None,
                    rows: None,
                })
            }
        }
    }

    /// Whether a path leads somewhere in a table, be it in a row that no process has claimed yet. One without a row's number
    /// is a path in each.
    pub fn check_in_rows(&self, path: &Path) -> Result<(), Failure> {
        let count = self.row_count().unwrap_or(0) as usize;
        let (row, inner) = path.of_row().unwrap_or_else(|| (0, path.clone()));
        if row >= count {
            return Err(beyond("", row, count));
        }
        inner.of(&sample(&self.shape()?)).map(drop)
    }

    /// The next reading after `last`, if one comes in time.
    pub fn wait(&self, last: &Reading, timeout: Duration) -> Result<Option<Reading>, Failure> {
        match &self.way {
            Way::Own(inspector) if inspector.row_count() == 0 => {
                let version = last.version.unwrap_or(0);
                let next = inspector
                    .wait_timeout(version, timeout)
                    .map_err(self.failed())?;
                if next.is_none() {
                    self.check_there()?;
                }
                Ok(next.map(Reading::from))
            }
            _ => self.look_out(last, timeout),
        }
    }

    /// Whether it was removed by other means than the library's, which tell no one.
    fn check_there(&self) -> Result<(), Failure> {
        match self.found.has_gone() {
            true => Err(Failure::not_found(format!(
                "{}: it has been removed; `shm ls` lists those that there are",
                self.place
            ))),
            false => Ok(()),
        }
    }

    /// Looks again and again for another value.
    fn look_out(&self, last: &Reading, timeout: Duration) -> Result<Option<Reading>, Failure> {
        let start = Instant::now();
        loop {
            let reading = self.read()?;
            if reading != *last {
                return Ok(Some(reading));
            }
            self.check_there()?;
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(left.min(NAP));
        }
    }

    /// The bytes of the value: of one commit, where there are commits.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        match &self.way {
            Way::Own(inspector) => Ok(inspector.snapshot_bytes().map_err(self.failed())?.value),
            Way::Told { .. } => self.settled(),
        }
    }

    /// The bytes from the value on, as two looks in a row saw them: a writer that was in the midst of it has gone on
    /// meanwhile, but for one that never pauses.
    fn settled(&self) -> Result<Vec<u8>, Failure> {
        let Way::Told { memory, at, .. } = &self.way else {
            return Ok(Vec::new());
        };
        let mut last = memory.from(*at)?;
        for _ in 0..TRIES {
            let next = memory.from(*at)?;
            if next == last {
                break;
            }
            last = next;
        }
        Ok(last)
    }

    /// Stores fields of a segment that says nothing of itself, one after the other: each is checked before the first
    /// is stored.
    pub fn store(&self, fields: &[(&Path, &str)]) -> Result<(), Failure> {
        let Way::Told { ty, at, .. } = &self.way else {
            return Err(Failure::usage(
                "--raw-write is for segments that are read by --type; leave it out",
            ));
        };
        let stores = fields
            .iter()
            .map(|(path, text)| Store::of(ty, *at, path, text));
        let stores = stores.collect::<Result<Vec<Store>, Failure>>()?;
        let memory = Contents::open(&self.found, true)?;
        stores.iter().try_for_each(|store| store.apply(&memory))
    }

    /// The segment's own schema, if it is read by that.
    pub fn schema(&self) -> Result<Option<Schema>, Failure> {
        match &self.way {
            Way::Own(inspector) => inspector.schema().map(Some).map_err(self.failed()),
            Way::Told { .. } => Ok(None),
        }
    }

    pub fn shape(&self) -> Result<Type, Failure> {
        match &self.way {
            Way::Own(inspector) => {
                let schema = inspector.schema().map_err(self.failed())?;
                Ok(from_schema(&schema))
            }
            Way::Told { ty, .. } => Ok(ty.clone()),
        }
    }

    /// The inspector of a segment that says itself what is in it.
    pub fn inspector(&self) -> Option<&Inspector> {
        match &self.way {
            Way::Own(inspector) => Some(inspector),
            Way::Told { .. } => None,
        }
    }

    /// What a type of the debug information is called.
    pub fn called(&self) -> &str {
        match &self.way {
            Way::Told { called, .. } => called,
            Way::Own(_) => "",
        }
    }

    /// What the value is called, and where that is known from.
    pub fn title(&self) -> Result<String, Failure> {
        Ok(match &self.way {
            Way::Own(inspector) => {
                let schema = inspector.schema().map_err(self.failed())?;
                let version = schema
                    .version()
                    .map_or(String::new(), |version| format!(" v{version}"));
                type_text(&schema, inspector.row_count()) + &version
            }
            Way::Told {
                ty,
                called,
                from,
                at,
                memory,
            } => {
                let of = match memory.len() - at {
                    all if all as u64 == ty.size => String::new(),
                    all => format!(" of {all}"),
                };
                format!(
                    "{} (from the debug information of {}, {}{of} bytes)",
                    visible(called),
                    visible(&from.display().to_string()),
                    ty.size
                )
            }
        })
    }

    pub fn failed(&self) -> impl Fn(shm_core::Error) -> Failure + '_ {
        |error| Failure::of(&self.place, &error)
    }
}

/// Of a segment that another program laid out, with what can be done about it.
fn opened(place: &Place, error: &shm_core::Error) -> Failure {
    if error.kind() != ErrorKind::Foreign {
        return Failure::of(place, error);
    }
    let p = quoted(place);
    Failure::new(
        Exit::Misfit,
        format!(
            "{place}: another program laid it out, and it does not say how; `shm show {p} --type 'struct NAME' --from PROGRAM` \
             reads it by the program's debug information, and `shm show --raw {p}` shows its bytes"
        ),
    )
}

impl TypeArgs {
    /// Whether a type was named, or a file that has types.
    pub fn is_given(&self) -> bool {
        self.name.is_some() || self.from.is_some()
    }

    fn way(&self, place: &Place, found: &Found, name: &str) -> Result<Way, Failure> {
        let (ty, from) = self.type_named(found, name)?;
        let called = match &ty.name {
            Some(_) => ty.written(),
            None => name.trim().to_owned(),
        };
        let memory = Contents::open(found, false)?;
        let there = memory.len().saturating_sub(self.at) as u64;
        if ty.size > there {
            let behind = if self.at > 0 {
                format!(" from offset {} on", self.at)
            } else {
                String::new()
            };
            let what = match found {
                Found::Segment(_) => "segment",
                Found::File(_) => "file",
            };
            return Err(Failure::new(
                Exit::Misfit,
                format!(
                    "{place}: {called} has {} bytes, and the {what} has {there}{behind}; name the type that its creator uses",
                    ty.size
                ),
            ));
        }
        Ok(Way::Told {
            memory,
            ty,
            called,
            at: self.at,
            from,
        })
    }

    /// From the file that was named, or from the programs behind the segment.
    fn type_named(&self, found: &Found, name: &str) -> Result<(Type, PathBuf), Failure> {
        if let Some(from) = &self.from {
            let info = DebugInfo::of(from)?;
            return Ok((info.type_named(name)?, from.clone()));
        }
        let mut failure = None;
        for program in programs(found) {
            match DebugInfo::of(&program).and_then(|info| info.type_named(name)) {
                Ok(ty) => return Ok((ty, fs::read_link(&program).unwrap_or(program))),
                Err(found) => failure = failure.or(Some(found)),
            }
        }
        Err(failure.unwrap_or_else(|| {
            Failure::usage(format!(
                "{}: no process has it attached whose program could tell the type; name the program with --from",
                found.place()
            ))
        }))
    }

    /// What the file has of the segment's size.
    fn which_type(&self, found: &Found) -> Failure {
        let Some(from) = &self.from else {
            return Failure::usage("no type is named; name one with --type");
        };
        let info = match DebugInfo::of(from) {
            Ok(info) => info,
            Err(failure) => return failure,
        };
        let size = found.size();
        let fit = info.structs_of_size(size);
        let hint = match &fit[..] {
            [] => format!(
                "no struct of {} has the {size} bytes of the segment",
                info.path().display()
            ),
            fit => format!(
                "of the segment's {size} bytes there is {}",
                fit[..fit.len().min(8)].join(", ")
            ),
        };
        Failure::usage(format!("--from wants --type 'struct NAME'; {hint}"))
    }
}

/// The programs of those that have the segment attached, and of its creator.
fn programs(found: &Found) -> Vec<PathBuf> {
    let attached = AttachedProcesses::of(found).found;
    let mut pids: Vec<u32> = attached.iter().map(|process| process.pid).collect();
    let creator = found.segment().map_or(0, |segment| segment.stat.cpid);
    pids.extend(u32::try_from(creator).ok().filter(|pid| *pid > 0));
    pids.retain(|pid| *pid != std::process::id() && lives(pid.cast_signed()));
    pids.iter()
        .map(|pid| format!("/proc/{pid}/exe").into())
        .collect()
}

impl From<Snapshot<Value>> for Reading {
    fn from(seen: Snapshot<Value>) -> Reading {
        Reading {
            node: seen.value.into(),
            version: Some(seen.version),
            rows: None,
        }
    }
}
