//! [`ObjectCache`]: what is kept, and what goes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linkjit::{CacheKey, ObjectCache};

fn key(number: u32) -> CacheKey {
    CacheKey::new("test", &number.to_le_bytes())
}

/// A directory that is not there yet.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cache-{name}-{}", std::process::id()));
    let _none = fs::remove_dir_all(&path);
    path
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let children = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    children(directory).iter().flat_map(|folder| children(folder)).collect()
}

#[test]
fn memory_keeps_what_was_used_last() {
    let cache = ObjectCache::in_memory(30);
    for number in 0..3 {
        cache.insert(&key(number), vec![number as u8; 10]);
    }
    assert!(cache.get(&key(0)).is_some());
    cache.insert(&key(3), vec![3; 10]);
    let there = |number| cache.get(&key(number)).is_some();
    assert_eq!([0, 1, 2, 3].map(there), [true, false, true, true]);
    // One entry may push out many; one that is too large pushes out none.
    cache.insert(&key(4), vec![4; 31]);
    assert_eq!([0, 2, 3, 4].map(there), [true, true, true, false]);
    cache.insert(&key(5), vec![5; 30]);
    assert_eq!([0, 2, 3, 5].map(there), [false, false, false, true]);
    cache.insert(&key(5), vec![6; 1]);
    assert_eq!(*cache.get(&key(5)).unwrap(), [6]);
}

#[test]
fn a_directory_keeps_what_was_used_last_within_its_limit() {
    let path = directory("limit");
    let cache = ObjectCache::in_directory(&path, 16 * 16_384).unwrap();
    let recent = key(0);
    cache.insert(&recent, vec![1; 1000]);
    for number in 1..100 {
        // An entry that is a minute old is the oldest.
        let old = SystemTime::now() - Duration::from_secs(60);
        files(&path)
            .iter()
            .for_each(|file| File::options().append(true).open(file).unwrap().set_modified(old).unwrap());
        assert!(cache.get(&recent).is_some(), "{number}");
        cache.insert(&key(number), vec![2; 1000]);
    }
    let size: u64 = files(&path).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!((20_000..=70_000).contains(&size), "{size}");
    cache.insert(&key(1000), vec![3; 16_384]);
    assert!(cache.get(&key(1000)).is_none() && cache.get(&recent).is_some());
    fs::remove_dir_all(&path).unwrap();
}

#[test]
fn entries_are_where_they_belong() {
    let path = directory("names");
    let cache = ObjectCache::in_directory(&path, 1 << 20).unwrap();
    cache.insert(&key(1), vec![1; 10]);
    let one = files(&path).remove(0);
    cache.insert(&key(2), vec![2; 10]);
    let two = files(&path).into_iter().find(|file| *file != one).unwrap();
    // The file of another entry, whole as it is, is no entry.
    fs::copy(&one, &two).unwrap();
    assert!(cache.get(&key(2)).is_none() && cache.get(&key(1)).is_some());
    let other = ObjectCache::in_directory_and_memory(&path, 1 << 20, 1 << 20).unwrap();
    assert_eq!(*other.get(&key(1)).unwrap(), [1; 10]);
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(*other.get(&key(1)).unwrap(), [1; 10], "it is in memory now");
    assert_eq!((other.hits(), other.misses()), (2, 0));
}

// No compiler runs under Wine.
#[cfg(unix)]
#[test]
fn a_compiler_with_a_cache_makes_the_same_objects() {
    use linkjit::{CachedCompiler, Compiler, SourceModule, SystemCompiler};
    let compiler = CachedCompiler::new(SystemCompiler, ObjectCache::in_memory(1 << 20));
    let module = SourceModule::text(
        "f.c",
        "#include <stddef.h>\nint f(void) { return offsetof(struct { char c; int i; }, i); }",
    );
    let [first, second] = [(), ()].map(|()| compiler.compile(&module).unwrap());
    assert_eq!((compiler.cache().hits(), compiler.cache().misses()), (1, 1));
    assert_eq!(first.object.bytes(), second.object.bytes());
    assert!(first.dependencies.is_some() && first.dependencies == second.dependencies);
    compiler.compile(&module.with_sections()).unwrap();
    assert_eq!((compiler.cache().hits(), compiler.cache().misses()), (1, 2));
}

#[test]
fn what_can_not_be_made_is_not_kept() {
    let cache = ObjectCache::in_memory(1 << 20);
    assert_eq!(cache.get_or_insert_with(&key(1), || Err::<Vec<u8>, _>("no")), Err("no"));
    assert_eq!(*cache.get_or_insert_with(&key(1), || Ok::<_, ()>(vec![1])).unwrap(), [1]);
}
