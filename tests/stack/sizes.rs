//! What a deployment uploads, and Lambda fetches for every environment.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use support::deployed::{Result, Surprise, check};

use crate::Scene;

/// A function is to take no more than this when zipped.
const MOST: usize = 3_500_000;

pub(crate) async fn no_function_outgrows_its_size(scene: &'static Scene) -> Result {
    // All of them are built and uploaded, also the one that is made only with a topic.
    for function in [
        "ResolveCall",
        "AssignNumbers",
        "ReleaseNumbers",
        "RefillPool",
        "CheckSettings",
        "ForwardEvents",
    ] {
        let program = scene.stack.built()?.join(function).join("bootstrap");
        let problem =
            |error: std::io::Error| Surprise::new(format!("{}: {error}", program.display()));
        let bytes = std::fs::read(&program).map_err(problem)?;
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&bytes).map_err(problem)?;
        let size = encoder.finish().map_err(problem)?.len();
        check(&format!("{function} of {size} bytes is at most {MOST}"), &(size <= MOST), &true)?;
    }
    Ok(())
}
