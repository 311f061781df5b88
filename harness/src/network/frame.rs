//! Ethernet frames as QEMU's `-netdev stream` carries them: four bytes of length, big end first, then the frame.

use std::io::{Read, Result, Write};

/// More than any frame with offloads that QEMU sends.
const LONGEST: usize = 256 * 1024;

pub(super) type Address = [u8; 6];

/// The next frame, or `None` when the other side closed.
pub(super) fn read(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut length = [0u8; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST {
        return Err(std::io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut frame = vec![0u8; length];
    from.read_exact(&mut frame)?;
    Ok(Some(frame))
}

pub(super) fn write(to: &mut impl Write, frame: &[u8]) -> Result<()> {
    let length = u32::try_from(frame.len()).map_err(std::io::Error::other)?;
    let mut bytes = Vec::with_capacity(4 + frame.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(frame);
    to.write_all(&bytes)
}

/// Destination and source; `None` for what is too short to be a frame.
pub(super) fn addresses(frame: &[u8]) -> Option<(Address, Address)> {
    let destination = frame.get(0..6)?.try_into().ok()?;
    let source = frame.get(6..12)?.try_into().ok()?;
    Some((destination, source))
}

/// For everybody, or for a group.
pub(super) fn is_group(address: &Address) -> bool {
    address[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut wire = Vec::new();
        write(&mut wire, b"first").unwrap();
        write(&mut wire, b"").unwrap();
        assert_eq!(&wire[..4], [0, 0, 0, 5]);
        let mut wire = &wire[..];
        assert_eq!(read(&mut wire).unwrap().as_deref(), Some(&b"first"[..]));
        assert_eq!(read(&mut wire).unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(read(&mut wire).unwrap(), None);
    }

    #[test]
    fn half_a_frame_and_a_senseless_length_are_errors() {
        assert!(read(&mut &[0, 0, 0, 9, 1][..]).is_err());
        assert!(read(&mut &[0xff, 0xff, 0xff, 0xff][..]).is_err());
    }

    #[test]
    fn groups_have_the_lowest_bit_set() {
        assert!(is_group(&[0xff; 6]));
        assert!(!is_group(&[0x52, 0x54, 0, 0, 0, 1]));
    }
}
