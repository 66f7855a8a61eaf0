//! Reads the users and groups of the present root directory, through descriptors.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use vassal_config::machine::accounts;
use vassal_config::machine::accounts::Accounts;
use vassal_config::machine::world::ReadError;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, reach, stored};

/// The user id that the helpers run as.
const ROOT: u32 = 0;

/// The users and groups of the present root directory, by the rules of vassal-config's [`accounts`], which `vassalctl`
/// uses as well.
///
/// # Errors
/// As [`stored::find`]; `EFBIG` for a file over the limit.
pub fn accounts(proc: &Proc) -> Result<Accounts, SysError> {
    let [passwd, group] = accounts::FILES.map(|path| account_file(path, proc));
    Ok(Accounts::from_text(&passwd?, &group?))
}

/// Reads one of the files. A file that is not trusted is not opened: it may be on a tenant's filesystem.
fn account_file(path: &str, proc: &Proc) -> Result<Vec<u8>, SysError> {
    let step = || format!("read '{path}'");
    let Some(file) = stored::find(path)? else {
        return Ok(Vec::new());
    };
    let status = fstat(&file).context(step)?;
    if !accounts::is_trusted(status.st_uid, status.st_mode, ROOT) {
        return Ok(Vec::new());
    }
    let file = reach::reopen(proc, &file, OFlag::O_RDONLY).context(step)?;
    accounts::read(file.into(), ROOT).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &str, error: ReadError) -> SysError {
    let errno = match error {
        ReadError::TooLarge { .. } => Errno::EFBIG,
        ReadError::Failed { errno } => Errno::from_raw(errno),
        ReadError::Directory
        | ReadError::NotAFile
        | ReadError::TooSlow { .. }
        | ReadError::Refused { .. } => Errno::EINVAL,
    };
    SysError::new(format!("read '{path}'"), errno)
}
