//! Names for the systems that parts of the executor are for.

use std::env::var;

fn main() {
    let is = |what: &str, value: &str| var(format!("CARGO_CFG_TARGET_{what}")).is_ok_and(|target| target == value);
    let (linux, windows, x86_64) = (is("OS", "linux"), is("OS", "windows"), is("ARCH", "x86_64"));
    let glibc = linux && is("ENV", "gnu");
    let names = [
        ("glibc", glibc),
        ("glibc_x86_64", glibc && x86_64),
        ("linux_x86_64", linux && x86_64),
        ("windows_x86_64", windows && x86_64),
        // The calling conventions for which linkjit has routines in assembly.
        ("known_convention", (linux || windows) && x86_64),
    ];
    for (name, holds) in names {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if holds {
            println!("cargo::rustc-cfg={name}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
}
