//! Writes the custom resource definitions to `crds/` and `crds/slim/` of the folder it is started in: `make crds`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test tool ends by panicking, with the cause"
)]

use serin::api::crd::{self, Variant};
use std::error::Error;
use std::{fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    for variant in Variant::ALL {
        let folder = Path::new(variant.folder());
        fs::create_dir_all(folder)?;
        for (file, document) in crd::documents(variant) {
            let text = crd::print(&document)?;
            let path = folder.join(file);
            let json = serde_json::to_string(&document)?;
            println!(
                "{:7} bytes of YAML, {:7} of JSON  {}",
                text.len(),
                json.len(),
                path.display()
            );
            fs::write(path, text)?;
        }
    }
    Ok(())
}
