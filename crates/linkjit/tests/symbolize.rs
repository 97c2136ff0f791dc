//! What a JITDylib defines, and what is at an address.

mod host;
mod support;

use linkjit::{Linkage, Scope, Source};
use support::compile;

#[test]
fn symbols_are_listed_with_what_is_known_of_them() {
    let jit = host::jit().unwrap();
    let text = "int strong(void) { return 1; } __attribute__((weak)) int weak; __attribute__((visibility(\"hidden\"))) int hidden = 1;
                static int local; int *get(void) { return &local; }";
    let dylib = jit.create_dylib("lib").unwrap();
    dylib.add_object(Source::new("a.o", compile("-O1 -fPIC -ffunction-sections -fdata-sections", text))).unwrap();
    let found = |name: &str| dylib.symbols().unwrap().into_iter().find(|symbol| symbol.name == name);
    assert!(found("strong").unwrap().flags.callable);
    assert_eq!(found("strong").unwrap().address, None);
    if cfg!(not(windows)) {
        // COFF has weak externals, which define nothing, and no visibility.
        assert_eq!(found("weak").unwrap().flags.linkage, Linkage::Weak);
        assert_eq!(found("hidden").unwrap().flags.scope, Scope::Hidden);
        // The platform's own are not listed.
        let names: Vec<_> =
            dylib.symbols().unwrap().into_iter().map(|symbol| symbol.name.text().into_owned()).collect();
        assert_eq!(names, ["get", "hidden", "strong", "weak"]);
    }
    assert!(found("local").is_none());
    let address = dylib.lookup("strong").unwrap();
    assert_eq!(found("strong").unwrap().address, Some(address));
    assert!(dylib.symbols().unwrap().is_sorted_by(|one, other| one.name < other.name));
    // What is found in a library is not its own.
    dylib.lookup("abs").unwrap();
    assert!(found("abs").is_none());
    // SAFETY: nobody is in it.
    unsafe { dylib.clone().close() }.unwrap();
    assert!(dylib.symbols().is_err());
}

#[test]
fn addresses_have_names() {
    let jit = host::jit().unwrap();
    let text = "static int table[3]; __attribute__((noinline)) static int inner(int n) { return table[n] + 1; }
                int outer(int n) { return inner(n) + 1; } int unused(void) { return 1; } int variable[4] = {1};
                int *get(void) { return variable; } void *inside(void) { return (void *)inner; }";
    jit.add_object(Source::new("a.o", compile("-O1 -fPIC -ffunction-sections -fdata-sections", text))).unwrap();
    let name = |address| {
        let found = jit.session().symbolize(address)?;
        assert_eq!((found.object.as_str(), found.dylib.as_str()), ("a.o", "main"));
        Some((found.name.text().into_owned(), found.offset))
    };
    let [outer, get, inside] = ["outer", "get", "inside"].map(|name| jit.lookup(name).unwrap());
    assert_eq!(name(outer), Some(("outer".into(), 0)));
    assert_eq!(name(get.offset(2)), Some(("get".into(), 2)));
    assert_eq!(name(jit.lookup("variable").unwrap().offset(12)), Some(("variable".into(), 12)));
    // The object still has something to be linked, so its local functions are known.
    // SAFETY: its type.
    let inside = unsafe { std::mem::transmute::<*mut (), unsafe extern "C" fn() -> *const ()>(inside.to_ptr()) };
    // SAFETY: as above.
    let inner = linkjit::ExecAddr::from_ptr(unsafe { inside() });
    assert_eq!(name(inner), Some(("inner".into(), 0)));
    assert_eq!(name(linkjit::ExecAddr::from_ptr(&jit)), None);
}

#[test]
fn lazy_functions_have_their_own_names() {
    let jit = host::jit().unwrap();
    jit.add_lazy_object(Source::new(
        "lazy.o",
        compile(
            "-O1 -fPIC",
            "void *f(void) { return __builtin_return_address(0); }
                                                                   void *here(void) { return f(); }",
        ),
    ))
    .unwrap();
    // SAFETY: its type.
    let here = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> *const ()>("f") }.unwrap();
    // SAFETY: as above.
    unsafe { here() };
    let stub = jit.session().symbolize(jit.lookup("f").unwrap()).unwrap();
    assert_eq!((stub.name.text().as_ref(), stub.offset), ("f", 0));
}
