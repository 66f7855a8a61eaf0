//! What the machine answers, on a scratch directory.

use super::*;
use crate::machine::exec_source;

/// A directory of its own, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vassal-config-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Scratch(path.canonicalize().expect("it is there"))
    }

    fn system(&self) -> System {
        System::new(
            [(b"PATH".to_vec(), b"/usr/bin:/bin".to_vec())].into(),
            self.0.clone(),
        )
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("it was ours");
    }
}

#[test]
fn relative_paths_start_at_the_given_directory() {
    let scratch = Scratch::new("relative");
    fs::create_dir(scratch.0.join("d")).expect("made");
    fs::write(scratch.0.join("d/f"), "text").expect("written");
    std::os::unix::fs::symlink("d/f", scratch.0.join("l")).expect("linked");
    let system = scratch.system();
    assert_eq!(system.read_file(b"d/f", 4), Ok(b"text".to_vec()));
    assert_eq!(system.read_file(b"l", 3), Err(ReadError::TooLarge { limit: 3 }));
    assert_eq!(system.read_file(b"d", 9), Err(ReadError::Directory));
    assert_eq!(system.read_file(b"", 9), Err(ReadError::Failed { errno: ENOENT }));
    assert_eq!(system.list_dir(b"d"), Ok(vec![b"f".to_vec()]));
    assert_eq!(system.list_dir(b""), Err(ReadError::Failed { errno: ENOENT }));
    assert_eq!(
        system.realpath(b"./d/../l"),
        Ok(scratch.0.join("d/f").into_os_string().into_vec())
    );
    assert!(system.is_symlink(b"l") && system.is_file(b"l") && system.is_readable(b"d"));
    assert!(system.is_dir(b"d") && !system.is_dir(b"l") && !system.is_readable(b"nope"));
    assert_ne!(system.inode(b"l"), system.inode(b"d/f"));
}

#[test]
fn a_fifo_and_a_device_are_refused_at_once() {
    let scratch = Scratch::new("fifo");
    let system = scratch.system();
    let made = exec_source::run(b"mkfifo p", system.environment(), &scratch.0, 100, SOURCE_TIME);
    assert_eq!(made, Ok(Vec::new()));
    assert_eq!(system.read_file(b"p", 100), Err(ReadError::NotAFile));
    assert_eq!(system.read_file(b"/dev/zero", 100), Err(ReadError::NotAFile));
    assert!(system.is_readable(b"p"));
}

#[test]
fn commands_run_in_the_given_directory_and_environment() {
    let scratch = Scratch::new("command");
    let wanted = [scratch.0.as_os_str().as_bytes(), b" [/usr/bin:/bin] []\n"].concat();
    assert_eq!(
        scratch.system().run(b"echo $PWD [$PATH] [$HOME]", 1000),
        Ok(wanted)
    );
}

#[test]
fn root_is_known_and_the_network_is_not_asked() {
    let system = Scratch::new("names").system();
    assert_eq!(system.user_name(0), Some(b"root".to_vec()));
    assert_eq!(system.group_id(b"root"), Some(0));
    assert!(system.cpus() > 0 && !system.hostname().is_empty());
    assert_eq!(system.resolve(b"127.1.2.3"), Ok(b"127.1.2.3".to_vec()));
    assert!(matches!(
        system.fetch(b"localhost/x", 1),
        Err(ReadError::Refused { .. })
    ));
    assert!(matches!(
        system.read_fd(9_999_999, 1),
        Err(ReadError::Failed { .. })
    ));
}

#[test]
fn a_file_that_was_read_before_is_not_read_again() {
    let place = Scratch::new("read-before");
    let path = place.0.join("u.ini");
    fs::write(&path, "swapped").expect("it can be written");
    let system = place.system().with_file(
        path,
        Trusted {
            content: b"checked".to_vec(),
            open: Vec::new(),
        },
    );
    assert_eq!(system.read_file(b"u.ini", 100), Ok(b"checked".to_vec()));
    assert!(matches!(
        system.read_file(b"u.ini", 3),
        Err(ReadError::TooLarge { limit: 3 })
    ));
}
