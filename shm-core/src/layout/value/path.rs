//! `a.b[3]`: the way to a part of a value, written as in Rust.

use super::Value;
use super::encode::Unfit;
use crate::layout::Schema;
use crate::layout::validity::misfit;

/// One step of a path.
enum Step<'a> {
    Field(&'a str),
    Index(usize),
}

/// The first step of `rest`, and what is behind it; `None` if it is none. Only the first of all steps may
/// lack its dot.
fn step(rest: &str, first: bool) -> Option<(Step<'_>, &str)> {
    if let Some(index) = rest.strip_prefix('[') {
        let (index, behind) = index.split_once(']')?;
        // Not what `parse` takes besides digits: a sign.
        let digits = index.bytes().all(|byte| byte.is_ascii_digit());
        return Some((Step::Index(index.parse().ok().filter(|_| digits)?), behind));
    }
    let field = match rest.strip_prefix('.') {
        Some(field) => field,
        None if first => rest,
        None => return None,
    };
    let (name, behind) = field.split_at(field.find(['.', '[']).unwrap_or(field.len()));
    Some((Step::Field(name), behind))
}

impl Value {
    /// The part that a path such as `jobs[3].name` leads to, written as one would in Rust and as
    /// errors name parts; `""` is the value itself. A field of a tuple struct is `.0`.
    ///
    /// `None` if there is no such part, or the path is none.
    ///
    /// ```
    /// use shm_core::SharedLayout;
    /// use shm_core::layout::Value;
    ///
    /// let value = Value::decode(<[[u8; 2]; 2]>::SCHEMA, &[1, 2, 3, 4])?;
    /// assert_eq!(value.path("[1][0]"), Some(&Value::UInt(3)));
    /// assert_eq!(value.path("[1][2]"), None);
    /// # Ok::<(), shm_core::layout::DecodeError>(())
    /// ```
    pub fn path(&self, path: &str) -> Option<&Value> {
        let mut value = self;
        let mut rest = path;
        while !rest.is_empty() {
            let (found, behind) = step(rest, rest.len() == path.len())?;
            value = match found {
                Step::Index(index) => value.at(index)?,
                Step::Field(name) => value.get(name)?,
            };
            rest = behind;
        }
        Some(value)
    }
}

/// Offset and layout of the part that a path leads to. `length` tells how many elements a `FixedVec` at an
/// offset has.
pub(crate) fn locate<'a>(
    schema: &'a Schema,
    path: &str,
    mut length: impl FnMut(usize) -> u32,
) -> Result<(usize, &'a Schema), Unfit> {
    let (mut offset, mut part) = (0, schema);
    let mut rest = path;
    while !rest.is_empty() {
        let walked = &path[..path.len() - rest.len()];
        let (found, behind) = step(rest, walked.is_empty()).ok_or_else(|| Unfit::no_path(path))?;
        let (at, inner) = match found {
            Step::Field(name) => {
                let field = part.fields().iter().find(|field| field.name() == name);
                let field = field.ok_or_else(|| Unfit::no_field(walked, name, part))?;
                (field.offset(), field.schema())
            }
            Step::Index(index) => {
                let Some(elements) = part.elements() else {
                    return Err(Unfit::no_list(walked, part));
                };
                let mut there = elements.places;
                if elements.counted {
                    let len = length(offset);
                    if u64::from(len) > there {
                        let invalid = misfit(part, &len.to_ne_bytes());
                        return Err(Unfit::Invalid(invalid.below(walked)));
                    }
                    there = len.into();
                }
                if index as u64 >= there {
                    return Err(Unfit::beyond(walked, index, there));
                }
                let at = elements.offset as usize + index * elements.schema.size();
                (at, elements.schema)
            }
        };
        (offset, part) = (offset + at, inner);
        rest = behind;
    }
    Ok((offset, part))
}
