//! Libraries that the process opens and closes while linked code uses them.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod assembly;
mod host;

use assembly::{Workshop, call, run};

#[test]
fn a_library_that_linked_code_is_bound_to_stays() {
    for flags in [&["-O1", "-fPIC"][..], &["-O1", "-fno-pic"]] {
        let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
        // Names are those of the whole process.
        let unique = workshop.directory.file_name().unwrap().to_string_lossy().replace('-', "_");
        let compile = |text: &str, flags: &[&str]| workshop.compile("c", &text.replace("NAME", &unique), flags);
        let library = workshop.path("so");
        let text = "int NAME_value = 40; int NAME_get(void) { return NAME_value; }";
        run(std::process::Command::new("cc").args(["-shared", "-o"]).arg(&library).arg(compile(text, &["-fPIC"])));
        let opens = "#include <dlfcn.h>\n
            static void *library;
            int begin(void) { library = dlopen(\"PATH\", RTLD_NOW | RTLD_GLOBAL); return library != 0; }
            int end(void) { return dlclose(library); }
            int is_loaded(void) { return dlopen(\"PATH\", RTLD_NOW | RTLD_NOLOAD) != 0; }";
        jit.add_object(compile(&opens.replace("PATH", library.to_str().unwrap()), flags)).unwrap();
        let uses = "extern int NAME_value, NAME_get(void); int use(void) { return NAME_get() + ++NAME_value; }";
        let later = "extern int NAME_get(void); int use_later(void) { return NAME_get(); }";

        // Nobody is bound to it yet.
        assert_eq!([call(&jit, "begin"), call(&jit, "end"), call(&jit, "is_loaded")].map(Result::unwrap), [1, 0, 0]);
        assert_eq!(call(&jit, "begin").unwrap(), 1);
        jit.add_object(compile(uses, flags)).unwrap();
        assert_eq!(call(&jit, "use").unwrap(), 81, "{flags:?}");
        assert_eq!(call(&jit, "end").unwrap(), 0);
        assert_eq!(call(&jit, "is_loaded").unwrap(), 1, "{flags:?}");
        assert_eq!(call(&jit, "use").unwrap(), 83, "{flags:?}");
        jit.add_object(compile(later, flags)).unwrap();
        assert_eq!(call(&jit, "use_later").unwrap(), 42, "{flags:?}");
    }
}
