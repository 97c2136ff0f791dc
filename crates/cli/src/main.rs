//! tmp
fn main() {
    let jit = linkjit::Jit::host().unwrap();
    let mut args = std::env::args().skip(1);
    for a in args.by_ref() {
        if a.ends_with(".a") {
            jit.add_archive(&a).unwrap()
        } else if a.ends_with(".so") {
            jit.add_library(&a).unwrap()
        } else if a.ends_with(".o") {
            jit.add_object_file(&a).unwrap_or_else(|e| {
                println!("{e}");
                std::process::exit(1)
            })
        } else {
            jit.add_source_file(&a).unwrap()
        }
    }
    let r = unsafe { jit.run_main("main", &["x".into()]) };
    match r {
        Ok(c) => {
            eprintln!("{:?}", jit.statistics());
            unsafe { jit.close().unwrap() };
            std::process::exit(c)
        }
        Err(e) => {
            println!("{e}");
            std::process::exit(1)
        }
    }
}
