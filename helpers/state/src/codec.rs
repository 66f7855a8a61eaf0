//! The encoding that all records of vassal's programs share: fields without names, in a fixed order.

use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;
use vassal_sys::error::{Context, SysError};
use vassal_sys::fds;

/// Writes a record. A number takes four bytes; a text is its length and its bytes; a list is its count and its items.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Appends a number.
    pub fn number(&mut self, number: i32) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Appends bytes of any length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as i32).0.extend_from_slice(bytes);
        self
    }

    /// Appends a boolean.
    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.number(flag.into())
    }

    /// Appends a time in milliseconds, up to 24 days.
    pub fn milliseconds(&mut self, time: Duration) -> &mut Self {
        self.number(i32::try_from(time.as_millis()).unwrap_or(i32::MAX))
    }

    /// Appends the number of a descriptor, or that there is none.
    pub fn descriptor(&mut self, number: Option<RawFd>) -> &mut Self {
        self.number(number.unwrap_or(-1))
    }

    /// Appends a list; `each` writes an item.
    pub fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) -> &mut Self {
        self.number(items.len() as i32);
        items.iter().for_each(|item| each(self, item));
        self
    }

    /// The bytes of the record.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Puts the record into a memfd, for [`Reader::from_memfd`].
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn into_memfd(self) -> Result<OwnedFd, SysError> {
        self.into_named_memfd("vassal-handoff")
    }

    /// Puts the record into a memfd with this name, which proc shows.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn into_named_memfd(self, name: &str) -> Result<OwnedFd, SysError> {
        let step = || "write a record for the next program";
        let mut file = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC).context(step)?);
        file.write_all(&self.0).context(step)?;
        Ok(file.into())
    }
}

/// Reads a record that [`Writer`] has made. Every function returns `None` when the record ends too early.
#[derive(Debug)]
pub struct Reader {
    bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    /// Reads the record `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads the record from descriptor `number`, and closes that.
    ///
    /// # Errors
    /// `EBADF` when nothing is open there; any error of read(2).
    pub fn from_memfd(number: RawFd) -> Result<Self, SysError> {
        Self::from_file(File::from(fds::adopt(number)?))
    }

    /// Reads the record in `file`.
    ///
    /// # Errors
    /// Any error of read(2).
    pub fn from_file(mut file: File) -> Result<Self, SysError> {
        let step = || "read a record";
        let mut bytes = Vec::new();
        file.rewind().context(step)?;
        file.read_to_end(&mut bytes).context(step)?;
        Ok(Self::new(bytes))
    }

    /// The next number.
    pub fn number(&mut self) -> Option<i32> {
        let bytes = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        bytes.try_into().ok().map(i32::from_le_bytes)
    }

    /// The next bytes.
    pub fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.number()?).ok()?;
        let bytes = self.bytes.get(self.at..self.at.checked_add(length)?)?.to_vec();
        self.at += length;
        Some(bytes)
    }

    /// The next bytes, which are UTF-8.
    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// The next list; `each` reads an item.
    pub fn list<T>(&mut self, each: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| each(self)).collect()
    }

    /// The next boolean.
    pub fn flag(&mut self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    /// The next descriptor's number. The inner `None` says that there is no such descriptor.
    pub fn descriptor(&mut self) -> Option<Option<RawFd>> {
        self.number().map(|number| (number >= 0).then_some(number))
    }

    /// The next bytes, a number of nanoseconds.
    pub fn nanoseconds(&mut self) -> Option<Duration> {
        let nanos = self.bytes()?.try_into().ok().map(u128::from_le_bytes)?;
        Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
    }

    /// The next number, of milliseconds.
    pub fn milliseconds(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(u64::try_from(self.number()?).ok()?))
    }
}

/// Makes `fd` survive the next exec, and returns its number for the record. The descriptor is only borrowed, and has to
/// stay open until the exec.
///
/// # Errors
/// None for a valid descriptor.
pub fn leave(fd: Option<BorrowedFd<'_>>) -> Result<Option<RawFd>, SysError> {
    let Some(fd) = fd else { return Ok(None) };
    fds::keep_over_exec(fd)?;
    Ok(Some(fd.as_raw_fd()))
}
