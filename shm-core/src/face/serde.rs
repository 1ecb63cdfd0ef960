//! `serde` for what a table shows, so that it becomes a line of a log or the answer of a server.

use serde::ser::{Error, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::inspector::InspectedRow;
use super::table::{OnDeath, RowId, RowLife, RowView};
use crate::layout::SharedLayout;
use crate::layout::serde::texts;
use crate::typed::Snapshot;

texts! {
    RowId = (u32, u64): |id: RowId| (id.index(), id.number()), |(index, number)| RowId::new(index, number);
}

macro_rules! words {
    ($($name:ident: $($word:literal = $variant:ident),+;)+) => {$(
        impl Serialize for $name {
            /// As its name, in small letters.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(match self {
                    $($name::$variant => $word,)+
                })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word: std::borrow::Cow<'de, str> = Deserialize::deserialize(deserializer)?;
                match &*word {
                    $($word => Ok($name::$variant),)+
                    other => Err(de::Error::unknown_variant(other, &[$($word),+])),
                }
            }
        }
    )+};
}

words! {
    RowLife: "live" = Live, "dead" = Dead;
    OnDeath: "keep" = Keep, "free" = Free;
}

impl<T: SharedLayout + Serialize> Serialize for RowView<'_, T> {
    /// As a struct of `id`, `life`, `owner`, and the `version` of the `value`, which is copied now: what
    /// [`RowView::snapshot`] says against that is the error. Of a row whose owner is in another pid namespace `owner` is nothing.
    ///
    /// ```
    /// use shm_core::{FixedStr, Key, SharedTable};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let table = SharedTable::<FixedStr<12>>::options().rows(8).remove_on_drop(true).create_new(Key::PRIVATE)?;
    /// let seat = table.claim(FixedStr::new("alice")?)?;
    /// let json = serde_json::to_string(&table.look()?.collect::<Vec<_>>())?;
    /// let owner = std::process::id();
    /// assert_eq!(json, format!(r#"[{{"id":"0#1","life":"live","owner":{owner},"version":1,"value":"alice"}}]"#));
    ///
    /// // What names a row elsewhere leads back to it.
    /// let json: serde_json::Value = serde_json::from_str(&json)?;
    /// let id: shm_core::RowId = serde_json::from_value(json[0]["id"].clone())?;
    /// assert_eq!((id, table.get(id)?.to_str()?), (seat.id(), "alice"));
    /// # Ok(())
    /// # }
    /// ```
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let now = self.snapshot().map_err(S::Error::custom)?;
        row(
            serializer,
            "RowView",
            (self.id(), self.life(), self.owner()),
            now.version,
            &now.value,
        )
    }
}

impl Serialize for InspectedRow {
    /// As a [`RowView`] is, with the value as a tree of its parts, and without its bytes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claim = (self.id, self.life, self.owner);
        row(serializer, "InspectedRow", claim, self.version, &self.value)
    }
}

fn row<S: Serializer>(
    serializer: S,
    name: &'static str,
    (id, life, owner): (RowId, RowLife, Option<u32>),
    version: u64,
    value: &impl Serialize,
) -> Result<S::Ok, S::Error> {
    let mut row = serializer.serialize_struct(name, 5)?;
    row.serialize_field("id", &id)?;
    row.serialize_field("life", &life)?;
    row.serialize_field("owner", &owner)?;
    row.serialize_field("version", &version)?;
    row.serialize_field("value", value)?;
    row.end()
}

impl<T: Serialize> Serialize for Snapshot<T> {
    /// As a struct of `version` and `value`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut snapshot = serializer.serialize_struct("Snapshot", 2)?;
        snapshot.serialize_field("version", &self.version)?;
        snapshot.serialize_field("value", &self.value)?;
        snapshot.end()
    }
}
