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

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name.strip_prefix(b"__std_fs_")? {
        b"get_full_path_name" => paths::full_path as *const (),
        b"open_handle" => handles::open_handle as *const (),
        b"close_handle" => handles::close_handle as *const (),
        b"get_file_attributes_by_handle" => handles::attributes_of_handle as *const (),
        b"get_final_path_name_by_handle" => paths::final_path as *const (),
        b"copy_file" => changes::copy_file as *const (),
        b"directory_iterator_open" => directories::open_directory as *const (),
        b"directory_iterator_advance" => directories::advance_directory as *const (),
        b"directory_iterator_close" => directories::close_directory as *const (),
        b"get_stats" => stats::stats as *const (),
        b"code_page" => paths::code_page as *const (),
        b"convert_narrow_to_wide" => paths::narrow_to_wide as *const (),
        b"convert_wide_to_narrow" => paths::wide_to_narrow as *const (),
        b"convert_wide_to_narrow_replace_chars" => paths::wide_to_narrow_replacing as *const (),
        b"get_file_id" => stats::file_id as *const (),
        b"set_last_write_time" => stats::set_last_write_time as *const (),
        b"change_permissions" => stats::change_permissions as *const (),
        b"get_temp_path" => paths::temporary_directory as *const (),
        b"get_current_path" => paths::current_directory as *const (),
        b"set_current_path" => paths::set_current_directory as *const (),
        b"create_directory" => directories::create_directory as *const (),
        b"create_directory_template" => directories::create_directory_like as *const (),
        b"create_directory_symbolic_link" => links::link_directory as *const (),
        b"create_symbolic_link" => links::link_file as *const (),
        b"create_hard_link" => links::hard_link as *const (),
        b"read_reparse_data_buffer" => links::read_reparse_data as *const (),
        b"write_reparse_data_buffer" => links::write_reparse_data as *const (),
        b"read_name_from_reparse_data_buffer" => links::name_in_reparse_data as *const (),
        b"is_junction_from_reparse_data_buffer" => links::is_junction as *const (),
        b"remove" => changes::remove as *const (),
        b"rename" => changes::rename as *const (),
        b"resize_file" => changes::resize as *const (),
        b"space" => space::space as *const (),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}

/// `__std_win_error`: the system's number, 0 for success.
type Error = u32;

/// What a function of the system that returns a `BOOL` says.
fn check(done: i32) -> Error {
    if done == 0 { os::last_error() } else { 0 }
}

/// `__std_ulong_and_error`.
#[repr(C)]
struct Size {
    size: u32,
    error: Error,
}

/// What a function of the system says that returns 0 if it fails.
fn size(size: u32) -> Size {
    Size { size, error: if size == 0 { os::last_error() } else { 0 } }
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

    /// What came of doing it.
    const fn of(error: Error) -> Self {
        Self { done: error == 0, error }
    }
}

/// Whether an error says that there is no such file (`__std_is_file_not_found`).
const fn is_not_found(error: Error) -> bool {
    const BAD_NETWORK_PATH: Error = 53;
    const INVALID_NAME: Error = 123;
    matches!(error, 2 | 3 | BAD_NETWORK_PATH | INVALID_NAME)
}
