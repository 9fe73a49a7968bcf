//! Frames: four bytes of length, little end first, and so many bytes. Buffers are wiped: secrets pass through them.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub(crate) const HEADER: usize = 4;
/// The largest frame of a message, in bytes. Code has a bound of its own.
pub(crate) const LARGEST: usize = 1 << 30;
/// The largest compiled code.
pub(crate) const LARGEST_CODE: usize = 512 << 20;

/// A message as a frame, in one piece of memory that never moved.
pub(crate) fn encode(message: &impl Serialize) -> io::Result<Zeroizing<Vec<u8>>> {
    let size = postcard::experimental::serialized_size(message).map_err(io::Error::other)?;
    let mut frame = Zeroizing::new(Vec::with_capacity(HEADER + size));
    frame.extend(length(size)?);
    postcard::to_io(message, &mut *frame).map_err(io::Error::other)?;
    Ok(frame)
}

/// A message, appended to what waits already. Not for secrets: the buffer may move.
pub(crate) fn append(buffer: &mut Vec<u8>, message: &impl Serialize) -> io::Result<()> {
    let begin = buffer.len();
    buffer.extend([0; HEADER]);
    postcard::to_io(message, &mut *buffer).map_err(io::Error::other)?;
    let size = length(buffer.len() - begin - HEADER)?;
    buffer[begin..begin + HEADER].copy_from_slice(&size);
    Ok(())
}

pub(crate) fn length(size: usize) -> io::Result<[u8; HEADER]> {
    u32::try_from(size).map(u32::to_le_bytes).map_err(io::Error::other)
}

/// The size that a header tells.
pub(crate) fn size(header: [u8; HEADER], largest: usize) -> io::Result<usize> {
    let size = u32::from_le_bytes(header) as usize;
    if size <= largest { Ok(size) } else { Err(io::Error::other(format!("a frame of {size} bytes"))) }
}

/// The next frame's bytes; `None` at the end.
pub(crate) fn read(input: &mut impl Read, largest: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut header = [0; HEADER];
    match input.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let mut bytes = Zeroizing::new(vec![0; size(header, largest)?]);
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// A frame's message.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(io::Error::other("bytes after a message")),
        Err(error) => Err(io::Error::other(error)),
    }
}
