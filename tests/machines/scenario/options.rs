//! Options of a vassal's file, and of the emperor's, that vassal does itself and that are no hooks.

use vassal_tests::{Machine, Owner, Suite, seed};

use crate::LIMIT;
use crate::vassals::{
    UNIT, assert_refused, drop_in, fails_to_start, get, inner_pids, machine, namespace, uwsgi,
};

const EMPEROR: &str = "/etc/vassal/emperor.ini";

/// Starts the first vassal with these lines beside its own.
fn started_with(machine: &Machine, lines: &str) {
    drop_in(machine, "user001", &format!("{}{lines}", seed::ZIP));
    machine.must(&["systemctl", "start", UNIT]);
    machine.poll_http(9090, "/", LIMIT);
}

fn content(machine: &Machine, path: &str) -> String {
    machine.must(&["cat", path])
}

#[test]
fn a_log_and_a_pidfile_where_only_root_may_write_are_opened_by_root() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must(&["mkdir", "--mode=0755", "/var/log/vassals"]);
        // /var/run is a link, but root's.
        started_with(
            &machine,
            "logto = /var/log/vassals/user001.log\npidfile = /var/run/user001.pid\n",
        );
        machine.wait_for("the app's words in its log", LIMIT, || {
            let log = content(&machine, "/var/log/vassals/user001.log");
            if log.contains("spawned uWSGI worker 1") {
                Ok(())
            } else {
                Err(log)
            }
        });
        let status = machine.must(&["stat", "--format=%a %U", "/var/log/vassals/user001.log"]);
        assert_eq!(status.trim(), "640 root");
        let pid: u32 = content(&machine, "/run/user001.pid").trim().parse().unwrap();
        assert!(inner_pids(&machine, UNIT).contains(&pid), "{pid}");
        assert_ne!(pid, 1);
    }
}

#[test]
fn a_link_of_a_tenants_leads_root_nowhere() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must_sh(
            "mkdir /srv/tenant; echo precious > /etc/precious; ln -s /etc/precious /srv/tenant/app.log;
             ln -s /etc /srv/tenant/logs; chown --no-dereference --recursive user001 /srv/tenant",
        );
        for line in [
            "logto = /srv/tenant/app.log\n",
            "pidfile = /srv/tenant/logs/precious\n",
            "envdir = /srv/tenant/logs\n",
            "hook-as-root = write:/srv/tenant/app.log x\n",
        ] {
            drop_in(&machine, "user001", &format!("{}{line}", seed::ZIP));
            fails_to_start(&machine, UNIT);
            let option = line.split(" = ").next().unwrap();
            let place = if option.starts_with("hook-") {
                "as-root hook"
            } else {
                option
            };
            let told = format!("user001.ini:11: {place}");
            let line = machine.wait_for_journal(UNIT, &told, LIMIT);
            assert!(line.contains("a symbolic link that is not root's"), "{line}");
            machine.must(&["systemctl", "stop", UNIT]);
            assert_eq!(content(&machine, "/etc/precious"), "precious", "{line}");
        }
    }
}

#[test]
fn cap_leaves_the_app_these_capabilities_and_no_other() {
    for suite in Suite::all() {
        let machine = machine(suite);
        started_with(&machine, "cap = net_bind_service\n");
        let status = get(&machine, 9090, "/status");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(
                status.contains(&format!("{set}:\t0000000000000400")),
                "{set}: {status}"
            );
        }
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
}

#[test]
fn unshare_is_for_this_vassal_and_from_its_place_in_the_order_on() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must(&["mkdir", "--mode=0777", "/srv/seen"]);
        started_with(
            &machine,
            "unshare = uts,ipc\n\
             exec-in-jail = readlink /proc/self/ns/uts > /srv/seen/in-jail\n\
             hook-post-jail = hostname:inner\n\
             exec-as-user = readlink /proc/self/ns/uts > /srv/seen/as-user; hostname > /srv/seen/name\n",
        );
        let hosts = machine.must(&["readlink", "/proc/self/ns/uts"]);
        assert_eq!(content(&machine, "/srv/seen/in-jail"), hosts);
        let own = content(&machine, "/srv/seen/as-user");
        assert_ne!(own, hosts);
        assert_eq!(content(&machine, "/srv/seen/name").trim(), "inner");
        assert_ne!(machine.must(&["hostname"]).trim(), "inner");
        let app = namespace(uwsgi(&machine, UNIT), "uts");
        assert_eq!(app.to_str(), Some(own.trim()));
    }
}

