//! The functions of the service, and the plain ones that they are compared with.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};
use support::events::Queue;
use support::functions::{forward_variables, variables};

/// An exclusive pool without a cool-down.
pub(crate) const POOL: &str = "bench";
/// A shared pool without a cool-down.
pub(crate) const SHARED_POOL: &str = "shared";

pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<PathBuf>,
    /// The size of its zip file, in bytes.
    pub(crate) zipped: u64,
}

pub(crate) struct Functions {
    pub(crate) resolve_call: Function,
    pub(crate) assign_numbers: Function,
    pub(crate) release_numbers: Function,
    pub(crate) refill_pool: Function,
    pub(crate) forward_events: Function,
    /// The floor: it answers, and calls no service.
    pub(crate) hello: Function,
    /// One `GetItem`, in Rust.
    pub(crate) one_get_item: Function,
    /// One `GetItem`, in Node.js, or why it can not be measured here.
    pub(crate) node: Result<Function, String>,
}

impl Functions {
    /// Finds the functions that `make bench` has built.
    pub(crate) fn find() -> Result<Self, String> {
        let ours = Function::ours;
        let reference = |name, folder| Function::bootstrap(name, "target/lambda", folder);
        Ok(Self {
            resolve_call: ours("resolve-call", "ResolveCall")?,
            assign_numbers: ours("assign-numbers", "AssignNumbers")?,
            release_numbers: ours("release-numbers", "ReleaseNumbers")?,
            refill_pool: ours("refill-pool", "RefillPool")?,
            forward_events: Function::forward_events()?,
            hello: reference("hello", "reference-hello")?,
            one_get_item: reference("one-get-item", "reference-one-get-item")?,
            node: node(),
        })
    }

    pub(crate) fn all(&self) -> Vec<&Function> {
        let rust = [
            &self.resolve_call,
            &self.assign_numbers,
            &self.release_numbers,
            &self.refill_pool,
            &self.forward_events,
            &self.hello,
            &self.one_get_item,
        ];
        rust.into_iter().chain(self.node.as_ref().ok()).collect()
    }
}

impl Function {
    /// Finds forward-events, which is also measured by itself.
    pub(crate) fn forward_events() -> Result<Self, String> {
        Self::ours("forward-events", "ForwardEvents")
    }

    fn ours(name: &'static str, folder: &str) -> Result<Self, String> {
        Self::bootstrap(name, "target/local/build", folder)
    }

    fn bootstrap(name: &'static str, built: &str, folder: &str) -> Result<Self, String> {
        let program = Path::new(built).join(folder).join("bootstrap");
        let bytes = std::fs::read(&program)
            .map_err(|error| format!("{}: {error}; `make bench` builds it", program.display()))?;
        Ok(Self { name, program, arguments: Vec::new(), zipped: deflated(&bytes) })
    }

    /// Its environment, as the template and Lambda set it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let own = match self.name {
            "release-numbers" => variables(Queue::Release, &pools()),
            "refill-pool" => variables(Queue::Refill, &pools()),
            "forward-events" => forward_variables(),
            _ => variables(Queue::Assign, &pools()),
        };
        let lambda = [
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
        ];
        let lambda = lambda.map(|(name, value)| (name, value.to_owned()));
        lambda.into_iter().chain(own).collect()
    }
}

/// One pool of each allocation.
pub(crate) fn pools() -> Value {
    let pool = |id, allocation| {
        json!({
            "id": id,
            "default": id == POOL,
            "allocation": allocation,
            "min_free": 0,
            "cooldown_seconds": 0,
        })
    };
    json!([pool(POOL, "exclusive"), pool(SHARED_POOL, "shared")])
}

/// The compressed size of a file.
fn deflated(bytes: &[u8]) -> u64 {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it").len() as u64
}

/// Installs the Node.js function if that is possible here. Later runs reuse it.
fn node() -> Result<Function, String> {
    let node = Path::new("target/bench/node");
    let source = Path::new("bench/node");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(node).output();
        let output = output.map_err(|_| format!("{program} is not installed"))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(said).ok_or(format!("`{program}` failed"))
    };
    std::fs::create_dir_all(node).map_err(|error| error.to_string())?;
    let program = run("node", &["-p", "process.execPath"])?;
    let lock = std::fs::read(source.join("package-lock.json")).map_err(|it| it.to_string())?;
    if std::fs::read(node.join("installed.json")).ok().as_ref() != Some(&lock) {
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(source.join(file), node.join(file)).map_err(|it| it.to_string())?;
        }
        run("npm", &["ci", "--no-audit", "--no-fund"])?;
        std::fs::write(node.join("installed.json"), &lock).map_err(|it| it.to_string())?;
    }
    let handler = node.join("index.mjs");
    std::fs::copy(source.join("index.mjs"), &handler).map_err(|it| it.to_string())?;
    let zipped = deflated_folder(&node.join("node_modules")).map_err(|it| it.to_string())?;
    Ok(Function { name: "node", program: program.into(), arguments: vec![handler], zipped })
}

fn deflated_folder(folder: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() {
            deflated_folder(&entry.path())?
        } else {
            deflated(&std::fs::read(entry.path())?)
        };
    }
    Ok(size)
}
