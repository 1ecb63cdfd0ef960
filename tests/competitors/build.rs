//! Compiles the Boost.Interprocess candidate where its headers are installed.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(boost)");
    println!("cargo::rerun-if-env-changed=CPLUS_INCLUDE_PATH");
    println!("cargo::rerun-if-changed=boost/shim.cpp");
    let elsewhere = std::env::var("CPLUS_INCLUDE_PATH").unwrap_or_default();
    let installed = ["/usr/include", "/usr/local/include"]
        .into_iter()
        .chain(elsewhere.split(':').filter(|path| !path.is_empty()))
        .any(|path| Path::new(path).join("boost/interprocess").is_dir());
    if !installed {
        return;
    }
    cc::Build::new()
        .cpp(true)
        .std("c++14")
        .opt_level(3)
        .warnings(false)
        .file("boost/shim.cpp")
        .compile("boost_shim");
    println!("cargo::rustc-cfg=boost");
    println!("cargo::rustc-link-lib=rt");
}
