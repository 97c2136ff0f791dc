//! Who wins when a name is defined more than once: the same verdict as the system's linker gives, for all combinations.
#![cfg(not(windows))]

mod assembly;
mod host;

use assembly::{Input, Verdict, Workshop, getter};

/// Ways to define the variable `v`, with what is stored there.
const DEFINITIONS: [(&str, &str); 13] = [
    ("nothing", ""),
    ("strong", ".data\n.globl v\nv: .long VALUE\n.size v,4\n.type v,@object\n"),
    ("weak", ".data\n.weak v\nv: .long VALUE\n.size v,4\n.type v,@object\n"),
    ("common", ".comm v,4,4\n"),
    ("COMDAT weak", ".section .data.v,\"awG\",@progbits,v,comdat\n.weak v\nv: .long VALUE\n.size v,4\n"),
    ("COMDAT strong", ".section .data.v,\"awG\",@progbits,v,comdat\n.globl v\nv: .long VALUE\n.size v,4\n"),
    (
        "COMDAT of two",
        ".section .data.v,\"awG\",@progbits,v,comdat\n.weak v\nv: .long VALUE\n\
         .section .data.w,\"awG\",@progbits,v,comdat\n.weak w\nw: .long VALUE+100\n",
    ),
    ("COMDAT of another name", ".section .data.v,\"awG\",@progbits,group,comdat\n.weak v\nv: .long VALUE\n.size v,4\n"),
    ("hidden", ".data\n.globl v\n.hidden v\nv: .long VALUE\n"),
    ("weak hidden", ".data\n.weak v\n.hidden v\nv: .long VALUE\n"),
    ("protected", ".data\n.globl v\n.protected v\nv: .long VALUE\n"),
    ("alias", ".data\nlocal: .long VALUE\n.globl v\n.set v,local\n"),
    ("weak reference", ".data\n.weak v\n.quad v\n"),
];

fn definition(kind: usize, value: usize) -> String {
    DEFINITIONS[kind].1.replace("VALUE", &value.to_string())
}

fn object(kind: usize, value: usize) -> Input {
    Input::Object(definition(kind, value))
}

fn archive(kind: usize, value: usize) -> Input {
    Input::Archive(vec![definition(kind, value)])
}

/// Compares with the native linker; complains about all differences at once.
fn compare(cases: impl Iterator<Item = (String, Vec<Input>)>) {
    let workshop = Workshop::new();
    let mut differences = Vec::new();
    let mut seen = Vec::new();
    // Executors have no say in it: some of the cases show that they don't.
    let step = if host::is_elsewhere() { 10 } else { 1 };
    for (name, inputs) in cases.step_by(step) {
        let (native, ours) = (workshop.native(&inputs), workshop.jitted(&inputs));
        if native != ours {
            differences.push(format!("{name}: natively {native:?}, here {ours:?}"));
        }
        seen.push(native);
    }
    assert!(differences.is_empty(), "{} of {} differ:\n{}", differences.len(), seen.len(), differences.join("\n"));
    assert!(seen.iter().any(|verdict| matches!(verdict, Verdict::Returns(1..))), "no case was linked");
}

fn main_object() -> Input {
    Input::Object(getter("main", "v"))
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..DEFINITIONS.len()).flat_map(|one| (0..DEFINITIONS.len()).map(move |other| (one, other)))
}

#[test]
fn two_definitions_give_the_native_verdict() {
    compare(pairs().map(|(one, other)| {
        let name = format!("{}, {}", DEFINITIONS[one].0, DEFINITIONS[other].0);
        (name, vec![main_object(), object(one, 1), object(other, 2)])
    }));
}

#[test]
fn three_definitions_give_the_native_verdict() {
    let kinds = [1, 2, 3, 4, 6, 9];
    compare((0..216).map(|case| {
        let [one, two, three] = [kinds[case / 36], kinds[case / 6 % 6], kinds[case % 6]];
        let name = format!("{}, {}, {}", DEFINITIONS[one].0, DEFINITIONS[two].0, DEFINITIONS[three].0);
        (name, vec![main_object(), object(one, 1), object(two, 2), object(three, 3)])
    }));
}

/// Natively a tentative definition pulls a member with a real one out of an archive (for Fortran's BLOCK DATA). Here
/// only undefined names do: what an object defines is settled when the object is added.
fn pulls_for_fortran(object: usize, member: usize) -> bool {
    DEFINITIONS[object].0 == "common" && member != 0
}

#[test]
fn a_definition_and_a_member_give_the_native_verdict() {
    compare(pairs().filter(|&(one, other)| !pulls_for_fortran(one, other)).map(|(one, other)| {
        let name = format!("{}, member {}", DEFINITIONS[one].0, DEFINITIONS[other].0);
        (name, vec![main_object(), object(one, 1), archive(other, 2)])
    }));
}

#[test]
fn two_members_give_the_native_verdict() {
    compare(pairs().filter(|&(one, other)| !pulls_for_fortran(one, other)).map(|(one, other)| {
        let name = format!("member {}, member {}", DEFINITIONS[one].0, DEFINITIONS[other].0);
        (name, vec![main_object(), archive(one, 1), archive(other, 2)])
    }));
}

/// A member that is pulled for `other` meets definitions of `v`, linked or not.
#[test]
fn a_member_pulled_for_another_name_gives_the_native_verdict() {
    let main = format!("{}\n.data\n.quad other\n", getter("main", "v"));
    compare(pairs().map(|(one, other)| {
        let name = format!("{}, member pulled for another name {}", DEFINITIONS[one].0, DEFINITIONS[other].0);
        let member = format!(".data\n.globl other\nother: .long 7\n{}", definition(other, 2));
        // What the member has is reached through the getter's own object.
        let main = main.replace(".data", ".section .text");
        (name, vec![Input::Object(main), object(one, 1), Input::Archive(vec![member])])
    }));
}
