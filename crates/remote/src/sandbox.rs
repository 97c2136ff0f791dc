//! Limits for a process that runs linked code: what the code may write, whom it may reach, how much it may take.
//!
//! This is defence in depth. The process can read all that its user can, and a kernel has bugs: what is hostile belongs into a
//! virtual machine.

use std::io;
use std::path::Path;

/// Confines this process, and all that it starts, from now on and for good: it can write files in `scratch` alone, open no
/// sockets, do nothing to other processes, and take no more than plenty of memory, threads and files. It can still read
/// and execute what its user can. Threads that there are already are not confined, so this comes first.
///
/// # Errors
/// If the kernel does not offer that: Linux has it since version 5.13, unless it is configured otherwise.
#[cfg(target_os = "linux")]
pub fn confine(scratch: &Path) -> io::Result<()> {
    linux::limit_resources()?;
    linux::limit_files(scratch)?;
    linux::limit_calls()
}

/// As on Linux; no other system has that.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn confine(_scratch: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no sandbox that linkjit knows"))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::path::Path;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
        path_beneath_rules,
    };
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };

    /// More than programs take that are not out of control.
    const LIMITS: [(Resource, u64); 4] = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 4 << 30),
        (Resource::RLIMIT_NPROC, 4096),
        // What is only reserved does not count.
        (Resource::RLIMIT_DATA, 16 << 30),
    ];

    pub(super) fn limit_resources() -> io::Result<()> {
        for (resource, most) in LIMITS {
            let (soft, hard) = getrlimit(resource)?;
            setrlimit(resource, soft.min(most), hard.min(most))?;
        }
        Ok(())
    }

    /// The newest rules that this version of linkjit has been tested with. Older kernels have some of them.
    const NEWEST: ABI = ABI::V6;

    /// Without these there is no sandbox.
    const REQUIRED: ABI = ABI::V1;

    /// Devices that lose nothing when they are written to.
    const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

    pub(super) fn limit_files(scratch: &Path) -> io::Result<()> {
        let confined = || {
            let required = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
            let ruleset = required.handle_access(AccessFs::from_all(REQUIRED))?;
            let ruleset = ruleset.set_compatibility(CompatLevel::BestEffort);
            let ruleset = ruleset.handle_access(AccessFs::from_all(NEWEST))?;
            let ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?.scope(Scope::from_all(NEWEST))?;
            let ruleset = ruleset.create()?;
            let ruleset = ruleset.add_rules(path_beneath_rules(["/"], AccessFs::from_read(NEWEST)))?;
            let ruleset = ruleset.add_rules(path_beneath_rules(DEVICES, AccessFs::from_file(NEWEST)))?;
            ruleset.add_rules(path_beneath_rules([scratch], AccessFs::from_all(NEWEST)))?.restrict_self()
        };
        let none = |error: landlock::RulesetError| {
            io::Error::new(io::ErrorKind::Unsupported, format!("there is no sandbox without Landlock: {error}"))
        };
        confined().map(drop).map_err(none)
    }

    /// Calls that are refused as if the user had no right to make them. The first ones reach others over sockets; the next
    /// ones get around such filters, reach into other processes, or change the system.
    const REFUSED: &[libc::c_long] = &[
        libc::SYS_socket,
        libc::SYS_io_uring_setup,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_chroot,
        libc::SYS_pivot_root,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_fsopen,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_mount_setattr,
        libc::SYS_open_by_handle_at,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_reboot,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_clock_adjtime,
        libc::SYS_adjtimex,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_syslog,
    ];

    /// Controls of terminals that type in its user's place.
    const TYPING: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

    pub(super) fn limit_calls() -> io::Result<()> {
        let filter = || -> Result<BpfProgram, seccompiler::BackendError> {
            let mut rules: std::collections::BTreeMap<_, _> = REFUSED.iter().map(|&call| (call, vec![])).collect();
            let is = |control| SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, control);
            let typing = TYPING.iter().map(|&control| SeccompRule::new(vec![is(control)?]));
            rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
            let refused = SeccompAction::Errno(libc::EACCES.cast_unsigned());
            let architecture = std::env::consts::ARCH.try_into()?;
            SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture)?.try_into()
        };
        let filter = filter().map_err(io::Error::other)?;
        seccompiler::apply_filter(&filter).map_err(io::Error::other)
    }
}
