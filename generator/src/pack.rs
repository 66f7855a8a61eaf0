//! Records: byte strings, each preceded by its length. Children answer in this format, and [`crate::kept`] is stored in
//! it.

use std::io::{self, Read, Write};

/// A record.
pub type Fields = Vec<Vec<u8>>;

/// Writes one string.
///
/// # Errors
/// As write(2).
pub fn write_field(to: &mut impl Write, field: &[u8]) -> io::Result<()> {
    to.write_all(&(field.len() as u64).to_le_bytes())?;
    to.write_all(field)
}

/// Reads one string.
///
/// # Errors
/// As read(2); `UnexpectedEof` when the string is not complete.
pub fn read_field(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut field = Vec::new();
    let read = from.take(length).read_to_end(&mut field)?;
    match read as u64 == length {
        true => Ok(field),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The record as one byte string.
pub fn pack<F: AsRef<[u8]>>(fields: &[F]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        let field = field.as_ref();
        bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

/// The record in `bytes`; `None` when they are not exactly one record.
pub fn unpack(mut bytes: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (field, rest) = rest.split_at_checked(length)?;
        fields.push(field.to_vec());
        bytes = rest;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_or_not_at_all() {
        let fields: Fields = vec![b"a".to_vec(), Vec::new(), vec![0; 1000]];
        let bytes = pack(&fields);
        assert_eq!(unpack(&bytes), Some(fields));
        assert_eq!(unpack(b""), Some(Fields::new()));
        for length in 1..bytes.len() {
            let is_prefix = unpack(&bytes[..length]).is_none_or(|found| found.len() < 3);
            assert!(is_prefix, "{length}");
        }
        assert_eq!(unpack(&[0xff; 20]), None);
    }
}
