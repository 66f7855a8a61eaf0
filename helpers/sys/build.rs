//! Compiles the filter of system calls for apps (`src/process/seccomp.rs`) at build time, so that a start only passes a
//! finished program to the kernel. The kernel runs every new filter once for each system call it knows, to find those
//! that are always allowed, and translates each instruction (kernel/seccomp.c). So the filter is a binary search over
//! the numbers: it is short, and so is every path through it.

#[path = "src/process/denied_calls.rs"]
mod denied_calls;

use denied_calls::{DENIED, DENIED_WITH_NEWUSER, OPEN_TREE_ATTR};
use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};
use syscalls::{aarch64, x86_64};

/// Numbers with this bit belong to x32 (arch/x86 `__X32_SYSCALL_BIT`), an ABI that has the same architecture in
/// seccomp_data as x86-64. On other architectures no number has the bit.
const X32_BIT: u32 = 0x4000_0000;
/// The offsets in seccomp_data of the number, the architecture, and the lower half of the first argument (seccomp(2))
/// on a little-endian machine.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
/// The numbers of the architectures in seccomp_data (linux/audit.h).
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;

/// What the filter does with a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    /// It fails with EPERM.
    Deny,
    /// It fails with EPERM if its first argument has CLONE_NEWUSER.
    DenyNewuser,
    /// It fails with ENOSYS, as on a kernel that does not have it.
    Unknown,
}

/// The target of a jump in the search.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A comparison, by its index.
    Comparison(usize),
    End(Verdict),
}

/// Tests whether the number is at least `from`, and where to jump in each case.
struct Comparison {
    from: u32,
    at_least: Target,
    less: Target,
}

struct Instruction {
    code: u32,
    if_true: u8,
    if_false: u8,
    value: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/process/denied_calls.rs");
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    let program = program(&architecture)?;
    let instructions = program.iter().map(|it| {
        let Instruction {
            code,
            if_true,
            if_false,
            value,
        } = it;
        format!("libc::sock_filter {{ code: {code}, jt: {if_true}, jf: {if_false}, k: {value} }},\n")
    });
    let text = format!("&[\n{}]\n", instructions.collect::<String>());
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("seccomp.in"), text)?;
    Ok(())
}

/// The number of a system call on the architecture that the filter is for, which need not be that of the compiler.
fn number(architecture: &str, name: &str) -> Result<u32, Box<dyn Error>> {
    let unknown = || format!("no system call '{name}' on {architecture}");
    let number = match architecture {
        "x86_64" => name.parse::<x86_64::Sysno>().map_err(|()| unknown())? as u32,
        "aarch64" => name.parse::<aarch64::Sysno>().map_err(|()| unknown())? as u32,
        _ => return Err(unknown().into()),
    };
    Ok(number)
}

/// The system calls that are not simply allowed. clone3 fails with ENOSYS, because a filter cannot read its flags; C
/// libraries then use clone.
fn verdicts(architecture: &str) -> Result<BTreeMap<u32, Verdict>, Box<dyn Error>> {
    let mut verdicts = BTreeMap::from([(OPEN_TREE_ATTR.1, Verdict::Deny)]);
    for name in DENIED {
        verdicts.insert(number(architecture, name)?, Verdict::Deny);
    }
    for name in DENIED_WITH_NEWUSER {
        verdicts.insert(number(architecture, name)?, Verdict::DenyNewuser);
    }
    verdicts.insert(number(architecture, "clone3")?, Verdict::Unknown);
    Ok(verdicts)
}

/// The numbers at which the verdict changes, in order.
fn changes(verdicts: &BTreeMap<u32, Verdict>) -> Vec<(u32, Verdict)> {
    let mut changes = vec![(0, Verdict::Allow)];
    let verdict = |number: u32| verdicts.get(&number).copied().unwrap_or(Verdict::Allow);
    let candidates = verdicts.keys().flat_map(|number| [*number, number + 1]);
    for (from, verdict) in candidates.map(|number| (number, verdict(number))) {
        if changes.last().is_some_and(|(_, before)| *before != verdict) {
            changes.push((from, verdict));
        }
    }
    changes.push((X32_BIT, Verdict::Unknown));
    changes
}

/// Makes the search among `changes` and returns its entry: the first comparison, or the verdict where there is only
/// one.
fn search(changes: &[(u32, Verdict)], comparisons: &mut Vec<Comparison>) -> Target {
    if let [(_, verdict)] = changes {
        return Target::End(*verdict);
    }
    let (less, at_least) = changes.split_at(changes.len() / 2);
    let place = comparisons.len();
    let nowhere = Target::End(Verdict::Deny);
    comparisons.push(Comparison {
        from: at_least[0].0,
        at_least: nowhere,
        less: nowhere,
    });
    comparisons[place].less = search(less, comparisons);
    comparisons[place].at_least = search(at_least, comparisons);
    Target::Comparison(place)
}

fn program(architecture: &str) -> Result<Vec<Instruction>, Box<dyn Error>> {
    let audit = match architecture {
        "x86_64" => AUDIT_ARCH_X86_64,
        "aarch64" => AUDIT_ARCH_AARCH64,
        other => return Err(format!("no filter of system calls for {other}").into()),
    };
    let mut comparisons = Vec::new();
    search(&changes(&verdicts(architecture)?), &mut comparisons);
    let mut program = vec![
        load(ARCHITECTURE),
        jump(BPF_JEQ, audit, 1, 0),
        end(SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    for (place, comparison) in comparisons.iter().enumerate() {
        let Comparison { from, at_least, less } = comparison;
        let distance = |target: &Target| u8::try_from(index(*target, comparisons.len()) - place - 1);
        program.push(jump(BPF_JGE, *from, distance(at_least)?, distance(less)?));
    }
    // The verdicts, in the order of `index`.
    program.extend([
        load(FIRST_ARGUMENT),
        jump(BPF_JSET, libc::CLONE_NEWUSER as u32, 0, 1),
        end(SECCOMP_RET_ERRNO | libc::EPERM as u32),
        end(SECCOMP_RET_ALLOW),
        end(SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
    ]);
    Ok(program)
}

/// The offset of a target from the first instruction of the search, which has `comparisons` comparisons.
fn index(target: Target, comparisons: usize) -> usize {
    match target {
        Target::Comparison(place) => place,
        Target::End(Verdict::DenyNewuser) => comparisons,
        Target::End(Verdict::Deny) => comparisons + 2,
        Target::End(Verdict::Allow) => comparisons + 3,
        Target::End(Verdict::Unknown) => comparisons + 4,
    }
}

fn load(offset: u32) -> Instruction {
    Instruction {
        code: BPF_LD | BPF_W | BPF_ABS,
        if_true: 0,
        if_false: 0,
        value: offset,
    }
}

fn jump(condition: u32, value: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction {
        code: BPF_JMP | condition | BPF_K,
        if_true,
        if_false,
        value,
    }
}

fn end(value: u32) -> Instruction {
    Instruction {
        code: BPF_RET | BPF_K,
        if_true: 0,
        if_false: 0,
        value,
    }
}
