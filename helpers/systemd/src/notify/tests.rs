use super::*;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::io::IoSliceMut;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use vassal_sys::fds;

/// A systemd that reads only when it is told to.
struct Manager(UnixDatagram, PathBuf);

impl Manager {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vassal-notify-{}-{name}", std::process::id()));
        Self(UnixDatagram::bind(&path).unwrap(), path)
    }

    fn notifier(&self) -> Notifier {
        Notifier::connect(Some(self.1.to_str().unwrap().as_bytes())).unwrap()
    }

    /// Lets others fill the queue; how many messages it took.
    fn fill(&self) -> usize {
        (0..)
            .take_while(|_| {
                let other = UnixDatagram::unbound().unwrap();
                other.set_nonblocking(true).unwrap();
                other.connect(&self.1).unwrap();
                other.send(b"WATCHDOG=1\n").is_ok()
            })
            .count()
    }

    fn hear(&self) -> (String, usize) {
        let mut text = [0; 1024];
        let mut control = nix::cmsg_space!([std::os::fd::RawFd; 8]);
        let (length, fds) = {
            let mut buffers = [IoSliceMut::new(&mut text)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let heard = recvmsg::<UnixAddr>(self.0.as_raw_fd(), &mut buffers, Some(&mut control), flags);
            let heard = heard.unwrap();
            let mut count = 0;
            for message in heard.cmsgs().unwrap() {
                if let ControlMessageOwned::ScmRights(numbers) = message {
                    count += numbers.len();
                    numbers.into_iter().for_each(|fd| drop(fds::adopt(fd)));
                }
            }
            (heard.bytes, count)
        };
        (String::from_utf8_lossy(&text[..length]).into_owned(), fds)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        std::fs::remove_file(&self.1).ok();
    }
}

#[test]
fn what_does_not_fit_is_kept_in_order_and_news_replace_what_is_old() {
    let manager = Manager::new("order");
    let notifier = manager.notifier();
    let others = manager.fill();
    let status = |text: &'static str| [NotifyState::Watchdog, NotifyState::Status(text)];
    notifier.send(&[NotifyState::MainPid(7)]).unwrap();
    notifier.store("listen", manager.0.as_fd()).unwrap();
    notifier
        .send(&[
            NotifyState::Ready,
            NotifyState::Status("old"),
            NotifyState::Watchdog,
        ])
        .unwrap();
    notifier.send(&status("older")).unwrap();
    notifier.send(&[NotifyState::Watchdog]).unwrap();
    notifier.send(&status("new\nREADY=1 \\")).unwrap();
    notifier.forget("listen").unwrap();
    notifier
        .send(&[NotifyState::Status("lost"), NotifyState::WatchdogTrigger])
        .unwrap();
    assert!(!notifier.is_read());
    assert!(!notifier.deliver(Duration::from_millis(20), None).unwrap());
    let heard = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            (0..others).for_each(|_| drop(manager.hear()));
            (0..6).map(|_| manager.hear()).collect::<Vec<_>>()
        });
        assert!(notifier.deliver(Duration::from_secs(10), None).unwrap());
        reader.join().unwrap()
    });
    let expected = [
        ("MAINPID=7\n", 0),
        ("FDSTORE=1\nFDNAME=listen\n", 1),
        ("READY=1\nWATCHDOG=1\n", 0),
        ("WATCHDOG=1\n", 0),
        ("FDSTOREREMOVE=1\nFDNAME=listen\n", 0),
        ("STATUS=lost\nWATCHDOG=trigger\n", 0),
    ];
    let heard: Vec<_> = heard.iter().map(|(text, fds)| (text.as_str(), *fds)).collect();
    assert_eq!(heard, expected);
    assert!(notifier.is_read());
    notifier.send(&[NotifyState::Watchdog]).unwrap();
    assert!(!notifier.is_read());
    assert_eq!(manager.hear().0, "WATCHDOG=1\n");
    assert!(notifier.is_read());
}

#[test]
fn what_a_start_says_is_gathered_into_as_few_messages_as_can_be() {
    let manager = Manager::new("gather");
    let notifier = manager.notifier();
    notifier.gather();
    notifier.store("memo", manager.0.as_fd()).unwrap();
    notifier.send(&[NotifyState::ExtendTimeoutUsec(9)]).unwrap();
    notifier.store("listen", manager.0.as_fd()).unwrap();
    notifier.send(&[NotifyState::MainPid(7)]).unwrap();
    assert!(notifier.deliver(Duration::from_secs(1), None).unwrap());
    let memo = "FDSTORE=1\nFDNAME=memo\nEXTEND_TIMEOUT_USEC=9\n";
    assert_eq!(manager.hear(), (memo.to_owned(), 1));
    let listen = "FDSTORE=1\nFDNAME=listen\nMAINPID=7\n";
    assert_eq!(manager.hear(), (listen.to_owned(), 1));
    notifier.send(&[NotifyState::Ready]).unwrap();
    assert_eq!(manager.hear(), ("READY=1\n".to_owned(), 0));
}

#[test]
fn nothing_is_said_before_the_main_process_before_this_one_has_ended() {
    let manager = Manager::new("turn");
    let notifier = manager.notifier();
    notifier.gather();
    notifier.send(&[NotifyState::MainPid(7)]).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    notifier.speak_after(theirs.into());
    notifier.send(&[NotifyState::Ready]).unwrap();
    let is_turn = notifier.interest(|interest| matches!(interest, Interest::Readable(_)));
    assert!(is_turn);
    assert!(!notifier.deliver(Duration::from_millis(10), None).unwrap());
    drop(ours);
    assert!(notifier.deliver(Duration::from_secs(1), None).unwrap());
    assert_eq!(manager.hear().0, "READY=1\n");
}
