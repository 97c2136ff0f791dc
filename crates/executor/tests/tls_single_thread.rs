//! A process with one thread, which takes a program without the test harness's threads: the harness is off.

mod support;

#[cfg(not(glibc_x86_64))]
fn main() {}

#[cfg(glibc_x86_64)]
fn main() {
    use linkjit_executor::{Executor, TlsRequest};

    let (executor, window) = support::with_window();
    let image = executor.open_image("test").unwrap();
    let reserve = |size| {
        let block = executor.reserve_tls(image, TlsRequest { size, align: 8, fixed_offset: false }).unwrap();
        block.start.thread_offset.is_some()
    };
    assert!(reserve(64), "small blocks of a lone thread are at fixed offsets");
    assert!(!reserve(20_000), "large ones are not");
    std::thread::scope(|scope| {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || wait.recv());
        assert!(!reserve(64), "while there are other threads, small ones are not, either");
        drop(done);
    });

    let is_mapped = || support::mappings().iter().any(|(range, _)| range.contains(&window.range.start.0));
    assert!(is_mapped());
    drop(executor);
    assert!(!is_mapped(), "a dropped executor gives its windows back");
}
