//! Frames: four bytes of length, little end first, and so many bytes. Buffers are wiped: secrets pass through them.

use std::io::{self, Read};

use postcard::de_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub(crate) const HEADER: usize = 4;
/// The largest frame of a message, in bytes. Code has a bound of its own.
pub(crate) const LARGEST: usize = 1 << 30;
/// The largest compiled code.
pub(crate) const LARGEST_CODE: usize = 512 << 20;

/// Structure that every message may have, in bytes.
const FREE: usize = 64;

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
    let Some(size) = announced(input, largest)? else { return Ok(None) };
    let mut bytes = Zeroizing::new(vec![0; size]);
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// The same for code, which is no secret: wiping a megabyte takes a part of a worker's start.
pub(crate) fn read_code(input: &mut impl Read, largest: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(size) = announced(input, largest)? else { return Ok(None) };
    let mut bytes = vec![0; size];
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

fn announced(input: &mut impl Read, largest: usize) -> io::Result<Option<usize>> {
    let mut header = [0; HEADER];
    match input.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        result => {
            result?;
            size(header, largest).map(Some)
        }
    }
}

/// Takes bytes for whatever may come through a pipe, as both ends do: no bytes may do harm. For fuzzing.
#[doc(hidden)]
pub fn take_anything(bytes: &[u8]) {
    use super::protocol::{OwnedOrder, Setup, Told};
    let mut input = bytes;
    while let Ok(Some(frame)) = read(&mut input, 1 << 20) {
        let _ = decode::<Told>(&frame);
        let _ = decode::<OwnedOrder>(&frame);
        let _ = decode::<Setup>(&frame);
    }
    let _ = decode::<Told>(bytes);
    let _ = decode::<OwnedOrder>(bytes);
    let _ = decode::<Setup>(bytes);
}

/// A frame's message.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(io::Error::other("bytes after a message")),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// A frame's message, of somebody who is not trusted. Text and bytes take as much memory as they take of a frame; an empty
/// text takes one byte of a frame and dozens of memory. So there is an allowance for what is neither: for numbers, lengths and
/// choices, in bytes. What a message takes of it beyond a little is taken off.
pub(crate) fn decode_within<T: DeserializeOwned>(bytes: &[u8], structure: &mut usize) -> io::Result<T> {
    let allowed = structure.saturating_add(FREE);
    let mut input = postcard::Deserializer::from_flavor(Sparing { bytes, left: allowed });
    let message = T::deserialize(&mut input);
    let Sparing { bytes: rest, left } = input.finalize().map_err(io::Error::other)?;
    *structure = left.min(*structure);
    match message {
        Ok(message) if rest.is_empty() => Ok(message),
        Ok(_) => Err(io::Error::other("bytes after a message")),
        Err(_) if left == 0 => Err(io::Error::other("a message of too many parts")),
        Err(error) => Err(io::Error::other(error)),
    }
}

struct Sparing<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Flavor<'a> for Sparing<'a> {
    type Remainder = Self;
    type Source = &'a [u8];

    fn pop(&mut self) -> postcard::Result<u8> {
        let (first, rest) = self.bytes.split_first().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.left = self.left.checked_sub(1).ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.bytes.len())
    }

    fn try_take_n(&mut self, count: usize) -> postcard::Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn finalize(self) -> postcard::Result<Self> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_seam::{Checked, Files, Outcome, State, Usage};
    use proptest::prelude::*;

    use super::super::protocol::Told;
    use super::*;
    use crate::Protection;
    use crate::session::line::Report;

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            take_anything(&bytes);
        }

        #[test]
        fn a_frame_with_a_changed_byte_is_a_message_or_none(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let told = Told::Locked(Protection::ALL.to_vec());
            let mut frame = encode(&told).unwrap().to_vec();
            frame.extend(encode(&Told::Damaged("x".repeat(50))).unwrap().iter());
            let place = place.index(frame.len());
            frame[place] = byte;
            take_anything(&frame);
        }
    }

    #[test]
    fn parts_are_counted_and_bytes_are_not() {
        let message = |report: Report| encode(&Told::Report(report)).unwrap()[HEADER..].to_vec();
        let readers = |count| vec![(String::new(), Vec::new()); count];
        let checked = |count| message(Report::Checked(Ok(Checked { readers: readers(count), state: State::Present })));
        let mut left = 1000;
        assert!(decode_within::<Told>(&checked(10), &mut left).is_ok());
        assert_eq!(left, 1000);
        assert!(decode_within::<Told>(&checked(400), &mut left).is_ok());
        assert!((200..300).contains(&left), "{left}");
        let error = decode_within::<Told>(&checked(400), &mut left).unwrap_err();
        assert_eq!((error.to_string().as_str(), left), ("a message of too many parts", 0));
        // Many bytes are few parts.
        let files = Files::from([("f".to_owned(), vec![200; 1 << 20])]);
        let done = message(Report::Done(Ok(Outcome::Serialized(files)), Usage::default()));
        let Told::Report(Report::Done(Ok(Outcome::Serialized(files)), _)) = decode_within(&done, &mut left).unwrap()
        else {
            panic!("another message")
        };
        assert_eq!(files["f"], vec![200; 1 << 20]);
        let mut longer = done;
        longer.push(0);
        assert!(decode_within::<Told>(&longer, &mut left).is_err());
    }

    #[test]
    fn what_is_announced_and_too_large_is_not_waited_for() {
        let mut huge: &[u8] = &[0xff; 8];
        assert!(read(&mut huge, LARGEST).is_err());
        let mut short: &[u8] = &[9, 0, 0, 0, 1];
        assert!(read(&mut short, LARGEST).is_err());
        let mut nothing: &[u8] = &[];
        assert!(read(&mut nothing, LARGEST).unwrap().is_none());
    }
}
