//! What is sent: a header, the source's name, and the bytes of a value or none.
//!
//! | bytes | hold |
//! |---|---|
//! | 4 | `shmm` |
//! | 1 | format: 1 |
//! | 1 | [`Kind`] |
//! | 1 | byte order of the value: `l` or `b` |
//! | 1 | length of the name |
//! | 8 | life: the number of the segment's creation; 0 if there is no segment |
//! | 8 | version |
//! | 8 | fingerprint of the schema |
//! | 8 | when the source began, in milliseconds since 1970 |
//! | … | the name, and then the value |
//!
//! Numbers are little-endian.

use crate::output::visible;

const MAGIC: &[u8; 4] = b"shmm";
const FORMAT: u8 = 1;
const ORDER: u8 = if cfg!(target_endian = "big") {
    b'b'
} else {
    b'l'
};

/// Bytes of a message beside the name and the value.
pub const HEADER: usize = 40;

/// The longest name of a source.
pub const NAME: usize = 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Value = 1,
    /// What is the newest now.
    Beat = 2,
    /// The source ended, or its link did.
    Gone = 3,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub kind: Kind,
    pub life: u64,
    pub version: u64,
    pub fingerprint: u64,
    pub began: u64,
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Message {
    pub fn encode(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(HEADER + self.name.len() + self.bytes.len());
        all.extend(MAGIC);
        all.extend([FORMAT, self.kind as u8, ORDER, self.name.len() as u8]);
        for number in [self.life, self.version, self.fingerprint, self.began] {
            all.extend(number.to_le_bytes());
        }
        all.extend(self.name.as_bytes());
        all.extend(&self.bytes);
        all
    }

    /// What came; if it is none, why not.
    pub fn decode(all: &[u8]) -> Result<Message, String> {
        let not = || "it is no message of `shm mirror`".to_owned();
        let (header, rest) = all.split_first_chunk::<HEADER>().ok_or_else(not)?;
        let [m, a, g, i, format, number, order, name_len, numbers @ ..] = header;
        if [*m, *a, *g, *i] != *MAGIC {
            return Err(not());
        }
        if *format != FORMAT {
            return Err(format!(
                "it has format {format}, and this program knows {FORMAT}: use one version of shm on both machines"
            ));
        }
        if *order != ORDER {
            return Err(
                "it comes from a machine of another byte order, whose values mean nothing here: mirror between machines of one byte order"
                    .to_owned(),
            );
        }
        let kind = [Kind::Value, Kind::Beat, Kind::Gone];
        let kind = kind.into_iter().find(|known| *known as u8 == *number);
        let mut numbers = numbers
            .chunks_exact(8)
            .map(|number| u64::from_le_bytes(number.try_into().unwrap_or_default()));
        let mut next = || numbers.next().unwrap_or_default();
        let (name, bytes) = rest
            .split_at_checked(usize::from(*name_len))
            .ok_or_else(not)?;
        Ok(Message {
            kind: kind.ok_or_else(not)?,
            life: next(),
            version: next(),
            fingerprint: next(),
            began: next(),
            name: visible(&String::from_utf8_lossy(name)).into_owned(),
            bytes: bytes.to_vec(),
        })
    }

    /// Which value it is, or tells of.
    pub fn which(&self) -> (u64, u64) {
        (self.life, self.version)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_and_nothing_else_is_one() {
        let sent = Message {
            kind: Kind::Value,
            life: 1 << 63,
            version: 7,
            fingerprint: 3,
            began: 9,
            name: "press-7".to_owned(),
            bytes: vec![1, 2, 3],
        };
        let all = sent.encode();
        assert_eq!(all.len(), HEADER + 7 + 3);
        assert_eq!(Message::decode(&all), Ok(sent));
        for len in 0..HEADER + 7 {
            Message::decode(&all[..len]).unwrap_err();
        }
        let with = |at: usize, byte: u8| {
            let mut other = all.clone();
            other[at] = byte;
            Message::decode(&other).unwrap_err()
        };
        assert!(with(0, b'x').contains("no message"));
        assert!(with(4, 2).contains("format 2"));
        assert!(with(5, 9).contains("no message"));
        assert!(with(6, b'b').contains("another byte order"));
    }
}
