//! FNV-1a: a short number computed from a name of any length. The names of slices and of sockets in the FD store are
//! made of it, so it must give the same result in every version of the programs. It does not protect against names
//! chosen to collide.

/// The 32-bit digest.
pub fn fnv_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// The 64-bit digest.
pub fn fnv_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_of_the_reference_vectors() {
        assert_eq!(
            (fnv_32(b""), fnv_32(b"a"), fnv_32(b"foobar")),
            (0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968)
        );
        let long = (fnv_64(b""), fnv_64(b"a"), fnv_64(b"foobar"));
        assert_eq!(
            long,
            (
                0xcbf2_9ce4_8422_2325,
                0xaf63_dc4c_8601_ec8c,
                0x8594_4171_f739_67e8
            )
        );
    }
}
