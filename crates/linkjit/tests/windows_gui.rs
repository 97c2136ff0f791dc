//! A program with a window: SDL2 as MSVC made it, its static half linked into the process, its DLL loaded; under Wine and
//! Xvfb.

#![cfg(target_os = "linux")]

#[path = "windows/downloads.rs"]
#[allow(dead_code, reason = "crates are for other tests")]
mod downloads;
#[path = "windows/tools.rs"]
mod tools;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tools::{for_wine, linkjit, root, succeed};

/// A process that ends when it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The colour of a pixel of a display.
fn pixel(display: &str, x: u32, y: u32) -> Result<String, String> {
    let mut import = Command::new("import");
    import.args(["-display", display, "-window", "root", "-format", &format!("%[pixel:p{{{x},{y}}}]"), "info:"]);
    succeed(&mut import)
}

#[test]
fn a_program_opens_a_window_and_draws() -> Result<(), String> {
    let libraries = "share/sdl2/bin/SDL2.dll";
    let of_dev = |file: &str| {
        downloads::of_wheel(&format!("kivy-deps.sdl2-dev==0.8.0 kivy_deps.sdl2_dev-0.8.0.data/data/libs/{file}"))
    };
    let dll = downloads::of_wheel(&format!("kivy-deps.sdl2==0.8.0 kivy_deps.sdl2-0.8.0.data/data/{libraries}"))?;
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("windows_gui");
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/windows/sdl.c");
    let object = directory.join("sdl.obj");
    let mut clang = Command::new("clang-19");
    clang.args(["--target=x86_64-pc-windows-msvc", "-O2", "-I"]).arg(source.with_file_name("include"));
    succeed(clang.arg("-c").arg(&source).arg("-o").arg(&object))?;

    let mut xvfb = Command::new("Xvfb");
    xvfb.args(["-displayfd", "1", "-screen", "0", "640x480x24", "+extension", "GLX"]);
    let xvfb = xvfb.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut xvfb = Running(xvfb.map_err(|error| format!("Xvfb: {error}"))?);
    let mut number = String::new();
    let mut output = BufReader::new(xvfb.0.stdout.take().ok_or("no output of Xvfb")?);
    output.read_line(&mut number).map_err(|error| error.to_string())?;
    let display = format!(":{}", number.trim());

    // The size of Wine's desktop is that of the display of its first client: a prefix of its own has a server of its own.
    let mut command = Command::new(root().join("crates/xtask/wine"));
    command.env("WINEPREFIX", directory.join("prefix")).env("DISPLAY", &display).env("WINE_TIMEOUT", "120");
    command.current_dir(dll.parent().unwrap_or(&directory)).arg(linkjit()?).arg("run").arg(for_wine(&object));
    command.arg(for_wine(&of_dev("SDL2main.lib")?)).arg(for_wine(&of_dev("SDL2.lib")?));
    let errors = std::fs::File::create(directory.join("errors")).map_err(|error| error.to_string())?;
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
    let mut process = Running(process.map_err(|error| error.to_string())?);
    let deadline = Instant::now() + Duration::from_secs(110);
    loop {
        let drawn = [pixel(&display, 160, 100)?, pixel(&display, 10, 10)?];
        if drawn == ["srgb(255,0,0)", "srgb(0,0,255)"] {
            return Ok(());
        }
        let ended = process.0.try_wait().map_err(|error| error.to_string())?;
        if ended.is_some() || Instant::now() > deadline {
            let said = std::fs::read_to_string(directory.join("errors")).unwrap_or_default();
            return Err(format!("{ended:?}, the window shows {drawn:?}\n{said}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
