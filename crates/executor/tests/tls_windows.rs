//! Thread-local storage of images on Windows.

#![cfg(windows_x86_64)]

mod support;

use std::sync::mpsc::channel;
use std::thread;

use linkjit_executor::{
    ExecRange, Executor, ExecutorError, FinalizeActions, ImageId, InProcess, Protection, TlsBlock, TlsImage,
    TlsRequest, Window,
};
use linkjit_host::temporary::PrivateDirectory;
use support::{handles, load, place, resident, with_window};

/// An image with a window.
fn image() -> (InProcess, Window, ImageId) {
    let (executor, window) = with_window();
    let image = executor.open_image("test").unwrap();
    executor.set_dso_handle(image, window.range.start).unwrap();
    (executor, window, image)
}

/// Reserves and publishes a block of `size` bytes that begins with `bytes`.
fn block(executor: &InProcess, window: &Window, image: ImageId, size: u64, bytes: &[u8]) -> TlsBlock {
    let block = executor.reserve_tls(image, TlsRequest { size, align: 8, fixed_offset: false }).unwrap();
    load(executor, window, &[(Protection::Read, bytes)], |at| FinalizeActions {
        tls_image: Some(TlsImage { id: block.id, bytes: ExecRange::new(at[0], bytes.len() as u64) }),
        ..FinalizeActions::default()
    });
    block
}

fn get(block: &TlsBlock) -> u64 {
    // SAFETY: the blocks of these tests have 8 bytes or more.
    unsafe { place(block.start.module, block.start.offset).read() }
}

fn set(block: &TlsBlock, value: u64) {
    // SAFETY: as above.
    unsafe { place(block.start.module, block.start.offset).write(value) };
}

/// B7.30 of docs/coff-cases.md.
#[test]
fn threads_that_exist_and_new_ones_have_the_initial_content_each_its_own() {
    let (executor, window, image) = image();
    let (tell, told) = channel::<TlsBlock>();
    let existing = thread::spawn(move || told.iter().map(|block| (get(&block), set(&block, 7)).0).collect::<Vec<_>>());
    let first = block(&executor, &window, image, 16, &5u64.to_le_bytes());
    assert_eq!(get(&first), 5);
    set(&first, 6);
    assert_eq!(thread::spawn(move || get(&first)).join().unwrap(), 5);
    tell.send(first).unwrap();
    // Later ones are in the same module.
    let second = block(&executor, &window, image, 1000, &8u64.to_le_bytes());
    assert_eq!(second.start.module, first.start.module);
    assert_ne!(second.start.offset, first.start.offset);
    tell.send(second).unwrap();
    drop(tell);
    assert_eq!(existing.join().unwrap(), [5, 8]);
    assert_eq!((get(&first), get(&second)), (6, 8));
    assert_eq!(thread::spawn(move || (get(&first), get(&second))).join().unwrap(), (5, 8));
}

#[test]
fn what_was_released_is_used_again_with_new_content() {
    let (executor, window, image) = image();
    let first = block(&executor, &window, image, 64, &[0xff; 64]);
    executor.release_tls(first.id).unwrap();
    assert!(matches!(executor.release_tls(first.id), Err(ExecutorError::NoSuch { .. })));
    let again = block(&executor, &window, image, 64, &[]);
    assert_eq!(again.start.offset, first.start.offset);
    assert_eq!(get(&again), 0);
}

#[test]
fn an_image_says_when_its_storage_is_used_up() {
    let (executor, _, image) = image();
    let request = TlsRequest { size: 5000, align: 16, fixed_offset: false };
    let error = (0..100).find_map(|_| executor.reserve_tls(image, request).err()).unwrap();
    assert!(matches!(error, ExecutorError::TlsImageFull { size: 5000, .. }), "{error}");
    let error = executor.reserve_tls(image, TlsRequest { align: 24, ..request }).unwrap_err();
    assert!(matches!(error, ExecutorError::Invalid { .. }));
}

#[test]
fn files_that_ended_processes_left_are_removed() {
    let own = PrivateDirectory::new().unwrap();
    let left = std::env::temp_dir().join("linkjit-private-left-by-a-test");
    std::fs::create_dir(&left).unwrap();
    for name in ["lock", "linkjit-tls.dll"] {
        std::fs::write(left.join(name), []).unwrap();
    }
    let program = std::env::current_exe().unwrap();
    let mut test = std::process::Command::new(program);
    test.args(["--exact", "what_was_released_is_used_again_with_new_content"]).stdout(std::process::Stdio::null());
    assert!(test.status().unwrap().success());
    assert!(!left.exists() && own.path().exists());
}

/// B7.40 of docs/coff-cases.md.
#[test]
fn a_thousand_images_leave_nothing_behind() {
    let (executor, window) = with_window();
    let cycle = || {
        let image = executor.open_image("test").unwrap();
        executor.set_dso_handle(image, window.range.start).unwrap();
        let block = block(&executor, &window, image, 8, &9u64.to_le_bytes());
        assert_eq!(get(&block), 9);
        executor.release_tls(block.id).unwrap();
        // SAFETY: nothing is registered.
        unsafe { executor.close_image(image) }.unwrap();
    };
    let files = || {
        let directories = std::fs::read_dir(std::env::temp_dir()).unwrap().map(|entry| entry.unwrap().path());
        directories.filter(|directory| directory.join("linkjit-tls.dll").exists()).count()
    };
    (0..50).for_each(|_| cycle());
    let (before, files_before, resident_before) = (handles(), files(), resident());
    (0..1000).for_each(|_| cycle());
    // Other tests run at the same time.
    assert!(handles() < before + 50 && files() < files_before + 50);
    assert!(resident() < resident_before + (8 << 20), "{resident_before} -> {}", resident());
}
