//! An execution environment: the process of a function, driven and measured through its own
//! Lambda Runtime API.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use lambda_support::clock;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::endpoint::Endpoint;
use crate::function::Function;

/// A function that takes longer than this is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running function. Its process ends when this value is dropped or, if this program is
/// killed, at its next request to the Runtime API.
pub(crate) struct Environment {
    name: &'static str,
    child: Child,
    server: JoinHandle<()>,
    events: mpsc::UnboundedSender<String>,
    seen: mpsc::UnboundedReceiver<RuntimeEvent>,
    /// Milliseconds from exec until the first request for an event.
    pub(crate) start: f64,
}

/// What the Runtime API saw the function do.
#[derive(Debug)]
enum RuntimeEvent {
    /// It asked for an event.
    Ready(Instant),
    HandedOut(Instant),
    Answered(Instant, Bytes),
    Failed(Bytes),
}

struct RuntimeApi {
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    seen: mpsc::UnboundedSender<RuntimeEvent>,
}

impl Environment {
    /// Starts a function, and waits until it is ready for its first event.
    pub(crate) async fn start(function: &Function, cloud: &Endpoint) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (events, received) = mpsc::unbounded_channel();
        let (sender, seen) = mpsc::unbounded_channel();
        let api = Arc::new(RuntimeApi { events: Mutex::new(received), seen: sender });
        let server = tokio::spawn(serve(listener, api));
        let mut command = command(function, cloud, address);
        let begun = Instant::now();
        let child = on_the_other_processor(|| command.spawn());
        let child = child.unwrap_or_else(|error| panic!("{} can't start: {error}", function.name));
        let name = function.name;
        let mut environment = Self { name, child, server, events, seen, start: 0.0 };
        match environment.next_event().await {
            RuntimeEvent::Ready(at) => environment.start = milliseconds(at - begun),
            other => panic!("{name} begins with {other:?}"),
        }
        environment
    }

    /// Hands an event to the function. Returns the milliseconds until its answer arrived, and
    /// the answer.
    pub(crate) async fn invoke(&mut self, event: String) -> (f64, Bytes) {
        self.events.send(event).expect("the Runtime API serves");
        let mut handed_out = None;
        loop {
            match self.next_event().await {
                RuntimeEvent::Ready(_) => {}
                RuntimeEvent::HandedOut(at) => handed_out = Some(at),
                RuntimeEvent::Answered(at, answer) => {
                    let begun = handed_out.expect("no answer comes before its event");
                    return (milliseconds(at - begun), answer);
                }
                RuntimeEvent::Failed(why) => {
                    panic!("{} failed: {}", self.name, String::from_utf8_lossy(&why))
                }
            }
        }
    }

    async fn next_event(&mut self) -> RuntimeEvent {
        tokio::select! {
            event = self.seen.recv() => event.expect("the Runtime API serves"),
            status = self.child.wait() => panic!("{} ended: {status:?}; see its log", self.name),
            () = tokio::time::sleep(PATIENCE) => panic!("{} does not answer; see its log", self.name),
        }
    }

    /// Kills the process, and waits until it has ended.
    pub(crate) async fn end(mut self) {
        self.child.kill().await.expect("the process is ours");
    }

    /// The processor time of its threads so far, in milliseconds.
    pub(crate) fn processor_time(&self) -> f64 {
        let tasks = format!("/proc/{}/task", self.pid());
        let tasks = std::fs::read_dir(tasks).expect("the process lives");
        let nanoseconds = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        });
        nanoseconds.sum::<f64>() / 1e6
    }

    /// The peak of its resident memory, in MiB.
    pub(crate) fn peak_memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the process lives");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|it| it.split_whitespace().next()?.parse::<f64>().ok());
        kilobytes.expect("the kernel tells it") / 1024.0
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("the process lives")
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The first two processors that this program may use.
static PROCESSORS: LazyLock<Vec<usize>> = LazyLock::new(|| {
    let allowed = sched_getaffinity(None).expect("the system tells where this may run");
    (0..CpuSet::MAX_CPU).filter(|it| allowed.is_set(*it)).take(2).collect()
});

/// Starts a process that stays on one processor, and keeps this process on another. Left to
/// the system, the two sometimes share a processor, which changes each call by a tenth of a
/// millisecond.
fn on_the_other_processor<T>(start: impl FnOnce() -> T) -> T {
    let [this, other] = PROCESSORS.as_slice() else { return start() };
    stay_on(*other);
    let started = start();
    stay_on(*this);
    started
}

fn stay_on(processor: usize) {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).expect("a processor that is allowed");
}

fn command(function: &Function, cloud: &Endpoint, runtime_api: SocketAddr) -> Command {
    let log = Path::new("target/bench").join(format!("{}.log", function.name));
    let log = std::fs::File::options().create(true).append(true).open(log).expect("a log file");
    let mut command = Command::new(&function.program);
    command
        .args(&function.arguments)
        .kill_on_drop(true)
        .env_clear()
        .envs(cloud.variables())
        .envs(function.variables())
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log);
    command
}

async fn serve(listener: TcpListener, api: Arc<RuntimeApi>) {
    let app = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
        .route("/2018-06-01/runtime/init/error", post(failure))
        .with_state(api);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let _ = axum::serve(listener, app).await;
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    let _ = api.seen.send(RuntimeEvent::Ready(Instant::now()));
    let Some(event) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = (clock::unix_seconds() + 60) * 1000;
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("Lambda-Runtime-Deadline-Ms", deadline.to_string()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:us-east-1:123456789012:function:bench".to_owned(),
        ),
        ("Content-Type", "application/json".to_owned()),
    ];
    let _ = api.seen.send(RuntimeEvent::HandedOut(Instant::now()));
    (headers, event).into_response()
}

async fn response(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> StatusCode {
    let _ = api.seen.send(RuntimeEvent::Answered(Instant::now(), body));
    StatusCode::ACCEPTED
}

async fn failure(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> StatusCode {
    let _ = api.seen.send(RuntimeEvent::Failed(body));
    StatusCode::ACCEPTED
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
