//! The checksum of what must be whole after a power loss: XXH64 with seed 0, as its specification has it
//! (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>).
//!
//! It tells torn and rotten bytes from whole ones; bytes that a peer made up it does not.

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    let mut sum = if bytes.len() < 32 {
        P5
    } else {
        let mut lanes = [P1.wrapping_add(P2), P2, 0, 0_u64.wrapping_sub(P1)];
        while let Some((stripe, more)) = rest.split_first_chunk::<32>() {
            for (at, lane) in lanes.iter_mut().enumerate() {
                let word = std::array::from_fn(|byte| stripe[at * 8 + byte]);
                *lane = round(*lane, u64::from_le_bytes(word));
            }
            rest = more;
        }
        let [a, b, c, d] = lanes;
        let joined = a.rotate_left(1).wrapping_add(b.rotate_left(7));
        let joined = joined
            .wrapping_add(c.rotate_left(12))
            .wrapping_add(d.rotate_left(18));
        lanes.iter().fold(joined, |sum, lane| {
            (sum ^ round(0, *lane)).wrapping_mul(P1).wrapping_add(P4)
        })
    };
    sum = sum.wrapping_add(bytes.len() as u64);
    while let Some((word, more)) = rest.split_first_chunk() {
        sum ^= round(0, u64::from_le_bytes(*word));
        sum = sum.rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
        rest = more;
    }
    while let Some((half, more)) = rest.split_first_chunk() {
        sum ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(P1);
        sum = sum.rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
        rest = more;
    }
    for byte in rest {
        sum ^= u64::from(*byte).wrapping_mul(P5);
        sum = sum.rotate_left(11).wrapping_mul(P1);
    }
    sum = (sum ^ sum >> 33).wrapping_mul(P2);
    sum = (sum ^ sum >> 29).wrapping_mul(P3);
    sum ^ sum >> 32
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P2))
        .rotate_left(31)
        .wrapping_mul(P1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_is_xxh64() {
        for (bytes, sum) in [
            (&b""[..], 0xef46_db37_51d8_e999),
            (b"a", 0xd24e_c4f1_a98c_6e5b),
            (b"abc", 0x44bc_2cf5_ad77_0999),
            (
                b"Nobody inspects the spammish repetition",
                0xfbce_a83c_8a37_8bf1,
            ),
        ] {
            assert_eq!(checksum(bytes), sum, "{bytes:?}");
        }
    }

    #[test]
    fn each_bit_counts() {
        let mut bytes: Vec<u8> = (0..=99).collect();
        let whole = checksum(&bytes);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(checksum(&bytes), whole, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
