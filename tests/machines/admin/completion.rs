//! The completion of command lines, as three shells do it.

use vassal_tests::{Boot, Layer, Machine, Owner, Suite, installed, on_each_suite};

use crate::scene::{SLEEPER, VASSALS};

/// bash, asked as its own completion is by readline.
const BASH: &str = "COMP_WORDS=(vassalctl status web); COMP_CWORD=2; COMP_TYPE=9; \
                    . /usr/share/bash-completion/completions/vassalctl; \
                    _vassalctl vassalctl web status; printf '%s' \"${COMPREPLY[*]}\"; \
                    COMP_WORDS=(vassalctl status odd); _vassalctl vassalctl odd status; printf ' %s' \"${COMPREPLY[*]}\"";

/// A zsh on a terminal of its own, in which somebody presses the tabulator for the first time.
const ZSH: &str = "zmodload zsh/zpty; zpty shell zsh -f -i; \
                   zpty -w shell 'autoload -U compinit; compinit -D -u; unsetopt zle_bracketed_paste; echo rea\"\"dy'; \
                   zpty -r shell seen '*ready*'; \
                   zpty -w -n shell $'vassalctl status web\\t'; \
                   zpty -r shell seen '*web-shop*' && echo web-shop";

fn machine(suite: Suite) -> Machine {
    let shells = Layer::with_debian(suite, &["fish", "zsh"]).unwrap();
    let machine = Boot::of(suite)
        .layer(&shells)
        .layer(&installed(suite))
        .start()
        .unwrap();
    for name in ["web-shop", "odd; a*"] {
        machine.write(format!("{VASSALS}/{name}.ini"), SLEEPER, 0o644, Owner::ROOT);
    }
    machine
}

#[test]
fn shells_complete_the_names_of_vassals_and_of_options() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        assert_eq!(
            machine.must(&["bash", "-c", BASH]).trim(),
            r"web-shop odd\;\ a\*",
            "{suite}: bash"
        );
        let zsh = machine.must(&["timeout", "30", "zsh", "-fc", ZSH]);
        assert_eq!(zsh, "web-shop", "{suite}: zsh");
        // Where the layers of both packages have a directory, the one above hides the other's: fish does not find the file by itself.
        let fish = |line: &str| {
            let script = "/usr/share/fish/vendor_completions.d/vassalctl.fish";
            machine.must(&["fish", "-c", &format!("source {script}; complete -C '{line}'")])
        };
        let names = fish("vassalctl status web");
        assert!(names.starts_with("web-shop"), "{suite}: {names:?}");
        let options = fish("vassalctl options mountpoint-c");
        assert!(options.starts_with("mountpoint-check"), "{suite}: {options}");
        let formats = fish("vassalctl list --output=json");
        assert!(formats.contains("--output=json-pretty"), "{suite}: {formats}");
        let looks = fish("vassalctl status --col");
        assert!(looks.starts_with("--color"), "{suite}: {looks}");
        let verbs = fish("vassalctl maint");
        assert!(verbs.starts_with("maintenance"), "{suite}: {verbs}");
    });
}