#[test]
fn the_emperors_own_hooks_run_outside_and_their_failure_changes_nothing() {
    for suite in Suite::all() {
        let machine = machine(suite);
        let lines = "exec-as-emperor = echo $UWSGI_VASSAL_CONFIG $UWSGI_VASSAL_PID > /run/as-emperor; sleep 0.3\n\
                     exec-as-emperor = exit 3\n\
                     hook-as-emperor = mount:tmpfs t /mnt\n";
        machine.write(EMPEROR, format!("{}{lines}", seed::EMPEROR), 0o644, Owner::ROOT);
        started_with(&machine, "exec-as-root = cat /run/as-emperor > /run/as-root\n");
        let main = machine.unit(UNIT, "MainPID");
        assert_eq!(
            content(&machine, "/run/as-emperor").trim(),
            format!("user001.ini {main}")
        );
        // The vassal has waited for them.
        assert_eq!(
            content(&machine, "/run/as-root"),
            content(&machine, "/run/as-emperor")
        );
        machine.must(&["mountpoint", "/mnt"]);
        let line = machine.wait_for_journal(UNIT, "exited with 3, ignoring", LIMIT);
        assert!(line.contains("emperor.ini:5: as-emperor hook 'exit 3'"), "{line}");
    }
}

/// systemd tells the process that it has started, which runs these hooks, if it has not read yet which one comes after that.
#[test]
fn a_stop_during_the_emperors_own_hooks_is_passed_on() {
    for suite in Suite::all() {
        let machine = machine(suite);
        let line = "exec-as-emperor = echo $PPID > /run/first; exec sleep 20\n";
        machine.write(EMPEROR, format!("{}{line}", seed::EMPEROR), 0o644, Owner::ROOT);
        drop_in(&machine, "user001", seed::ZIP);
        machine.must(&["systemctl", "start", "--no-block", UNIT]);
        machine.must_sh("until [ -s /run/first ]; do sleep 0.02; done");
        assert_eq!(machine.unit(UNIT, "NRestarts"), "0");
        machine.must_sh("first=$(cat /run/first); rm /run/first; kill -TERM $first");
        // Nobody has asked systemd for a stop.
        machine.wait_for_unit(UNIT, "NRestarts", "1", LIMIT);
        // Now systemd asks the vassal itself, which does not wait for the hooks either.
        machine
            .must_sh("until [ -s /run/first ]; do sleep 0.02; done; timeout 5 systemctl stop vassal@user001");
    }
}

#[test]
fn a_stop_does_not_wait_for_what_a_hook_waits_for() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must(&["mkdir", "--mode=0777", "/srv/seen"]);
        for phase in ["as-root", "as-user"] {
            for wait in [
                "wait_for_file:/srv/never",
                "spinningfifo:/srv/never a",
                "wait_for_socket:127.0.0.1:1",
            ] {
                let mark = format!("/srv/seen/{phase}");
                let lines = format!(
                    "hook-{phase} = exec:touch {mark}\nhook-{phase} = {wait}\n[vassal]\nhook-timeout = 60s\n"
                );
                drop_in(&machine, "user001", &format!("{}{lines}", seed::ZIP));
                machine.must(&["systemctl", "start", "--no-block", UNIT]);
                machine.must_sh(&format!("until [ -e {mark} ]; do sleep 0.02; done; rm {mark}"));
                machine.must_sh("timeout 20 systemctl stop vassal@user001");
                assert_eq!(machine.unit(UNIT, "NRestarts"), "0", "{phase} {wait}");
            }
        }
    }
}

/// The words of a command are executed without a shell where that would do nothing else.
#[test]
fn a_plain_command_has_no_shell_and_sees_what_one_would_give_it() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must(&["mkdir", "--mode=0777", "/srv/seen"]);
        machine.write(
            "/usr/local/bin/seen",
            "#!/bin/sh\ncat /proc/$PPID/comm > $1.parent; tr '\\0' '\\n' < /proc/$$/environ | sort > $1\n",
            0o755,
            Owner::ROOT,
        );
        started_with(
            &machine,
            "exec-as-root = seen /srv/seen/root\n\
             exec-as-root = seen /srv/seen/root-shell; true\n\
             hook-as-user = chdir:/tmp\n\
             exec-as-user = seen /srv/seen/user\n\
             exec-as-user = seen /srv/seen/user-shell; true\n",
        );
        for who in ["root", "user"] {
            let [plain, shell] = [format!("/srv/seen/{who}"), format!("/srv/seen/{who}-shell")];
            let parents = [&plain, &shell].map(|path| content(&machine, &format!("{path}.parent")));
            assert_eq!(parents.map(|name| name.trim() == "sh"), [false, true]);
            let variables = content(&machine, &plain);
            assert!(variables.contains("PWD=/"), "{variables}");
            assert_eq!(variables, content(&machine, &shell));
        }
    }
}

