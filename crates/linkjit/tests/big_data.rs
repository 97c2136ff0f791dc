//! More data than the usual window has room for, in small, medium and large code models. Other tests would count its memory.
#![cfg(target_os = "linux")]

mod assembly;
mod host;

use assembly::{Workshop, call, function, source};

/// Memory of this process that is present, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn windows_are_as_large_as_batches_need_and_zeros_are_no_memory() {
    let (workshop, before) = (Workshop::new(), resident());
    let object = |model: &str, name: &str, mib: u32| {
        let text = format!("char {name}_data[{mib}ul << 20]; int {name}(void) {{ return {name}_data[77] + {mib}; }}");
        source(&workshop.compile("c", &text, &["-O1", "-fPIE", model]))
    };
    let jit = host::jit().unwrap();
    // Each has a lookup of its own; all but the first two need more than the usual window, or than what is left.
    for (number, (model, mib)) in [
        ("-mcmodel=small", 10),
        ("-mcmodel=small", 300),
        ("-mcmodel=small", 900),
        ("-mcmodel=medium", 2500),
        ("-mcmodel=medium", 20),
        ("-mcmodel=medium", 3000),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, tracker) = (format!("f{number}"), jit.create_tracker().unwrap());
        tracker.add_object(object(model, &name, mib)).unwrap();
        assert_eq!(call(&jit, &name).unwrap(), i32::try_from(mib).unwrap());
        if mib >= 2500 {
            // The room is used again.
            // SAFETY: nobody uses it.
            unsafe { tracker.remove() }.unwrap();
        }
    }
    let windows = jit.session().statistics().windows;
    jit.main().add_object(object("-mcmodel=medium", "again", 2500)).unwrap();
    assert_eq!(call(&jit, "again").unwrap(), 2500);
    assert_eq!(jit.session().statistics().windows, windows);
    assert!(resident() < before + (32 << 20), "{} bytes more", resident() - before);
}

#[test]
fn small_code_with_more_than_it_reaches_is_told_so() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = "char a[1500ul << 20], b[1500ul << 20], c[1500ul << 20]; int f(void) { return a[1] + b[1] + c[1]; }";
    jit.add_object(workshop.compile("c", text, &["-O1", "-fno-pic"])).unwrap();
    let error = jit.lookup("f").unwrap_err().to_string();
    assert!(error.contains("relocation truncated to fit") && error.contains("-mcmodel=medium"), "{error}");
    // The session is as before.
    jit.add_object(workshop.object(&function("g", 7))).unwrap();
    assert!(jit.main().link(&["g"]).is_ok());
}
