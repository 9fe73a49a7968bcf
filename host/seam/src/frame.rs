//! Frames: four bytes of length, little end first, and so many bytes. Buffers are wiped: secrets pass through them.

use std::io::{self, Read};

use postcard::de_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Length of a frame's header, in bytes.
pub const HEADER: usize = 4;
/// The largest frame of a message, in bytes. Code has a bound of its own.
pub const LARGEST: usize = 1 << 30;
/// The largest compiled code.
pub const LARGEST_CODE: usize = 512 << 20;

/// Structure that every message may have, in bytes.
const FREE: usize = 64;

/// Encodes a message as a frame, in one piece of memory that never moved.
///
/// # Errors
/// When the message is larger than a frame can be.
pub fn encode(message: &impl Serialize) -> io::Result<Zeroizing<Vec<u8>>> {
    let size = postcard::experimental::serialized_size(message).map_err(io::Error::other)?;
    let mut frame = Zeroizing::new(Vec::with_capacity(HEADER + size));
    frame.extend(length(size)?);
    postcard::to_io(message, &mut *frame).map_err(io::Error::other)?;
    Ok(frame)
}

/// Appends a message to what waits already. Not for secrets: the buffer may move.
///
/// # Errors
/// When the message is larger than a frame can be.
pub fn append(buffer: &mut Vec<u8>, message: &impl Serialize) -> io::Result<()> {
    let begin = buffer.len();
    buffer.extend([0; HEADER]);
    postcard::to_io(message, &mut *buffer).map_err(io::Error::other)?;
    let size = length(buffer.len() - begin - HEADER)?;
    buffer[begin..begin + HEADER].copy_from_slice(&size);
    Ok(())
}

/// Returns the header of a frame of so many bytes.
///
/// # Errors
/// When the size does not fit in four bytes.
pub fn length(size: usize) -> io::Result<[u8; HEADER]> {
    u32::try_from(size).map(u32::to_le_bytes).map_err(io::Error::other)
}

/// Reads the size from a header.
///
/// # Errors
/// When it is more than `largest`.
pub fn size(header: [u8; HEADER], largest: usize) -> io::Result<usize> {
    let size = u32::from_le_bytes(header) as usize;
    if size <= largest { Ok(size) } else { Err(io::Error::other(format!("a frame of {size} bytes"))) }
}

/// Reads the next frame's bytes; `None` at the end.
///
/// # Errors
/// When the frame is larger than `largest`, or cannot be read.
pub fn read(input: &mut impl Read, largest: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(size) = announced(input, largest)? else { return Ok(None) };
    let mut bytes = Zeroizing::new(vec![0; size]);
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// Reads a frame of code, which is no secret: wiping a megabyte takes a part of a worker's start.
///
/// # Errors
/// When the frame is larger than `largest`, or cannot be read.
pub fn read_code(input: &mut impl Read, largest: usize) -> io::Result<Option<Vec<u8>>> {
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
    use crate::protocol::{FromWorker, OwnedToWorker, Setup};
    let mut input = bytes;
    while let Ok(Some(frame)) = read(&mut input, 1 << 20) {
        let _ = decode::<FromWorker>(&frame);
        let _ = decode::<OwnedToWorker>(&frame);
        let _ = decode::<Setup>(&frame);
    }
    let _ = decode::<FromWorker>(bytes);
    let _ = decode::<OwnedToWorker>(bytes);
    let _ = decode::<Setup>(bytes);
}

/// Decodes a frame's message.
///
/// # Errors
/// When the bytes are no such message, or more follow.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(io::Error::other("bytes after a message")),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Decodes a message of another process, which is not trusted. Text and bytes take as much memory as they take of a frame; an empty
/// text takes one byte of a frame and dozens of memory. So there is an allowance for what is neither: for numbers, lengths and
/// choices, in bytes. What a message takes of it beyond a little is taken off.
///
/// # Errors
/// When the bytes are no such message, more follow, or the allowance is used up.
pub fn decode_within<T: DeserializeOwned>(bytes: &[u8], structure: &mut usize) -> io::Result<T> {
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
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{FromWorker, Hello};
    use crate::{
        CheckState, Checked, ComponentEvent, EntryFiles, FileCall, FileError, FileRecipients, GuestMessage, Outcome,
        SandboxLayer, Usage,
    };

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            take_anything(&bytes);
        }

        #[test]
        fn a_frame_with_a_changed_byte_is_a_message_or_none(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let told = FromWorker::Hello(Hello { engine: "engine-1".to_owned(), missing: SandboxLayer::ALL.to_vec() });
            let mut frame = encode(&told).unwrap().to_vec();
            frame.extend(encode(&FromWorker::Damaged("x".repeat(50))).unwrap().iter());
            let place = place.index(frame.len());
            frame[place] = byte;
            take_anything(&frame);
        }
    }

    #[test]
    fn parts_are_counted_and_bytes_are_not() {
        let message = |report: GuestMessage| encode(&FromWorker::Guest(report)).unwrap()[HEADER..].to_vec();
        let recipients = |count| vec![FileRecipients { file: String::new(), recipients: Vec::new() }; count];
        let checked = |count| {
            message(GuestMessage::Checked(Ok(Checked { recipients: recipients(count), state: CheckState::Present })))
        };
        let mut left = 1000;
        assert!(decode_within::<FromWorker>(&checked(10), &mut left).is_ok());
        assert_eq!(left, 1000);
        assert!(decode_within::<FromWorker>(&checked(400), &mut left).is_ok());
        assert!((200..300).contains(&left), "{left}");
        let error = decode_within::<FromWorker>(&checked(400), &mut left).unwrap_err();
        assert_eq!((error.to_string().as_str(), left), ("a message of too many parts", 0));
        // Many bytes are few parts.
        let files = EntryFiles::from([("f".to_owned(), vec![200; 1 << 20])]);
        let done = message(GuestMessage::Done(Ok(Outcome::Serialized(files)), Usage::default()));
        let FromWorker::Guest(GuestMessage::Done(Ok(Outcome::Serialized(files)), _)) =
            decode_within(&done, &mut left).unwrap()
        else {
            panic!("another message")
        };
        assert_eq!(files["f"], vec![200; 1 << 20]);
        let mut longer = done;
        longer.push(0);
        assert!(decode_within::<FromWorker>(&longer, &mut left).is_err());
    }

    #[test]
    fn a_file_system_call_that_does_not_exist_is_refused() {
        let event = |call, error| ComponentEvent::File { call, path: String::new(), error, count: 1, bytes: 0 };
        let told = |event| FromWorker::Guest(GuestMessage::Event(event));
        let bytes = |event| encode(&told(event)).unwrap()[HEADER..].to_vec();
        let last = (FileCall::Write, Some(FileError::CrossDevice));
        let fine = bytes(event(last.0, last.1));
        assert!(decode::<FromWorker>(&fine).is_ok());
        // The numbers of the last operation and of the last error, one more each.
        for number in [last.0 as u8, FileError::CrossDevice as u8] {
            let place = fine.iter().rposition(|byte| *byte == number).unwrap();
            let mut wrong = fine.clone();
            wrong[place] += 1;
            assert!(decode::<FromWorker>(&wrong).is_err(), "{wrong:?}");
        }
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