#[test]
fn the_start_and_stop_hooks_are_given_the_file() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.write(
            "/usr/local/bin/told",
            "#!/bin/sh\necho \"$(basename $0) $* $UWSGI_VASSALS_DIR $PWD\" >> /run/told\nexit 3\n",
            0o755,
            Owner::ROOT,
        );
        let lines = "vassals-start-hook = /usr/local/bin/told\nvassals-stop-hook = /usr/local/bin/told\n";
        machine.write(EMPEROR, format!("{}{lines}", seed::EMPEROR), 0o644, Owner::ROOT);
        started_with(&machine, "");
        let once = "told user001.ini /etc/uwsgi/vassals /etc/uwsgi/vassals";
        assert_eq!(content(&machine, "/run/told"), once);
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(content(&machine, "/run/told"), format!("{once}\n{once}"));
        assert_eq!(machine.unit(UNIT, "Result"), "success");
    }
}

#[test]
fn a_limit_of_a_control_group_is_the_units() {
    for suite in Suite::all() {
        let machine = machine(suite);
        started_with(
            &machine,
            "cgroup = /sys/fs/cgroup/users/user001\ncgroup-opt = memory.limit_in_bytes=268435456\n\
             cgroup-opt = devices.deny=a\n",
        );
        assert_eq!(machine.unit(UNIT, "MemoryMax"), "268435456");
        machine.wait_for_journal(UNIT, "user001.ini:11: 'cgroup' has no effect", LIMIT);
        machine.wait_for_journal(
            UNIT,
            "user001.ini:13: 'cgroup-opt = devices.deny=a' has no effect",
            LIMIT,
        );
    }
}

#[test]
fn what_is_waited_for_is_there_or_the_start_fails() {
    for suite in Suite::all() {
        let machine = machine(suite);
        let lines = "wait-for-interface = lo\nwait-for-mountpoint = /proc\nwait-for-file = /run/come\n\
                     wait-for-fs-timeout = 1\n";
        drop_in(&machine, "user001", &format!("{}{lines}", seed::ZIP));
        fails_to_start(&machine, UNIT);
        let told = "user001.ini:13: wait-for-file: path '/run/come' did not appear within 1 s";
        machine.wait_for_journal(UNIT, told, LIMIT);
        machine.must(&["systemctl", "stop", UNIT]);
        machine.must(&["touch", "/run/come"]);
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(9090, "/", LIMIT);
    }
}

#[test]
fn an_envdir_is_read_by_root_and_gives_the_app_its_variables() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must_sh(
            "mkdir --mode=0700 /srv/env; printf 'two\\nlines \\n' > /srv/env/SECRET; : > /srv/env/GONE;
             printf dir > /srv/env/BOTH",
        );
        started_with(&machine, "envdir = /srv/env\nenv = BOTH=env\nenv = GONE=here\n");
        let environment =
            std::fs::read_to_string(format!("/proc/{}/environ", uwsgi(&machine, UNIT))).unwrap();
        let variables: Vec<_> = environment.split('\0').collect();
        assert!(variables.contains(&"SECRET=two\nlines"), "{variables:?}");
        assert!(variables.contains(&"BOTH=dir"), "{variables:?}");
        assert!(
            !variables.iter().any(|variable| variable.starts_with("GONE=")),
            "{variables:?}"
        );
    }
}

#[test]
fn another_program_takes_uwsgis_place_as_the_user() {
    for suite in Suite::all() {
        let machine = machine(suite);
        let patch = "unprivileged-binary-patch-arg = exec python3 -m http.server 9090 --directory /app\n";
        started_with(&machine, patch);
        let server = machine.pid_of(UNIT, "python3");
        let status = std::fs::read_to_string(format!("/proc/{server}/status")).unwrap();
        assert!(status.contains("Uid:\t20001\t20001"), "{status}");
        machine.must(&["systemctl", "stop", UNIT]);
        machine.must(&["cp", "/usr/bin/uwsgi-core", "/usr/local/bin/my-uwsgi"]);
        started_with(&machine, "unprivileged-binary-patch = /usr/local/bin/my-uwsgi\n");
        assert!(machine.pids_of(UNIT, "my-uwsgi").len() > 1, "{}", machine.state());
    }
}

#[test]
fn what_is_refused_names_what_to_write_instead() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", &format!("{}ns = /srv/root\n", seed::ZIP));
        let status = fails_to_start(&machine, UNIT);
        assert!(
            status.stdout.contains("user001.ini:11: 'ns' is not supported: "),
            "{status}"
        );
        assert!(
            status.stdout.contains("write emperor-use-clone in emperor.ini"),
            "{status}"
        );
        assert_refused(&machine, UNIT);
    }
}
