//! Compiles the system-call filter of the apps (`src/process/seccomp.rs`): seccompiler does it here, at build time, so a start only
//! hands a finished program to the kernel and no crate is added to the programs that run as root.

#[path = "src/process/denied_calls.rs"]
mod denied_calls;

use denied_calls::{DENIED, DENIED_WITH_NEWUSER, OPEN_TREE_ATTR};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};
use syscalls::{aarch64, x86_64};

/// Numbers with this bit are those of x32 (arch/x86 `__X32_SYSCALL_BIT`), an ABI that the architecture in seccomp_data does
/// not tell from x86-64; on other architectures no number has it.
const X32_BIT: u32 = 0x4000_0000;
/// Where the number has been loaded: after the three instructions that check the architecture, and the load.
const NUMBER_IS_LOADED: usize = 4;

const JUMP_IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/process/denied_calls.rs");
    let target = env::var("CARGO_CFG_TARGET_ARCH")?;
    let program = program(TargetArch::try_from(target.as_str())?)?;
    let instructions = program.iter().map(|it| {
        let sock_filter { code, jt, jf, k } = it;
        format!("libc::sock_filter {{ code: {code}, jt: {jt}, jf: {jf}, k: {k} }},\n")
    });
    let text = format!("&[\n{}]\n", instructions.collect::<String>());
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("seccomp.in"), text)?;
    Ok(())
}

/// The number of a system call on the machine that the filter is for, which need not be the one that compiles it.
fn number(target: TargetArch, name: &str) -> Result<i64, Box<dyn Error>> {
    let unknown = || format!("no system call '{name}' on {target:?}");
    let number = match target {
        TargetArch::x86_64 => name.parse::<x86_64::Sysno>().map_err(|()| unknown())? as i64,
        TargetArch::aarch64 => name.parse::<aarch64::Sysno>().map_err(|()| unknown())? as i64,
        TargetArch::riscv64 => return Err(unknown().into()),
    };
    Ok(number)
}

/// The filter: EPERM for what is denied. ENOSYS, as from a kernel that does not know them, for x32 and for clone3, whose
/// flags a filter cannot read: a C library then uses clone.
fn program(target: TargetArch) -> Result<BpfProgram, Box<dyn Error>> {
    let newuser = libc::CLONE_NEWUSER as u64;
    let has_newuser = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(newuser),
        newuser,
    )?;
    let mut rules = BTreeMap::from([(OPEN_TREE_ATTR.1, Vec::new())]);
    for name in DENIED {
        rules.insert(number(target, name)?, Vec::new());
    }
    for name in DENIED_WITH_NEWUSER {
        rules.insert(
            number(target, name)?,
            vec![SeccompRule::new(vec![has_newuser.clone()])?],
        );
    }
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let mut program: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Allow, denied, target)?.try_into()?;
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    // Every jump of the program is relative and none crosses this place.
    program.splice(
        NUMBER_IS_LOADED..NUMBER_IS_LOADED,
        [
            instruction(JUMP_IF_AT_LEAST, 1, 0, X32_BIT),
            instruction(JUMP_IF_EQUAL, 0, 1, u32::try_from(number(target, "clone3")?)?),
            instruction(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        ],
    );
    Ok(program)
}
