//! Names for the systems that parts of the executor are for.

use std::env::var;

fn main() {
    let is = |what: &str, value: &str| var(format!("CARGO_CFG_TARGET_{what}")).is_ok_and(|of| of == value);
    let glibc = is("OS", "linux") && is("ENV", "gnu");
    let names = [
        ("glibc", glibc),
        ("glibc_x86_64", glibc && is("ARCH", "x86_64")),
        ("windows_x86_64", is("OS", "windows") && is("ARCH", "x86_64")),
    ];
    for (name, holds) in names {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if holds {
            println!("cargo::rustc-cfg={name}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
}
