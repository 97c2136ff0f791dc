//! `std::filesystem` of Microsoft's C++ library: the functions over the system's that it links into each image. Their
//! interface is that of its open-source headers (`xfilesystem_abi.h`); errors are the system's.

mod changes;
mod directories;
mod handles;
mod links;
mod paths;
mod space;
mod stats;

use crate::{ExecAddr, os};

functions! {
    symbol(b"__std_fs_"):
    b"get_full_path_name" => paths::full_path;
    b"open_handle" => handles::open_handle;
    b"close_handle" => handles::close_handle;
    b"get_file_attributes_by_handle" => handles::read_attributes;
    b"get_final_path_name_by_handle" => paths::final_path;
    b"copy_file" => changes::copy_file;
    b"directory_iterator_open" => directories::open_directory;
    b"directory_iterator_advance" => directories::advance_directory;
    b"directory_iterator_close" => directories::close_directory;
    b"get_stats" => stats::stats;
    b"code_page" => paths::code_page;
    b"convert_narrow_to_wide" => paths::narrow_to_wide;
    b"convert_wide_to_narrow" => paths::wide_to_narrow;
    b"convert_wide_to_narrow_replace_chars" => paths::wide_to_narrow_replacing;
    b"get_file_id" => stats::file_id;
    b"set_last_write_time" => stats::set_last_write_time;
    b"change_permissions" => stats::change_permissions;
    b"get_temp_path" => paths::temporary_directory;
    b"get_current_path" => paths::current_directory;
    b"set_current_path" => paths::set_current_directory;
    b"create_directory" => directories::create_directory;
    b"create_directory_template" => directories::create_directory_like;
    b"create_directory_symbolic_link" => links::link::<{ links::DIRECTORY }>;
    b"create_symbolic_link" => links::link::<{ links::FILE }>;
    b"create_hard_link" => links::hard_link;
    b"read_reparse_data_buffer" => links::read_reparse_data;
    b"write_reparse_data_buffer" => links::write_reparse_data;
    b"read_name_from_reparse_data_buffer" => links::name_in_reparse_data;
    b"is_junction_from_reparse_data_buffer" => links::is_junction;
    b"remove" => changes::remove;
    b"rename" => changes::rename;
    b"resize_file" => changes::resize;
    b"space" => space::space;
}

/// `__std_win_error`: the system's number, 0 for success.
type Error = u32;

/// Returns the error of a function of the system that returns a `BOOL`.
fn check(done: i32) -> Error {
    if done == 0 { os::last_error() } else { 0 }
}

/// `__std_ulong_and_error` and its kin: what a function of the system has returned, which is 0 if it fails.
#[repr(C)]
struct Outcome<T> {
    value: T,
    error: Error,
}

fn outcome<T: Default + PartialEq>(value: T) -> Outcome<T> {
    let error = if value == T::default() { os::last_error() } else { 0 };
    Outcome { value, error }
}

/// Writes what was found to where the caller wants it.
///
/// # Safety
/// It must be a place for it.
unsafe fn give<T>(found: Result<T, Error>, place: *mut T) -> Error {
    match found {
        Ok(found) => {
            // SAFETY: the caller vouches for the place.
            unsafe { place.write(found) };
            0
        }
        Err(error) => error,
    }
}

/// `__std_fs_copy_file_result`, `__std_fs_create_directory_result`, `__std_fs_remove_result`.
#[repr(C)]
struct Done {
    done: bool,
    error: Error,
}

impl Done {
    const NOTHING_TO_DO: Self = Self::failed(0);

    const fn failed(error: Error) -> Self {
        Self { done: false, error }
    }

    /// Makes the result of something that was done, if there is no error.
    const fn from_error(error: Error) -> Self {
        Self { done: error == 0, error }
    }
}

/// Says whether an error says that there is no such file (`__std_is_file_not_found`).
const fn is_not_found(error: Error) -> bool {
    const BAD_NETWORK_PATH: Error = 53;
    const INVALID_NAME: Error = 123;
    matches!(error, 2 | 3 | BAD_NETWORK_PATH | INVALID_NAME)
}
