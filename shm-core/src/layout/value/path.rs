//! `a.b[3]`: the way to a part of a value, written as in Rust.

use super::Value;

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
            if let Some(index) = rest.strip_prefix('[') {
                let (index, behind) = index.split_once(']')?;
                // Not what `parse` takes besides digits: a sign.
                if !index.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                value = value.at(index.parse().ok()?)?;
                rest = behind;
            } else {
                let field = match rest.strip_prefix('.') {
                    Some(field) => field,
                    // The first field has no dot before it.
                    None if rest.len() == path.len() => rest,
                    None => return None,
                };
                let end = field.find(['.', '[']).unwrap_or(field.len());
                value = value.get(&field[..end])?;
                rest = &field[end..];
            }
        }
        Some(value)
    }
}
