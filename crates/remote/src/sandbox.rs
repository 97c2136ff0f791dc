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
/// If `scratch` is no directory, or the kernel offers no such confinement: Linux does since version 5.13, unless it is
/// configured otherwise.
#[cfg(target_os = "linux")]
pub fn confine(scratch: &Path) -> io::Result<()> {
    // Rules for files that are not there would hold for nothing.
    std::fs::read_dir(scratch)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", scratch.display())))?;
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
        // Memory that is only reserved does not count.
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
        // Memory, queues and semaphores that all processes of the user can find. No ruleset of Landlock holds for them.
        libc::SYS_shmget,
        libc::SYS_shmat,
        libc::SYS_shmctl,
        libc::SYS_semget,
        libc::SYS_semop,
        libc::SYS_semtimedop,
        libc::SYS_semctl,
        libc::SYS_msgget,
        libc::SYS_msgsnd,
        libc::SYS_msgrcv,
        libc::SYS_msgctl,
        libc::SYS_mq_open,
        libc::SYS_mq_unlink,
    ];

    /// Some kernels have the calls of x86-64 a second time, for programs with short pointers: with this in the number.
    #[cfg(target_arch = "x86_64")]
    const SHORT: libc::c_long = 0x4000_0000;

    /// The numbers there of `ptrace`, `kexec_load`, `process_vm_readv` and `process_vm_writev`, and that of `ioctl`, which are
    /// others.
    #[cfg(target_arch = "x86_64")]
    const REFUSED_SHORT: [libc::c_long; 5] = [SHORT | 521, SHORT | 528, SHORT | 539, SHORT | 540, SHORT | 514];

    /// The bits of the flags of `clone` that make new namespaces. In one of its own a process has rights that its user lacks,
    /// and reaches parts of the kernel that are for the system's administrator otherwise.
    const NAMESPACES: [i32; 7] = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];

    /// Calls that this kernel seems not to have. The flags of `clone3` are in memory, where no filter sees them; C libraries
    /// call `clone` if there is no such thing.
    #[cfg(target_arch = "x86_64")]
    const MISSING: [libc::c_long; 2] = [libc::SYS_clone3, SHORT | libc::SYS_clone3];
    #[cfg(not(target_arch = "x86_64"))]
    const MISSING: [libc::c_long; 1] = [libc::SYS_clone3];

    /// The bits of the type of a socket that are no flags.
    const SOCKET_TYPE: SeccompCmpOp = SeccompCmpOp::MaskedEq(0xf);

    /// Controls of terminals that type in its user's place.
    const TYPING: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

    pub(super) fn limit_calls() -> io::Result<()> {
        let refused = || {
            let mut rules: Rules = REFUSED.iter().map(|&call| (call, vec![])).collect();
            rules.extend(refused_at_times()?);
            // Nobody misses them.
            #[cfg(target_arch = "x86_64")]
            {
                let short: Vec<_> = rules.keys().map(|&call| call | SHORT).chain(REFUSED_SHORT).collect();
                rules.extend(short.into_iter().map(|call| (call, vec![])));
            }
            filter(rules, libc::EACCES)
        };
        let missing = || filter(MISSING.iter().map(|&call| (call, vec![])).collect(), libc::ENOSYS);
        for filter in [missing(), refused()] {
            seccompiler::apply_filter(&filter.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// A filter by which calls fail with this error. Filters add up, and each has one error.
    fn filter(rules: Rules, error: i32) -> Result<BpfProgram, seccompiler::BackendError> {
        let action = SeccompAction::Errno(error.cast_unsigned());
        SeccompFilter::new(rules, SeccompAction::Allow, action, std::env::consts::ARCH.try_into()?)?.try_into()
    }

    /// Rules by the numbers of calls.
    type Rules = std::collections::BTreeMap<libc::c_long, Vec<SeccompRule>>;

    /// Calls that are refused with some arguments: if one of the conditions holds.
    fn refused_at_times() -> Result<Rules, seccompiler::BackendError> {
        let rules = |conditions: &[(u8, SeccompCmpOp, u64)]| {
            let rule = |(argument, operator, value): &(u8, SeccompCmpOp, u64)| {
                let condition = SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)?;
                SeccompRule::new(vec![condition])
            };
            conditions.iter().map(rule).collect::<Result<Vec<_>, _>>()
        };
        let number = |value: i32| u64::from(value.cast_unsigned());
        let is_set = |flag: i32| (0, SeccompCmpOp::MaskedEq(number(flag)), number(flag));
        Ok(Rules::from([
            (libc::SYS_ioctl, rules(&TYPING.map(|control| (1, SeccompCmpOp::Eq, control)))?),
            // One of a pair of datagrams can be turned to others, by the name of a file. The system takes raw for that, too.
            (
                libc::SYS_socketpair,
                rules(&[
                    (0, SeccompCmpOp::Ne, number(libc::AF_UNIX)),
                    (1, SOCKET_TYPE, number(libc::SOCK_DGRAM)),
                    (1, SOCKET_TYPE, number(libc::SOCK_RAW)),
                ])?,
            ),
            (libc::SYS_clone, rules(&NAMESPACES.map(is_set))?),
            // To limit others may end them.
            (libc::SYS_prlimit64, rules(&[(0, SeccompCmpOp::Ne, 0)])?),
        ]))
    }
}
