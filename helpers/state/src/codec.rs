//! The one format of all records that a program leaves: fields without names, in their order.

use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;
use vassal_sys::error::{Context, SysError};
use vassal_sys::fds;

/// Fields one after the other: a number is four bytes, a text its length and its bytes, a list its count and its
/// items.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Adds a number.
    pub fn number(&mut self, number: i32) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Adds bytes of any length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as i32).0.extend_from_slice(bytes);
        self
    }

    /// Adds a fact.
    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.number(flag.into())
    }

    /// Adds a time, in milliseconds, up to 24 days.
    pub fn milliseconds(&mut self, time: Duration) -> &mut Self {
        self.number(i32::try_from(time.as_millis()).unwrap_or(i32::MAX))
    }

    /// Adds the number of a descriptor, if there is one.
    pub fn descriptor(&mut self, number: Option<RawFd>) -> &mut Self {
        self.number(number.unwrap_or(-1))
    }

    /// Adds a list, each item by `each`.
    pub fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) -> &mut Self {
        self.number(items.len() as i32);
        items.iter().for_each(|item| each(self, item));
        self
    }

    /// The record.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The record in a memfd, read from its beginning by [`Reader::from_memfd`].
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn into_memfd(self) -> Result<OwnedFd, SysError> {
        self.into_named_memfd("vassal-handoff")
    }

    /// The same in a memfd of this name, which proc shows.
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

/// The other end of [`Writer`]; every function gives `None` at a record that ends too early.
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

    /// Reads the record in descriptor `number`, which is closed.
    ///
    /// # Errors
    /// `EBADF` when nothing is open there, what else read(2) says.
    pub fn from_memfd(number: RawFd) -> Result<Self, SysError> {
        Self::from_file(File::from(fds::adopt(number)?))
    }

    /// Reads the record in `file`.
    ///
    /// # Errors
    /// What read(2) says.
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

    /// The next list, each item by `each`.
    pub fn list<T>(&mut self, each: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| each(self)).collect()
    }

    /// The next fact.
    pub fn flag(&mut self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    /// The next number of a descriptor, which may say that there is none.
    pub fn descriptor(&mut self) -> Option<Option<RawFd>> {
        self.number().map(|number| (number >= 0).then_some(number))
    }

    /// The next bytes, as nanoseconds.
    pub fn nanoseconds(&mut self) -> Option<Duration> {
        let nanos = self.bytes()?.try_into().ok().map(u128::from_le_bytes)?;
        Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
    }

    /// The next number, as milliseconds.
    pub fn milliseconds(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(u64::try_from(self.number()?).ok()?))
    }
}

/// The number of a descriptor that is left to the next program: it survives the exec from here on. It is borrowed,
/// and must stay open until then.
///
/// # Errors
/// None for a valid descriptor.
pub fn leave(fd: Option<BorrowedFd<'_>>) -> Result<Option<RawFd>, SysError> {
    let Some(fd) = fd else { return Ok(None) };
    fds::keep_over_exec(fd)?;
    Ok(Some(fd.as_raw_fd()))
}
